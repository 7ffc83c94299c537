package sinks

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
)

// wholeRecords tells where the last whole record of a file ends, and checks that the file is one
// of ours: it is compressed or not, and begins with the header.
func wholeRecords(f io.ReadSeeker, header []byte, quotes, zipped bool) (int64, error) {
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return 0, err
	}
	in := bufio.NewReaderSize(f, 64<<10)
	magic, err := in.Peek(2)
	if err != nil && !errors.Is(err, io.EOF) {
		return 0, err
	}
	if isZipped := bytes.Equal(magic, []byte{0x1f, 0x8b}); len(magic) == 2 && isZipped != zipped {
		return 0, fmt.Errorf("file is gzip: %t, to be written as gzip: %t: write to another file, or replace it with sinks.WithReplace", isZipped, zipped)
	}
	s := &recordScanner{header: header, quotes: quotes}
	if zipped {
		return s.members(in)
	}
	if _, err := io.Copy(s, in); err != nil {
		return 0, err
	}
	return s.whole, s.foreign()
}

// recordScanner finds the ends of records in what is written to it.
type recordScanner struct {
	header []byte
	quotes bool

	head   []byte // the beginning of the text, as long as the header
	at     int64
	whole  int64 // where the last record ended
	quoted bool  // inside quotes
}

// Write passes over text. It does not fail.
func (s *recordScanner) Write(p []byte) (int, error) {
	if missing := len(s.header) - len(s.head); missing > 0 {
		s.head = append(s.head, p[:min(missing, len(p))]...)
	}
	if !s.quotes {
		if i := bytes.LastIndexByte(p, '\n'); i >= 0 {
			s.whole = s.at + int64(i) + 1
		}
		s.at += int64(len(p))
		return len(p), nil
	}
	for i, c := range p {
		switch {
		case c == '"':
			s.quoted = !s.quoted
		case c == '\n' && !s.quoted:
			s.whole = s.at + int64(i) + 1
		}
	}
	s.at += int64(len(p))
	return len(p), nil
}

// foreign says that the file does not begin with the header. A header cut short is a torn record.
func (s *recordScanner) foreign() error {
	if s.whole == 0 || bytes.Equal(s.head, s.header) {
		return nil
	}
	return fmt.Errorf("file begins with %.200q, where the header %.200q was expected: write to another file, or replace it with sinks.WithReplace", s.head, s.header)
}

// members tells where the last whole gzip member ends. A member is written at once, so one that is
// not whole is torn; one that is whole but ends within a record is not ours.
func (s *recordScanner) members(in *bufio.Reader) (int64, error) {
	counted := &countingReader{in: in}
	var end int64
	zip, err := gzip.NewReader(counted)
	for err == nil {
		zip.Multistream(false)
		if _, err = io.Copy(s, zip); err != nil {
			break
		}
		end = counted.n
		if s.whole != s.at {
			return 0, errors.New("file ends within a record, in a gzip member that is whole: it was not written by this sink: write to another file")
		}
		err = zip.Reset(counted)
	}
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return end, s.foreign()
	}
	return 0, fmt.Errorf("%w behind byte %d: the file is damaged, and not by a write cut short: write to another file", err, end)
}

// countingReader counts what gzip takes; as it gives single bytes, gzip takes no more than it needs.
type countingReader struct {
	in *bufio.Reader
	n  int64
}

// Read counts what it gives.
func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.in.Read(p)
	c.n += int64(n)
	return n, err
}

// ReadByte is what makes gzip read from c itself.
func (c *countingReader) ReadByte() (byte, error) {
	b, err := c.in.ReadByte()
	if err == nil {
		c.n++
	}
	return b, err
}
