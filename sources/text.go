package sources

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
)

const textBuffer = 64 << 10

// text is an open file as the text that it holds.
type text struct {
	name  string
	tap   *tap
	buf   *bufio.Reader // above the tap
	bom   int           // bytes of the byte order mark, which buf has passed
	gzip  bool
	close func() error
}

// openText opens a file.
func openText(path string, keep int) (*text, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	t, err := newText(path, f, keep)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	t.close = f.Close
	return t, nil
}

// newText reads as much of r as tells gzip from text, and passes the byte order mark. If keep is
// not 0, the tap keeps the text of a record up to about so many bytes.
func newText(name string, r io.Reader, keep int) (*text, error) {
	raw := bufio.NewReaderSize(r, textBuffer)
	magic, err := start(raw, 0x1f, 2)
	if err != nil {
		return nil, err
	}
	t := &text{name: name, tap: &tap{r: raw, limit: keep}, close: func() error { return nil }}
	if t.gzip = bytes.Equal(magic, []byte{0x1f, 0x8b}); t.gzip {
		if t.tap.r, err = gzip.NewReader(raw); err != nil {
			return nil, t.explain(err)
		}
	}
	t.buf = bufio.NewReaderSize(t.tap, textBuffer)
	return t, t.passMark()
}

func (t *text) passMark() error {
	mark, _ := start(t.buf, 0xef, 3) // an error comes again with the first record
	if bytes.HasPrefix(mark, []byte{0xef, 0xbb, 0xbf}) {
		t.bom = len(mark)
		_, err := t.buf.Discard(t.bom)
		return err
	}
	little, _ := start(t.buf, 0xff, 2)
	big, _ := start(t.buf, 0xfe, 2)
	if bytes.HasPrefix(little, []byte{0xff, 0xfe}) || bytes.HasPrefix(big, []byte{0xfe, 0xff}) {
		return errors.New("the text is UTF-16: convert it to UTF-8")
	}
	return nil
}

// start gives the first n bytes, or fewer if the text is shorter or begins with another byte than
// first: nothing is waited for that need not be there.
func start(r *bufio.Reader, first byte, n int) ([]byte, error) {
	head, err := r.Peek(1)
	if err == nil && head[0] == first {
		head, err = r.Peek(n)
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return head, err
}

// explain says what an error of gzip means.
func (t *text) explain(err error) error {
	switch {
	case !t.gzip:
		return err
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return fmt.Errorf("%w: the gzip stream is cut short: the file is not complete", io.ErrUnexpectedEOF)
	case errors.Is(err, gzip.ErrChecksum), errors.Is(err, gzip.ErrHeader):
		return fmt.Errorf("%w: the gzip stream is damaged", err)
	}
	return err
}

// tap passes text on and keeps the part of it that belongs to the record being read, so that a
// record which cannot be decoded can be shown.
type tap struct {
	r     io.Reader
	limit int    // 0: keep nothing
	kept  []byte // text from start on
	start int64  // offset of kept
	mark  int64  // offset of the present record: what comes before is dropped
	err   error  // what ended the text, if not io.EOF
}

var errRecordTooLong = errors.New("record too long")

// Read refuses to go on with a record that has grown beyond the limit. What is above buffers
// textBuffer bytes, which therefore do not count.
func (t *tap) Read(p []byte) (int, error) {
	if t.limit > 0 {
		t.kept = append(t.kept[:0], t.kept[min(int(t.mark-t.start), len(t.kept)):]...)
		t.start = t.mark
		if len(t.kept) > t.limit {
			t.err = errRecordTooLong
			return 0, t.err
		}
	}
	n, err := t.r.Read(p)
	if t.limit > 0 {
		t.kept = append(t.kept, p[:n]...)
	}
	if err != nil && !errors.Is(err, io.EOF) {
		t.err = err
	}
	return n, err
}

// text gives a copy of what lies between two offsets, as far as it is kept.
func (t *tap) text(from, to int64) []byte {
	from, to = max(from-t.start, 0), min(to-t.start, int64(len(t.kept)))
	if from >= to {
		return nil
	}
	return bytes.Clone(t.kept[from:to])
}

// end is the offset of the end of what has been read.
func (t *tap) end() int64 { return t.start + int64(len(t.kept)) }

// lineScanner cuts a text into lines.
type lineScanner struct {
	buf  *bufio.Reader
	max  int
	line int   // number of the last line
	read int64 // bytes so far
	long []byte
}

// next gives a line without its end, valid until the next call, or a *fault for one that is too
// long. What stands before an error other than io.EOF is torn, and no line.
func (s *lineScanner) next() ([]byte, error) {
	s.long = s.long[:0]
	size := 0
	for {
		part, err := s.buf.ReadSlice('\n')
		size += len(part)
		s.read += int64(len(part))
		if errors.Is(err, bufio.ErrBufferFull) {
			s.keep(part)
			continue
		}
		if err != nil && (!errors.Is(err, io.EOF) || size == 0) {
			return nil, err
		}
		s.line++
		line := part
		if size > len(part) {
			s.keep(part)
			line = s.long
		}
		return s.cut(line, size)
	}
}

// keep adds to a line that is longer than the buffer. Beyond the limit and the line's end, which
// takes up to 2 bytes, nothing is kept.
func (s *lineScanner) keep(part []byte) {
	s.long = append(s.long, part[:min(len(part), max(0, s.max+2-len(s.long)))]...)
}

func (s *lineScanner) cut(line []byte, size int) ([]byte, error) {
	line = bytes.TrimSuffix(line, []byte("\n"))
	line = bytes.TrimSuffix(line, []byte("\r"))
	if len(line) > s.max {
		return nil, &fault{
			raw: bytes.Clone(line[:s.max]),
			err: fmt.Errorf("line of %d bytes, the limit is %d: raise it with sources.WithMaxRecord", size, s.max),
		}
	}
	return line, nil
}
