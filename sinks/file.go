package sinks

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/rocketflow-io/rocketflow/flow/stage"
)

// File is a sink that writes records to a text file, made by [Lines], [CSV], [JSONLines] or
// [DeadLetterFile].
//
// # What is safe
//
// A write returns when its records are in the file and the file is synced to the disk; [WithSync]
// trades some of that for speed. A write that fails leaves nothing of itself behind: the file is
// cut back to where it began, and all its records fail.
//
// # What is there already
//
// A file that exists is gone on with; [WithReplace] begins anew. A process that is killed in the
// middle of a write leaves a torn record at the end of the file, which was not acknowledged and so
// comes again: the next Open cuts it off, and logs that ([WithLogger]). Whole records of such a
// write stay, and are written twice.
//
// # Gzip
//
// A file named *.gz is compressed, as is any other by [WithGzip]. Each write is a member of its
// own, so the file is whole after each; that costs a little in size, the less the more records a
// write has (flow.Batched). Open reads an existing file through, to find the last whole member.
//
// One pipeline may write to a file at a time; nothing else should.
type File[T any] struct {
	kind   string
	path   string
	cfg    fileConfig
	format format[T]
	opened atomic.Bool
}

var (
	_ stage.Sink[string]  = (*File[string])(nil)
	_ stage.SinkDescriber = (*File[string])(nil)
)

// format is how records of one kind become text.
type format[T any] struct {
	// append adds a record with its end. An error fails the record, for good.
	append func(b *bytes.Buffer, v T) error
	// header begins a new file; empty for none.
	header []byte
	// quotes says that a line break inside double quotes does not end a record.
	quotes bool
	// problem is why the sink cannot be used.
	problem error
}

// FileOption adjusts a [File] sink.
type FileOption func(*fileConfig)

type fileConfig struct {
	gzip    bool
	replace bool
	sync    time.Duration
	mode    fs.FileMode
	log     *slog.Logger
	comma   rune
	header  []string
	disk    disk
}

// WithGzip compresses the file whatever its name is. The default is to compress *.gz.
func WithGzip() FileOption { return func(c *fileConfig) { c.gzip = true } }

// WithReplace begins each run with an empty file. What an earlier run wrote is lost, although its
// records were acknowledged: it is for output that is made anew each time. The default is to go on
// with the file.
func WithReplace() FileOption { return func(c *fileConfig) { c.replace = true } }

// WithSync lets the file be synced to the disk by the first write that comes at least every after
// the last sync, and by Close; below 0 by Close alone. The default, 0, is to sync with each write.
// What was written since the last sync is acknowledged, and lost if the machine goes down; it is
// not lost if only the process does.
func WithSync(every time.Duration) FileOption { return func(c *fileConfig) { c.sync = every } }

// WithMode sets the permissions of a file that is created, before umask. The default is 0o644.
func WithMode(mode fs.FileMode) FileOption { return func(c *fileConfig) { c.mode = mode } }

// WithLogger sets where the sink reports that it has cut off a torn record. The default discards it.
func WithLogger(log *slog.Logger) FileOption { return func(c *fileConfig) { c.log = log } }

// WithComma sets what separates the fields of a CSV file. The default is ','. Other kinds of file
// ignore it.
func WithComma(r rune) FileOption { return func(c *fileConfig) { c.comma = r } }

// WithHeader sets the header of a CSV file of []string, which by default has none. For structs the
// tags are the header, and other kinds of file have none: they ignore it.
func WithHeader(columns ...string) FileOption {
	return func(c *fileConfig) { c.header = columns }
}

func newFile[T any](kind, path string, opts []FileOption, make func(*fileConfig) format[T]) *File[T] {
	cfg := fileConfig{mode: 0o644, log: slog.New(slog.DiscardHandler), comma: ',', disk: osDisk{}}
	cfg.gzip = strings.HasSuffix(path, ".gz")
	for _, opt := range opts {
		opt(&cfg)
	}
	return &File[T]{kind: kind, path: path, cfg: cfg, format: make(&cfg)}
}

// SinkTraits names the sink by its kind and path. Order is kept, also of the records of a key.
func (f *File[T]) SinkTraits() stage.SinkTraits { return stage.SinkTraits{Name: f.kind + " " + f.path} }

// Open opens the file or creates it, and cuts off a torn record at its end. It fails with a
// [*FileError], and if the sink is open already.
func (f *File[T]) Open(context.Context) (stage.Writer[T], error) {
	if err := f.check(); err != nil {
		return nil, stage.Permanent(err)
	}
	if !f.opened.CompareAndSwap(false, true) {
		return nil, fmt.Errorf("sinks: open %q: another run writes to it: wait for that to end", f.path)
	}
	log, err := openLog(f.path, &f.cfg, f.format.header, f.format.quotes)
	if err != nil {
		f.opened.Store(false)
		return nil, &FileError{Op: "open", Path: f.path, Err: err}
	}
	return &fileWriter[T]{sink: f, log: log}, nil
}

func (f *File[T]) check() error {
	switch {
	case f.format.problem != nil:
		return f.format.problem
	case f.cfg.log == nil:
		return errors.New("sinks: WithLogger: the logger is nil")
	}
	return nil
}

type fileWriter[T any] struct {
	sink   *File[T]
	log    *recordLog
	buf    bytes.Buffer
	closed bool
}

// Write writes the records and syncs the file. A record that has no text of this format fails for
// good and alone. Any other failure is of all records, of which none is in the file then. A write
// that has begun is not cut short when ctx ends.
func (w *fileWriter[T]) Write(ctx context.Context, b stage.Batch[T]) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	w.buf.Reset()
	var failed stage.BatchError
	for i, v := range b.Values {
		whole := w.buf.Len()
		if err := w.sink.format.append(&w.buf, v); err != nil {
			w.buf.Truncate(whole)
			failed.Fail(i, stage.Permanent(w.error("write", err)))
		}
	}
	if err := w.log.append(w.buf.Bytes()); err != nil {
		for i := range b.Values {
			if _, known := failed.Failed[i]; !known {
				failed.Fail(i, w.error("write", err))
			}
		}
	}
	return failed.OrNil()
}

// Close syncs and closes the file. Closing again changes nothing.
func (w *fileWriter[T]) Close(context.Context) error {
	if w.closed {
		return nil
	}
	w.closed = true
	defer w.sink.opened.Store(false)
	if err := w.log.close(); err != nil {
		return w.error("close", err)
	}
	return nil
}

func (w *fileWriter[T]) error(op string, err error) error {
	return &FileError{Op: op, Path: w.sink.path, Err: err}
}

// FileError is a file that cannot be written.
type FileError struct {
	// Op is "open", "write" or "close".
	Op   string
	Path string
	Err  error
}

// Error names the file and the reason.
func (e *FileError) Error() string {
	err := e.Err
	if p, ok := err.(*os.PathError); ok { //nolint:errorlint // only an error that would repeat the path is replaced
		err = p.Err
	}
	return fmt.Sprintf("sinks: %s %q: %v", e.Op, e.Path, err)
}

// Unwrap gives the reason.
func (e *FileError) Unwrap() error { return e.Err }
