package journal

import (
	"context"
	"errors"
	"fmt"
)

// snapshotBuffer is about how many bytes of a snapshot are written at a time.
const snapshotBuffer = 1 << 20

// ErrCutting means that a snapshot is being made already.
var ErrCutting = errors.New("journal: a snapshot is being made already")

// A Snapshot is one in the making: it ends by Commit or Discard. It is used by one goroutine.
type Snapshot struct {
	journal *Journal
	last    int64 // the number of the latest record that it stands for
	file    File  // nil until there is something to write
	at      place // where the next record will lie
	buf     []byte
	err     error
}

// Cut begins a snapshot of the state that all records appended so far have made. The caller makes
// sure that no record comes between the state that it puts into the snapshot and the Cut, which
// does not wait for the disk. It fails with [ErrCutting], or with what ended the journal.
func (j *Journal) Cut() (*Snapshot, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	switch {
	case j.err != nil:
		return nil, j.err
	case j.cutting:
		return nil, ErrCutting
	}
	if j.tail.offset > fileHeader {
		j.turnLocked()
	}
	j.cutting = true
	j.logged = 0 // also if this one fails: the next is to be tried after as much again, not at once
	return &Snapshot{journal: j, last: j.last, at: place{kind: snapshotFile, file: j.tail.file}}, nil
}

// Append puts a record behind the others of the snapshot, and keeps nothing of it.
func (s *Snapshot) Append(record []byte) error {
	if s.err == nil && (len(record) == 0 || len(record) > MaxRecord) {
		s.err = fmt.Errorf("journal: a record of a snapshot has %d bytes: not from 1 to %d", len(record), MaxRecord)
	}
	s.append(record)
	if len(s.buf) >= snapshotBuffer {
		s.flush()
	}
	return s.err
}

func (s *Snapshot) append(record []byte) {
	if s.at.offset == 0 {
		s.buf = append(s.buf, header(s.at.kind, s.at.file)...)
		s.at.offset = fileHeader
	}
	s.buf = appendRecord(s.buf, s.at, record)
	s.at.offset += recordHeader + int64(len(record))
}

// flush writes what has gathered, unless something has failed before.
func (s *Snapshot) flush() {
	if s.err == nil && s.file == nil {
		s.file, s.err = s.journal.fs.Create(s.path() + unfinished)
	}
	if s.err == nil {
		_, s.err = s.file.Write(s.buf)
	}
	s.buf = s.buf[:0]
}

func (s *Snapshot) path() string { return s.journal.path(snapshotName(s.at.file)) }

// Commit makes the snapshot stand for what was appended before its Cut, which is removed. If it
// fails, the journal is as good as before, but for what may be left of the removal.
func (s *Snapshot) Commit(ctx context.Context) error {
	s.append(nil)
	s.flush()
	if s.err == nil {
		s.err = s.file.Sync()
	}
	// Records that the snapshot stands for are still to come to the old segments, perhaps.
	if s.err == nil {
		s.err = s.journal.Wait(ctx, s.last)
	}
	if s.err != nil {
		return s.Discard()
	}
	return s.publish()
}

// publish gives the snapshot its name. Only when that is certain may what it stands for go.
func (s *Snapshot) publish() error {
	j := s.journal
	defer s.end()
	err := s.file.Close()
	if err == nil {
		err = j.fs.Rename(s.path()+unfinished, s.path())
	}
	if err == nil {
		err = j.fs.SyncDir(j.dir)
	}
	if err == nil {
		err = j.removeBefore(s.at.file)
	}
	if err != nil {
		return fmt.Errorf("journal: take a snapshot into %q: %w", s.path(), err)
	}
	j.mu.Lock()
	j.snapshot = s.at.offset
	j.mu.Unlock()
	return nil
}

// Discard ends the snapshot without effect. It gives the error, if any, for which it came to nothing.
func (s *Snapshot) Discard() error {
	defer s.end()
	err := s.err
	if s.file != nil {
		err = errors.Join(err, s.file.Close(), s.journal.fs.Remove(s.path()+unfinished))
	}
	return err
}

func (s *Snapshot) end() {
	s.journal.mu.Lock()
	s.journal.cutting = false
	s.journal.mu.Unlock()
}
