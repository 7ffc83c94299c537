package state

import (
	"bytes"
	"context"
	"io"
	"iter"
	"time"
)

// Store keeps values by table and key. Its methods may be called from any goroutine. After Close all
// fail with [ErrClosed]; when ctx has ended, with its error.
//
// What a store has told of is safe in the way the store promises: no read tells of a commit that a
// crash could take back.
//
// A value is there until its time of expiry, by the clock of package time, which is virtual in a bubble
// of testing/synctest. What has expired is as absent as what was deleted.
type Store interface {
	// Get gives the entries of keys in a table, by index, as they are at one moment. One that is absent
	// has the version [Absent].
	Get(ctx context.Context, table string, keys ...[]byte) ([]Entry, error)
	// Scan gives the entries of a table with keys in a range, in the order of their keys, as they are at
	// one moment. The store may be used meanwhile; but a scan is not to be left standing, since it
	// may keep others from what it reads from, such as a connection. The first error ends it.
	Scan(ctx context.Context, table string, keys Range) iter.Seq2[Entry, error]
	// Commit makes all changes or none, and gives their version. It returns when they are safe, and
	// keeps nothing of what it was given. Without changes it does nothing, and gives [Any].
	//
	// A [*ConflictError], [ErrInvalid] and [ErrClosed] say that nothing was changed. After any other
	// error the outcome is unknown: what matters is to be read again, and not taken from memory.
	Commit(ctx context.Context, changes *Changes) (Version, error)
	// Snapshot writes all entries, as they are at one moment, in a form that Restore of any store
	// understands.
	Snapshot(ctx context.Context, w io.Writer) error
	// Restore fills an empty store, with what Snapshot has written, versions included. It fails with
	// [ErrNotEmpty] if anything is there, and with a [*CorruptionError] if the snapshot is not whole.
	// When it has failed, the store is empty.
	Restore(ctx context.Context, r io.Reader) error
	// Close lets go of what the store uses. A second call does nothing.
	Close() error
}

// Version numbers the commits of a store, upwards from 1 and with gaps.
type Version int64

const (
	// Any is the version that a write asks for if it does not care what is there.
	Any Version = 0
	// Absent is the version of what is not there.
	Absent Version = -1
)

// Entry is what a store has for a key.
type Entry struct {
	// Key and Value are to be read, not changed. Value is nil or empty for an empty value.
	Key, Value []byte
	// Version is that of the commit that wrote it; Absent if there is nothing.
	Version Version
	// Expires is when it will be absent; zero if never.
	Expires time.Time
}

// Found tells whether the entry is there.
func (e Entry) Found() bool { return e.Version != Absent }

// Range is keys from From up to but without Until, in the order of their bytes. A nil Until has no
// end; the zero Range is all keys.
type Range struct{ From, Until []byte }

// Prefix gives the range of the keys that begin with p.
func Prefix(p []byte) Range {
	end := bytes.Clone(p)
	for i := len(end) - 1; i >= 0; i-- {
		if end[i]++; end[i] != 0 {
			return Range{From: p, Until: end[:i+1]}
		}
	}
	return Range{From: p}
}

// Contains tells whether a key is in the range.
func (r Range) Contains(key []byte) bool {
	return bytes.Compare(key, r.From) >= 0 && (r.Until == nil || bytes.Compare(key, r.Until) < 0)
}
