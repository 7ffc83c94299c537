package sources

import (
	"errors"
	"io"
	"strconv"
	"sync/atomic"

	"github.com/rocketflow-io/rocketflow/flow/stage"
)

// stream gives the records of several files, or of one reader, a chunk at a time. One goroutine
// uses it at a time.
type stream[T any] struct {
	src    *File[T]
	paths  []string  // files that are not open yet
	input  io.Reader // instead of files; nil once it is in use
	skip   int       // records still to be left out
	opened int       // files so far

	text *text
	dec  decoder[T]
	last int   // line of the last record
	end  error // what ended the stream

	pending *chunk[T]   // read and not taken, at the end of the run before
	busy    atomic.Bool // in a run
	closer  io.Closer   // of the io.Reader; nil if it has none, or has been closed
}

// chunk is records of one file.
type chunk[T any] struct {
	name   string
	values []T
	lines  []int
	faults []stage.Fault
}

// advance opens the next file; io.EOF if there is none.
func (s *stream[T]) advance() error {
	if err := s.closeText(); err != nil {
		return err
	}
	var err error
	name, keep := s.name(), 0
	if s.src.keep {
		keep = s.src.cfg.maxRecord
	}
	switch {
	case s.input != nil:
		s.text, err = newText(name, s.input, keep)
		s.input = nil
	case len(s.paths) > 0:
		s.paths = s.paths[1:]
		s.text, err = openText(name, keep)
	default:
		return io.EOF
	}
	if err == nil {
		s.opened++
		s.last = 0
		s.dec, err = s.src.format(s.text, &s.src.cfg)
	}
	if err != nil {
		return stage.Permanent(&FileError{Op: "open", Path: name, Err: err})
	}
	return nil
}

// name is that of the file that advance would open.
func (s *stream[T]) name() string {
	if len(s.paths) > 0 {
		return s.paths[0]
	}
	return s.src.cfg.name
}

// next gives the next records of the file in hand, and goes on to the next file at its end. An
// error is the stream's end, and comes again.
func (s *stream[T]) next() (*chunk[T], error) {
	if c := s.pending; c != nil {
		s.pending = nil
		return c, nil
	}
	for s.end == nil {
		if s.dec == nil {
			s.end = s.advance()
			continue
		}
		if c := s.read(); len(c.values) > 0 {
			return c, nil
		}
	}
	return nil, s.end
}

// read gives what can be had of the file in hand without waiting, but at least one record, unless
// the file ends.
func (s *stream[T]) read() *chunk[T] {
	c := &chunk[T]{name: s.text.name}
	began := s.dec.offset()
	for len(c.values) < maxChunk && s.dec.offset()-began < maxChunkBytes {
		if len(c.values) > 0 && s.text.buf.Buffered() == 0 {
			return c
		}
		v, line, err := s.dec.next()
		var f *fault
		if err != nil && !errors.As(err, &f) {
			s.ended(err)
			return c
		}
		s.last = line
		if s.leftOut(line) {
			continue
		}
		c.add(v, line, f)
	}
	return c
}

func (s *stream[T]) leftOut(line int) bool {
	if s.skip > 0 {
		s.skip--
		return true
	}
	return s.opened == 1 && line < s.src.cfg.fromLine
}

// ended ends the file in hand, and with an error the stream too.
func (s *stream[T]) ended(err error) {
	s.dec = nil
	if !errors.Is(err, io.EOF) {
		s.end = stage.Permanent(&FileError{Op: "read", Path: s.text.name, Line: s.last + 1, Err: s.text.explain(err)})
	}
}

func (s *stream[T]) closeText() error {
	if s.text == nil {
		return nil
	}
	path, err := s.text.name, s.text.close()
	s.text = nil
	if err != nil {
		return &FileError{Op: "close", Path: path, Err: err}
	}
	return nil
}

// close closes what is open; files are not read further.
func (s *stream[T]) close() error {
	s.dec, s.paths = nil, nil
	return s.closeText()
}

func (c *chunk[T]) add(v T, line int, f *fault) {
	if c.values == nil {
		c.values, c.lines = make([]T, 0, maxChunk), make([]int, 0, maxChunk)
	}
	if f != nil {
		c.faults = append(c.faults, stage.Fault{Index: len(c.values), Err: f.err, Raw: f.raw})
	}
	c.values, c.lines = append(c.values, v), append(c.lines, line)
}

func (c *chunk[T]) batch() stage.Batch[T] {
	return stage.Batch[T]{Values: c.values, Info: c.info, Faults: c.faults}
}

func (c *chunk[T]) info(i int) stage.Info {
	at := c.name + ":" + strconv.Itoa(c.lines[i])
	return stage.Info{ID: at, Position: at}
}
