package pebble

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"math/bits"
	"strconv"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/rocketflow-io/rocketflow/state"
)

// A log of the database is blocks, and they are chunks: checksum (4 bytes), length of the data (2), kind
// (1), number of the log (4), up to where the log was synced when the chunk was written (8), and data.
const (
	logBlock     = 32 << 10
	chunkHead    = 19
	chunkKinds   = 9 // the first of the kinds that have such a head
	chunkKindEnd = 13
)

// checkLog gives an error if a log is damaged where it was synced. The database itself takes a damaged
// chunk for the end that a crash has left, and with it all that follows, unless a chunk in a later
// block says that it was synced: commits that had returned would be lost without a word. Here later
// chunks of the same block count too. Damage in what was synced last, of which no later chunk tells, is
// as what a crash leaves.
func checkLog(fs vfs.FS, dir, name string) error {
	number, err := strconv.ParseUint(strings.TrimSuffix(name, ".log"), 10, 64)
	if err != nil {
		return nil // not a log of the database
	}
	path := fs.PathJoin(dir, name)
	f, err := fs.Open(path)
	if err != nil {
		return fmt.Errorf("state/pebble: open %q: %w", dir, err)
	}
	defer func() { _ = f.Close() }()
	damaged := int64(-1) // where the first damage is
	return eachBlock(f, func(start int64, block []byte) error {
		for at := 0; at+chunkHead <= len(block); {
			length, synced, ok := chunkAt(block[at:], uint32(number))
			switch {
			case ok && damaged >= 0 && synced > damaged:
				return &state.CorruptionError{File: path, Err: fmt.Errorf("at byte %d, before %d, up to where it was synced", damaged, synced)}
			case ok:
				at += length
			default:
				if damaged < 0 {
					damaged = start + int64(at)
				}
				at++
			}
		}
		return nil
	})
}

// checkManifest gives an error if a manifest is damaged before its end, which the database too takes
// for the end that a crash has left. Its chunks have heads of 7 bytes. Each record of it is synced
// before the next begins.
func checkManifest(fs vfs.FS, dir, name string) error {
	path := fs.PathJoin(dir, name)
	f, err := fs.Open(path)
	if err != nil {
		return fmt.Errorf("state/pebble: open %q: %w", dir, err)
	}
	defer func() { _ = f.Close() }()
	damaged := int64(-1)
	return eachBlock(f, func(start int64, block []byte) error {
		const head, full, first, last = 7, 1, 2, 4
		for at := 0; at+head <= len(block); {
			b := block[at:]
			length, kind := head+int(binary.LittleEndian.Uint16(b[4:])), b[6]
			switch ok := kind >= full && kind <= last && length > head && length <= len(b) && sums(b, length); {
			case ok && damaged >= 0 && kind <= first:
				return &state.CorruptionError{File: path, Err: fmt.Errorf("at byte %d, before byte %d, which was written later", damaged, start+int64(at))}
			case ok:
				at += length
			default:
				if damaged < 0 {
					damaged = start + int64(at)
				}
				at++
			}
		}
		return nil
	})
}

// eachBlock gives the blocks of a file to f, with where they begin.
func eachBlock(file io.Reader, f func(start int64, block []byte) error) error {
	block := make([]byte, logBlock)
	for start := int64(0); ; start += logBlock {
		n, err := io.ReadFull(file, block)
		if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
			return fmt.Errorf("state/pebble: read: %w", err)
		}
		if err := f(start, block[:n]); err != nil || n < logBlock {
			return err
		}
	}
}

// sums tells whether the checksum of a chunk agrees.
func sums(b []byte, length int) bool {
	sum := crc32.Checksum(b[6:length], crc32.MakeTable(crc32.Castagnoli))
	return bits.RotateLeft32(sum, 17)+0xa282ead8 == binary.LittleEndian.Uint32(b)
}

// chunkAt gives the length of the chunk that b begins with, and up to where it says that the log was
// synced; false if there is none.
func chunkAt(b []byte, number uint32) (length int, synced int64, ok bool) {
	length = chunkHead + int(binary.LittleEndian.Uint16(b[4:]))
	// The chunk that ends a log has the next number.
	if of := binary.LittleEndian.Uint32(b[7:]); b[6] < chunkKinds || b[6] >= chunkKindEnd || length > len(b) || of != number && of != number+1 {
		return 0, 0, false
	}
	return length, int64(binary.LittleEndian.Uint64(b[11:])), sums(b, length)
}
