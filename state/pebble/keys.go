package pebble

import (
	"encoding/binary"
	"errors"

	"github.com/rocketflow-io/rocketflow/state"
)

// The keys of the database begin with what they are of.
const (
	kindMeta   = 'm' // what the store knows of itself
	kindEntry  = 'e' // table, key: version, expiry, value
	kindExpiry = 'x' // expiry, version, number: table and keys, some of which may have gone; for sweep
)

// versionKey has the last version that was given.
func versionKey() []byte { return []byte{kindMeta, 'v'} }

// restoringKey is there while a restore is under way.
func restoringKey() []byte { return []byte{kindMeta, 'r'} }

// appendPlace appends a table and a key, so that keys of a table are together and in order.
func appendPlace(dst []byte, table string, key []byte) []byte {
	dst = append(dst, byte(len(table)))
	return append(append(dst, table...), key...)
}

func entryKey(dst []byte, table string, key []byte) []byte {
	return appendPlace(append(dst, kindEntry), table, key)
}

// splitPlace gives the table and the key that appendPlace was given.
func splitPlace(place []byte) (table string, key []byte, err error) {
	if len(place) == 0 || len(place) < 1+int(place[0]) {
		return "", nil, errors.New("an entry without a table")
	}
	n := 1 + int(place[0])
	return string(place[1:n]), place[n:], nil
}

// expiryKey is of one of the lists of a commit.
func expiryKey(dst []byte, expires int64, v state.Version, number uint32) []byte {
	dst = binary.BigEndian.AppendUint64(append(dst, kindExpiry), uint64(expires))
	return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint64(dst, uint64(v)), number)
}

// headSize is what precedes the value of an entry.
const headSize = 16

func appendHead(dst []byte, v state.Version, expires int64) []byte {
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(dst, uint64(v)), uint64(expires))
}

// entry is what the database has for an entry. The value is the database's.
type entry struct {
	version state.Version
	expires int64
	value   []byte
}

func decodeEntry(b []byte) (entry, error) {
	if len(b) < headSize {
		return entry{}, errors.New("an entry that is cut short")
	}
	return entry{
		version: state.Version(binary.BigEndian.Uint64(b)),
		expires: int64(binary.BigEndian.Uint64(b[8:])),
		value:   b[headSize:],
	}, nil
}

func (e entry) expired(now int64) bool { return e.expires != 0 && e.expires <= now }

func encodeVersion(v state.Version) []byte { return binary.BigEndian.AppendUint64(nil, uint64(v)) }

func decodeVersion(b []byte) (state.Version, error) {
	if len(b) != 8 {
		return 0, errors.New("a version that is cut short")
	}
	return state.Version(binary.BigEndian.Uint64(b)), nil
}
