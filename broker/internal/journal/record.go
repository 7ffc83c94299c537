package journal

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"slices"
)

// MaxRecord is the largest size of a record, in bytes.
const MaxRecord = 256 << 20

const (
	fileHeader   = 16
	recordHeader = 8
)

// A kind of file.
type kind byte

const (
	logFile      kind = 'l'
	snapshotFile kind = 's'
)

const version = 1

// A place is where a record lies.
type place struct {
	kind   kind
	file   uint64 // the number in the name
	offset int64
}

// header gives what a file begins with.
func header(k kind, file uint64) []byte {
	b := []byte{'r', 'f', 'j', 'r', 'n', 'l', byte(k), version}
	return binary.BigEndian.AppendUint64(b, file)
}

// checkHeader tells whether b begins the file that it should begin.
func checkHeader(b []byte, k kind, file uint64) error {
	want := header(k, file)
	switch {
	case len(b) == fileHeader && string(b) == string(want):
		return nil
	case len(b) == fileHeader && string(b[:7]) == string(want[:7]) && b[7] != version:
		return fmt.Errorf("%w: version %d, not %d", ErrVersion, b[7], version)
	}
	return errTorn
}

// errTorn is what a file has from the first byte on that is no record.
var errTorn = errors.New("not a whole record")

func (p place) checksum(payload []byte) uint32 {
	var b [8 + 8 + 4 + 1]byte
	binary.BigEndian.PutUint64(b[0:], p.file)
	binary.BigEndian.PutUint64(b[8:], uint64(p.offset))
	binary.BigEndian.PutUint32(b[16:], uint32(len(payload)))
	b[20] = byte(p.kind)
	table := crc32.MakeTable(crc32.Castagnoli) // made once, by crc32
	return crc32.Update(crc32.Checksum(b[:], table), table, payload)
}

// appendRecord appends a record, which will lie at p, to b.
func appendRecord(b []byte, p place, payload []byte) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(len(payload)))
	b = binary.BigEndian.AppendUint32(b, p.checksum(payload))
	return append(b, payload...)
}

// errEnd is the last, empty record of a snapshot.
var errEnd = errors.New("end of the snapshot")

// A scanner reads the records of one file.
type scanner struct {
	in   *bufio.Reader
	at   place // behind what was read and is good
	size int64 // of the file
	buf  []byte
}

func newScanner(in io.Reader, size int64, k kind, file uint64) *scanner {
	return &scanner{in: bufio.NewReaderSize(in, 256<<10), size: size, at: place{kind: k, file: file}}
}

// each gives f the records, each of which is good until f returns. It returns nil at the end of the
// file, errEnd at the last record of a snapshot, errTorn where no record is, or the error of f.
func (s *scanner) each(f func(record []byte) error) error {
	if err := s.header(); err != nil {
		return err
	}
	for s.at.offset < s.size {
		record, err := s.next()
		if err != nil {
			return err
		}
		if err := f(record); err != nil {
			return err
		}
		s.at.offset += recordHeader + int64(len(record))
	}
	return nil
}

func (s *scanner) header() error {
	b := make([]byte, min(fileHeader, s.size))
	if _, err := io.ReadFull(s.in, b); err != nil {
		return err
	}
	if err := checkHeader(b, s.at.kind, s.at.file); err != nil {
		return err
	}
	s.at.offset = fileHeader
	return nil
}

// next reads the record that lies behind what was read.
func (s *scanner) next() ([]byte, error) {
	left := s.size - s.at.offset - recordHeader
	if left < 0 {
		return nil, errTorn
	}
	var head [recordHeader]byte
	if _, err := io.ReadFull(s.in, head[:]); err != nil {
		return nil, err
	}
	n := int64(binary.BigEndian.Uint32(head[:]))
	if n > MaxRecord || n > left { // before a buffer of that size is made
		return nil, errTorn
	}
	s.buf = slices.Grow(s.buf[:0], int(n))[:n]
	if _, err := io.ReadFull(s.in, s.buf); err != nil {
		return nil, err
	}
	switch {
	case binary.BigEndian.Uint32(head[4:]) != s.at.checksum(s.buf):
		return nil, errTorn
	case n == 0 && s.at.kind == snapshotFile && left == 0:
		return nil, errEnd
	case n == 0:
		return nil, errTorn
	}
	return s.buf, nil
}
