package sources

import (
	"io"
	"math"
)

// Lines gives the lines of a file, or of the files that a pattern matches, without their ends. A
// blank line is a record too; a last line without an end is one as well.
func Lines(path string, opts ...FileOption) *File[string] {
	return newFile("lines", path, opts, newLines)
}

// LinesFrom is [Lines] of what r gives.
func LinesFrom(r io.Reader, opts ...FileOption) *File[string] {
	return newFileFrom("lines", r, opts, newLines)
}

type lines struct{ scanner lineScanner }

func newLines(t *text, cfg *fileConfig) (decoder[string], error) {
	return &lines{newScanner(t, cfg)}, nil
}

func newScanner(t *text, cfg *fileConfig) lineScanner {
	// Two bytes less than what an int holds, for the line's end.
	return lineScanner{buf: t.buf, max: min(cfg.maxRecord, math.MaxInt-2)}
}

func (d *lines) next() (string, int, error) {
	line, err := d.scanner.next()
	return string(line), d.scanner.line, err
}

func (d *lines) offset() int64 { return d.scanner.read }
