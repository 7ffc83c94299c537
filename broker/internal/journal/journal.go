package journal

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"sync"
	"time"
)

const (
	// DefaultSegmentSize is about how long a segment gets, in bytes.
	DefaultSegmentSize = 64 << 20
	// DefaultCompactAfter is how long the log gets, in bytes, before a snapshot is worth it.
	DefaultCompactAfter = 64 << 20
	// keptBuffer is the largest buffer, in bytes, that is kept for the next records.
	keptBuffer = 4 << 20
)

// Options says what a journal is like. The zero value is one on the disk that syncs before a Wait
// returns.
type Options struct {
	// FS is the files; [OS] if nil.
	FS FS

	// SyncEvery, if positive, relaxes what [Journal.Wait] waits for: not the disk, but the operating
	// system, which keeps what it was given when this process ends, and may lose it when the machine
	// does. The disk has everything this long after it, at most.
	SyncEvery time.Duration

	// SegmentSize is about how long a segment gets, in bytes: DefaultSegmentSize if 0.
	SegmentSize int64

	// CompactAfter is how many bytes the log has to have, beside being longer than the snapshot, for
	// [Journal.Outgrown] to ask for another snapshot: DefaultCompactAfter if 0.
	CompactAfter int64
}

func (o Options) withDefaults() Options {
	if o.FS == nil {
		o.FS = OS{}
	}
	if o.SegmentSize <= 0 {
		o.SegmentSize = DefaultSegmentSize
	}
	if o.CompactAfter <= 0 {
		o.CompactAfter = DefaultCompactAfter
	}
	return o
}

// ErrClosed is what [Journal.Wait] gives for what was appended after [Journal.Close].
var ErrClosed = errors.New("journal: closed")

// A Journal is an open log; Close closes it. All methods may be called from any goroutine.
type Journal struct {
	fs   FS
	dir  string
	opts Options
	lock io.Closer

	kick     chan struct{} // capacity 1: there is something to write
	outgrown chan struct{} // capacity 1
	stop     chan struct{} // closed by Close
	stopped  chan struct{} // closed when the committer has ended
	closing  sync.Once
	closeErr error

	out output // the committer's alone, after Open

	mu       sync.Mutex // guards what follows; a leaf
	tail     place      // where the next record will lie
	last     int64      // the number of the latest record
	queue    []*batch   // to be written; the last one still grows
	writing  *batch     // with the committer; nil if it waits
	spare    []byte     // a buffer to be used again
	logged   int64      // bytes of the log since the snapshot
	snapshot int64      // bytes of the snapshot
	cutting  bool       // a snapshot is being made
	err      error      // what ended the journal
}

// A batch is records that are written, and synced, together.
type batch struct {
	file uint64 // the segment they lie in
	last int64  // the number of its last record
	data []byte
	done chan struct{} // closed when they are on the disk, or err tells why not
	err  error         // set before done is closed
}

// Append puts a record behind all others and gives its number, for [Journal.Wait]. It does not
// wait and keeps nothing of the record. An empty record, or one of more than [MaxRecord] bytes, is
// not kept and ends the journal.
func (j *Journal) Append(record []byte) int64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.last++
	switch {
	case j.err != nil:
		return j.last
	case len(record) == 0 || len(record) > MaxRecord:
		j.failLocked(fmt.Errorf("a record has %d bytes: not from 1 to %d", len(record), MaxRecord))
		return j.last
	case j.tail.offset >= j.opts.SegmentSize && j.tail.offset > fileHeader: // no segment is left out
		j.turnLocked()
	}
	b := j.openLocked()
	b.data = appendRecord(b.data, j.tail, record)
	b.last = j.last
	j.tail.offset += recordHeader + int64(len(record))
	j.logged += recordHeader + int64(len(record))
	if j.logged > max(j.opts.CompactAfter, j.snapshot) && !j.cutting {
		signal(j.outgrown)
	}
	signal(j.kick)
	return j.last
}

// turnLocked lets the next record lie in another segment.
func (j *Journal) turnLocked() {
	j.tail = place{logFile, j.tail.file + 1, fileHeader}
}

// openLocked gives the batch that the next record belongs to.
func (j *Journal) openLocked() *batch {
	if n := len(j.queue); n > 0 && j.queue[n-1].file == j.tail.file {
		return j.queue[n-1]
	}
	b := &batch{file: j.tail.file, data: j.spare, done: make(chan struct{})}
	j.spare = nil
	j.queue = append(j.queue, b)
	return b
}

// Wait returns nil when the record of that number, and each one before it, is on the disk, and would
// be found after a crash; see [Options].SyncEvery for less. It fails with the first error that the
// disk gave, with [ErrClosed], or with the error of ctx: the record may be found all the same then.
func (j *Journal) Wait(ctx context.Context, number int64) error {
	b, err := j.batchOf(number)
	if b == nil {
		return err
	}
	select {
	case <-b.done:
		return b.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// batchOf gives the batch of a record that is not on the disk yet.
func (j *Journal) batchOf(number int64) (*batch, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if b := j.writing; b != nil && number <= b.last {
		return b, nil
	}
	for _, b := range j.queue {
		if number <= b.last {
			return b, nil
		}
	}
	return nil, j.err
}

// Last gives the number of the latest record. To wait for it is to wait for all that was appended.
func (j *Journal) Last() int64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.last
}

// Outgrown gives a channel on which something comes when the log has become longer than the state
// that it makes is likely to be: it is time for [Journal.Cut].
func (j *Journal) Outgrown() <-chan struct{} { return j.outgrown }

// Close writes and syncs what was appended, and gives the directory free. It fails with the first
// error that the disk gave. It may be called again, and gives the same then.
func (j *Journal) Close() error {
	j.closing.Do(func() {
		close(j.stop)
		<-j.stopped
		j.note(j.out.close())
		j.closeErr = errors.Join(j.shut(), j.lock.Close())
	})
	return j.closeErr
}

// shut lets nothing be appended any more, and gives what ended the journal before.
func (j *Journal) shut() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	err := j.err
	if err == nil {
		j.endLocked(ErrClosed)
	}
	return err
}

// failLocked ends the journal by an error: what is not on the disk yet will never be.
func (j *Journal) failLocked(err error) {
	if j.err == nil {
		j.endLocked(fmt.Errorf("journal: %q takes no more records: %w", j.dir, err))
	}
}

// endLocked lets nothing be written any more.
func (j *Journal) endLocked(err error) {
	j.err = err
	for _, b := range j.queue {
		b.err = err
		close(b.done)
	}
	j.queue = nil
}

func (j *Journal) path(name string) string { return filepath.Join(j.dir, name) }

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
