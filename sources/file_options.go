package sources

import (
	"errors"
	"fmt"
)

// FileOption adjusts a [File] source. One that has no meaning for the kind of file says so.
type FileOption func(*fileConfig)

type fileConfig struct {
	more      []string
	name      string
	maxRecord int
	skip      int
	fromLine  int
	comma     rune
	header    []string
}

func newFileConfig(opts []FileOption) fileConfig {
	c := fileConfig{maxRecord: DefaultMaxRecord, comma: ','}
	for _, opt := range opts {
		opt(&c)
	}
	return c
}

// validate reports all faults together.
func (c *fileConfig) validate() error {
	var faults []error
	report := func(bad bool, option, problem string) {
		if bad {
			faults = append(faults, fmt.Errorf("sources: %s: %s", option, problem))
		}
	}
	report(c.maxRecord < 1, "WithMaxRecord", "must be at least 1 byte")
	report(c.skip < 0, "WithSkip", "cannot be negative")
	report(c.fromLine < 0, "WithFromLine", "cannot be negative")
	report(c.skip > 0 && c.fromLine > 0, "WithSkip", "excludes WithFromLine: a run resumes at a record or at a line")
	report(c.comma == '"' || c.comma == '\n' || c.comma == '\r' || c.comma == 0, "WithComma",
		"cannot be a quote, a line break or zero")
	return errors.Join(faults...)
}

// WithFiles adds files or patterns, to be read after the first. Sources of an io.Reader ignore it.
func WithFiles(paths ...string) FileOption {
	return func(c *fileConfig) { c.more = append(c.more, paths...) }
}

// WithName sets what a source of an io.Reader is called in positions and errors. The default is the
// reader's Name, if it has that method as *os.File does, and else "reader". Sources of files
// ignore it.
func WithName(name string) FileOption {
	return func(c *fileConfig) { c.name = name }
}

// WithMaxRecord bounds a line, or a CSV record, in bytes. The default is [DefaultMaxRecord]; below
// 1 Open fails. A longer line is a fault, whose raw text is cut off there. A longer CSV record ends
// the run, because it is nearly always a quote that is not closed, and where the next record begins
// cannot be told.
func WithMaxRecord(bytes int) FileOption {
	return func(c *fileConfig) { c.maxRecord = bytes }
}

// WithSkip leaves out the first n records, counted over all files, whether they can be decoded or
// not: a loader that has finished n records resumes so. Header and blank lines are no records. The
// default is 0; below 0 Open fails.
func WithSkip(n int) FileOption {
	return func(c *fileConfig) { c.skip = n }
}

// WithFromLine leaves out the records of the first file that begin before the line, counted from 1.
// The header of a CSV file is read all the same. The default is 0, for all; below 0 Open fails. It
// excludes [WithSkip].
func WithFromLine(line int) FileOption {
	return func(c *fileConfig) { c.fromLine = line }
}

// WithComma sets what separates the fields of a CSV file. The default is ','. Other kinds of file
// ignore it.
func WithComma(r rune) FileOption {
	return func(c *fileConfig) { c.comma = r }
}

// WithHeader names the columns of CSV files that have no header line. By default the first line is
// the header. Other kinds of file ignore it.
func WithHeader(columns ...string) FileOption {
	return func(c *fileConfig) { c.header = columns }
}
