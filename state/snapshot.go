package state

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"iter"
	"math"
	"time"
)

// A snapshot is its title, a frame for each entry, and a frame that ends it. A frame is the length of
// what it says, that, and a checksum of all frames up to here, so that none can be missing, be there
// twice or be elsewhere unnoticed.
const title = "rocketflow state 1\n"

// Frames begin with what they are.
const (
	frameEntry byte = 'e' // table, key, value, version, expiry
	frameEnd   byte = 'z' // number of entries, last version of the store
)

// noExpiry is the expiry of what does not expire, in nanoseconds since 1970.
const noExpiry = 0

// maxFrame is more than any frame has.
const maxFrame = MaxTable + MaxKey + MaxValue + 64

// Saved is an entry in a snapshot.
type Saved struct {
	Table string
	Entry
}

// WriteSnapshot writes entries, for stores' Snapshot. last is the last version that the store gave. An
// error in place of an entry ends it.
func WriteSnapshot(w io.Writer, last Version, entries iter.Seq2[Saved, error]) error {
	f := &framer{w: bufio.NewWriter(w)}
	if _, err := f.w.WriteString(title); err != nil {
		return fmt.Errorf("state: snapshot: %w", err)
	}
	n := uint64(0)
	for e, err := range entries {
		if err != nil {
			return err
		}
		n++
		b := append(f.spare[:0], frameEntry)
		b = appendBytes(appendBytes(appendBytes(b, []byte(e.Table)), e.Key), e.Value)
		b = binary.AppendVarint(binary.AppendVarint(b, int64(e.Version)), Nanoseconds(e.Expires))
		if err := f.write(b); err != nil {
			return fmt.Errorf("state: snapshot: %w", err)
		}
	}
	b := binary.AppendUvarint(append(f.spare[:0], frameEnd), n)
	if err := f.write(binary.AppendVarint(b, int64(last))); err != nil {
		return fmt.Errorf("state: snapshot: %w", err)
	}
	if err := f.w.Flush(); err != nil {
		return fmt.Errorf("state: snapshot: %w", err)
	}
	return nil
}

// framer writes frames.
type framer struct {
	w     *bufio.Writer
	sum   uint32
	spare []byte
}

func (f *framer) write(b []byte) error {
	f.spare = b
	f.sum = crc32.Update(f.sum, castagnoli(), b)
	head := binary.AppendUvarint(make([]byte, 0, binary.MaxVarintLen64), uint64(len(b)))
	for _, part := range [][]byte{head, b, binary.BigEndian.AppendUint32(nil, f.sum)} {
		if _, err := f.w.Write(part); err != nil {
			return err
		}
	}
	return nil
}

// castagnoli gives the table of the checksum, which package crc32 makes once.
func castagnoli() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) }

// ReadSnapshot gives the entries of a snapshot to a function, for stores' Restore, and returns the last
// version of the store that it is of. The function's first error ends it. Only if there is none in the
// end is the snapshot whole.
func ReadSnapshot(r io.Reader, put func(Saved) error) (last Version, err error) {
	in := bufio.NewReader(r)
	head := make([]byte, len(title))
	if _, err := io.ReadFull(in, head); err != nil || string(head) != title {
		return 0, damaged(fmt.Errorf("it does not begin as a snapshot: %w", cutShort(err)))
	}
	sum, entries := uint32(0), uint64(0)
	for {
		b, err := readFrame(in, &sum)
		if err != nil {
			return 0, damaged(fmt.Errorf("after %d entries: %w", entries, err))
		}
		p := parser{b: b[1:]}
		switch b[0] {
		case frameEntry:
			e := Saved{Table: string(p.bytes())}
			e.Key, e.Value = p.bytes(), p.bytes()
			e.Version, e.Expires = Version(p.varint()), FromNanoseconds(p.varint())
			if p.bad || len(p.b) > 0 || !ValidTable(e.Table) || e.Version <= 0 {
				return 0, damaged(fmt.Errorf("after %d entries: not an entry", entries))
			}
			entries++
			if err := put(e); err != nil {
				return 0, err
			}
		case frameEnd:
			n, last := p.uvarint(), Version(p.varint())
			if p.bad || n != entries {
				return 0, damaged(fmt.Errorf("it has %d entries and says that it has %d", entries, n))
			}
			return last, nil
		default:
			return 0, damaged(fmt.Errorf("after %d entries: unknown frame %q", entries, b[0]))
		}
	}
}

func damaged(err error) error { return &CorruptionError{File: "snapshot", Err: err} }

// cutShort gives the error of what ended before it was whole.
func cutShort(err error) error {
	if err == nil || errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

func readFrame(in *bufio.Reader, sum *uint32) ([]byte, error) {
	n, err := binary.ReadUvarint(in)
	if err != nil {
		return nil, cutShort(err)
	}
	if n == 0 || n > maxFrame {
		return nil, fmt.Errorf("a frame of %d bytes", n)
	}
	b := make([]byte, n)
	var check [4]byte
	if _, err := io.ReadFull(in, b); err != nil {
		return nil, cutShort(err)
	}
	if _, err := io.ReadFull(in, check[:]); err != nil {
		return nil, cutShort(err)
	}
	if *sum = crc32.Update(*sum, castagnoli(), b); *sum != binary.BigEndian.Uint32(check[:]) {
		return nil, errors.New("the checksum does not agree")
	}
	return b, nil
}

func appendBytes(dst, b []byte) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(b))), b...)
}

// parser takes a frame apart.
type parser struct {
	b   []byte
	bad bool
}

func (p *parser) uvarint() uint64 {
	v, n := binary.Uvarint(p.b)
	p.skip(n)
	return v
}

func (p *parser) varint() int64 {
	v, n := binary.Varint(p.b)
	p.skip(n)
	return v
}

func (p *parser) bytes() []byte {
	n := p.uvarint()
	if n > uint64(len(p.b)) {
		p.bad = true
		return nil
	}
	b := p.b[:n:n]
	p.b = p.b[n:]
	return b
}

func (p *parser) skip(n int) {
	if n <= 0 {
		p.bad, p.b = true, nil
		return
	}
	p.b = p.b[n:]
}

// Nanoseconds gives a time of expiry as stores keep it: nanoseconds since 1970, and 0 for never. What is
// out of range, before 1970 or after 2262, becomes the end of it that it is beyond.
func Nanoseconds(expires time.Time) int64 {
	switch {
	case expires.IsZero():
		return noExpiry
	case expires.Unix() < 0:
		return 1
	case expires.Unix() >= math.MaxInt64/int64(time.Second):
		return math.MaxInt64
	}
	return max(expires.UnixNano(), 1)
}

// FromNanoseconds gives what [Nanoseconds] was given.
func FromNanoseconds(n int64) time.Time {
	if n == noExpiry {
		return time.Time{}
	}
	return time.Unix(0, n)
}
