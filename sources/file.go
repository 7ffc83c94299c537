package sources

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/rocketflow-io/rocketflow/flow/stage"
)

// Defaults of the file sources.
const (
	// DefaultMaxRecord is the longest line or CSV record, in bytes.
	DefaultMaxRecord = 1 << 20
	// maxChunk is the most records of one read, and maxChunkBytes about the most of their text.
	maxChunk      = 256
	maxChunkBytes = 1 << 20
)

// File is a source of the records of text files, made by [Lines], [CSV] or [JSONLines], or of what
// an io.Reader gives, made by [LinesFrom], [CSVFrom] or [JSONLinesFrom].
//
// Text is UTF-8, with or without a byte order mark, plain or gzip; which of the two is told by the
// content and not by the name. Lines end in LF or CRLF. Records come in the order of the files,
// one file after the other, and read ahead of the pipeline by a little, never the file as a whole.
// Info.Position and Info.ID are "file:line", where a record begins.
//
// A record that cannot be decoded is a fault: it goes by the error policy of the source's stage,
// with its position, the reason and its raw text, and reading goes on behind it. A file that
// cannot be read further, such as a gzip file cut short, ends the run with a [*FileError], after
// the records that could be read.
//
// A path with *, ? or [ is a pattern, as in [filepath.Glob], unless a file has that name. The files
// of a pattern come in the order of their names. That there is none is an error of Open.
//
// Each run reads the files from their beginning. A run on an io.Reader goes on where the one before
// has ended; if it is an io.Closer, the end of a run closes it, since a read that waits could not
// be ended otherwise.
type File[T any] struct {
	kind   string // of records: "lines"
	cfg    fileConfig
	paths  []string
	reader *stream[T] // of an io.Reader; nil for files
	format format[T]
	keep   bool // the format needs a tap that keeps the text of a record
}

var (
	_ stage.Source[string]  = (*File[string])(nil)
	_ stage.SourceDescriber = (*File[string])(nil)
)

// format makes the decoder of one text.
type format[T any] func(t *text, cfg *fileConfig) (decoder[T], error)

// decoder gives the records of one text.
type decoder[T any] interface {
	// next gives a record and the line where it begins. A *fault is a record too; any other error
	// is the text's end.
	next() (value T, line int, err error)
	// offset is how many bytes the records so far have taken.
	offset() int64
}

// fault is a record that cannot be decoded.
type fault struct {
	raw []byte
	err error
}

func (f *fault) Error() string { return f.err.Error() }

func newFile[T any](kind, path string, opts []FileOption, f format[T]) *File[T] {
	cfg := newFileConfig(opts)
	return &File[T]{kind: kind, cfg: cfg, paths: append([]string{path}, cfg.more...), format: f}
}

func newFileFrom[T any](kind string, r io.Reader, opts []FileOption, f format[T]) *File[T] {
	src := &File[T]{kind: kind, cfg: newFileConfig(opts), format: f}
	if src.cfg.name == "" {
		src.cfg.name = "reader"
		if named, ok := r.(interface{ Name() string }); ok {
			src.cfg.name = named.Name()
		}
	}
	src.reader = &stream[T]{src: src, input: r, skip: src.cfg.skip}
	src.reader.closer, _ = r.(io.Closer)
	return src
}

// SourceTraits names the source by its kind and its files.
func (f *File[T]) SourceTraits() stage.SourceTraits {
	what := f.cfg.name
	if f.reader == nil {
		what = strings.Join(f.paths, ", ")
	}
	return stage.SourceTraits{Name: f.kind + " " + what}
}

// Open opens the first file, and reads its header if it has one. It fails with a [*FileError], for
// good, if there is no such file or its header does not fit, and if an option is at fault.
func (f *File[T]) Open(context.Context) (stage.Reader[T], error) {
	if err := f.cfg.validate(); err != nil {
		return nil, stage.Permanent(err)
	}
	s := f.reader
	if s == nil {
		paths, err := expand(f.paths)
		if err != nil {
			return nil, stage.Permanent(err)
		}
		s = &stream[T]{src: f, paths: paths, skip: f.cfg.skip}
		if err := s.advance(); err != nil {
			return nil, stage.Permanent(errors.Join(err, s.close()))
		}
	}
	return startFileReader(s)
}

// expand gives the files that the paths and patterns stand for.
func expand(paths []string) ([]string, error) {
	var files []string
	for _, p := range paths {
		if !strings.ContainsAny(p, "*?[") || exists(p) {
			files = append(files, p)
			continue
		}
		found, err := filepath.Glob(p)
		switch {
		case err != nil:
			return nil, &FileError{Op: "open", Path: p, Err: fmt.Errorf("%w: see path/filepath.Match", err)}
		case len(found) == 0:
			return nil, &FileError{Op: "open", Path: p, Err: fmt.Errorf("%w: no file matches the pattern", os.ErrNotExist)}
		}
		files = append(files, found...) // Glob sorts them
	}
	return files, nil
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// FileError is a file that cannot be read, or not further.
type FileError struct {
	// Op is "open", "read" or "close".
	Op   string
	Path string
	// Line is the line behind the last record that could be read, from 1; 0 at the beginning.
	Line int
	Err  error
}

// Error names the file, the line and the reason.
func (e *FileError) Error() string {
	err := e.Err
	var p *os.PathError
	if errors.As(err, &p) && p == err { //nolint:errorlint // only an error that would repeat the path is replaced
		err = p.Err
	}
	if e.Line == 0 {
		return fmt.Sprintf("sources: %s %q: %v", e.Op, e.Path, err)
	}
	return fmt.Sprintf("sources: %s %q at line %d: %v", e.Op, e.Path, e.Line, err)
}

// Unwrap gives the reason.
func (e *FileError) Unwrap() error { return e.Err }
