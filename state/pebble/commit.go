package pebble

import (
	"bytes"
	"context"
	"fmt"
	"slices"

	db "github.com/cockroachdb/pebble/v2"

	"github.com/rocketflow-io/rocketflow/state"
)

// Commit makes changes: see [state.Store].
func (s *Store) Commit(ctx context.Context, changes *state.Changes) (state.Version, error) {
	if err := changes.Check(); err != nil {
		return state.Any, err
	}
	if err := s.begin(ctx); err != nil {
		return state.Any, err
	}
	defer s.done()
	if len(changes.Writes) == 0 {
		return state.Any, nil
	}
	l, _ := s.layouts.Get().(*layout)
	if l == nil {
		l = new(layout)
	}
	l.lay(changes.Writes)
	batch := s.db.NewBatchWithSize(l.bytes)
	defer func() { _ = batch.Close() }() // gives its memory back
	v, err := s.apply(batch, l)
	if l.forget(); cap(l.arena) <= layoutMost {
		s.layouts.Put(l)
	}
	if err != nil {
		return state.Any, err
	}
	// The lock is free: commits that come meanwhile are synced together with this one, or next.
	if err := s.synced(batch); err != nil {
		return state.Any, err
	}
	s.safe.reached(v)
	return v, nil
}

// apply checks the conditions of writes, and makes them, so that they can be read and are on their way
// to the disk.
func (s *Store) apply(batch *db.Batch, l *layout) (state.Version, error) {
	writes := l.writes
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.broken != nil {
		return state.Any, s.broken
	}
	reads, err := s.conditions(writes)
	if err != nil {
		return state.Any, err
	}
	v := s.last + 1
	if err := fill(batch, l, v); err != nil {
		return state.Any, s.failed("commit", err)
	}
	s.willDelete(writes, v)
	err = safely("commit", func() error { return s.db.ApplyNoSyncWait(batch, db.Sync) })
	if err != nil {
		return state.Any, s.breaks(err)
	}
	s.last = v
	for i := range writes {
		if w := &writes[i]; !w.Delete {
			s.highest.rise(w.Table, w.place)
		}
	}
	s.wrote(writes, v, reads)
	return v, nil
}

// willDelete notes of which tables a commit deletes something, before it can be seen: who then finds nothing
// there waits until that is safe.
func (s *Store) willDelete(writes []placed, v state.Version) {
	s.memory.Lock()
	defer s.memory.Unlock()
	table := ""
	for i := range writes {
		if w := &writes[i]; w.Delete && (table == "" || w.Table != table) {
			table = w.Table
			s.deleted[table] = v
		}
	}
}

// wrote notes what is there after a commit, whose conditions were checked after a number of reads: those since
// then may have noted what was there before it. One that goes on while this is noted will note nothing.
func (s *Store) wrote(writes []placed, v state.Version, reads uint64) {
	s.memory.Lock()
	defer s.memory.Unlock()
	s.commits++
	if s.reads != reads {
		s.versions.markAll(writes)
	}
	for i := range writes {
		w := &writes[i]
		if s.reads != reads && w.marked && !w.known {
			_, w.known = s.versions.find(w.mark)
		}
		if i+1 == len(writes) || !bytes.Equal(w.place, writes[i+1].place) { // else the next is what stands
			s.note(w, v)
		}
	}
}

// note notes what is there after a write. Of what was never read nothing is remembered: it may never be asked
// for. The memory is locked.
func (s *Store) note(w *placed, v state.Version) {
	version, expires := v, state.Nanoseconds(w.Expires)
	if w.Delete {
		version, expires = state.Absent, 0
	}
	if w.known {
		s.versions.renew(w.mark, version, expires)
	} else if w.If > state.Any {
		s.versions.note(w.Table, w.place, version, expires)
	}
}

// conditions gives a conflict if versions are not those that writes ask for, and after how many reads it was
// checked what is remembered. The lock is held.
func (s *Store) conditions(writes []placed) (reads uint64, err error) {
	now := now()
	unmet, asks, reads := s.remembered(writes, now)
	var unknown []*placed
	var keys [][]byte
	for _, w := range asks {
		if w.If == state.Absent {
			if absent, err := s.above(w.Table, w.place); err != nil {
				return 0, s.failed("commit", err)
			} else if absent {
				continue
			}
		}
		unknown, keys = append(unknown, w), append(keys, w.place)
	}
	found := make([]bool, len(unknown))
	err = s.entries(keys, func(i int, e entry) {
		if e.expired(now) {
			return
		}
		found[i] = true
		if e.version != unknown[i].If {
			unmet = append(unmet, unknown[i].number)
		}
	})
	if err != nil {
		return 0, s.failed("commit", err)
	}
	for i, w := range unknown {
		if !found[i] && w.If != state.Absent {
			unmet = append(unmet, w.number)
		}
	}
	if len(unmet) > 0 {
		slices.Sort(unmet)
		return 0, &state.ConflictError{Writes: unmet}
	}
	return reads, nil
}

// remembered checks the conditions of writes by what is remembered, and gives those that are unmet, the writes
// that have conditions of which nothing is, and how many reads there were.
func (s *Store) remembered(writes []placed, now int64) (unmet []int, asks []*placed, reads uint64) {
	s.memory.Lock()
	defer s.memory.Unlock()
	s.versions.markAll(writes)
	for i := range writes {
		w := &writes[i]
		var there known
		if w.marked {
			there, w.known = s.versions.find(w.mark)
		}
		switch {
		case w.If == state.Any:
		case !w.known:
			asks = append(asks, w)
		case there.at(now) != w.If:
			unmet = append(unmet, w.number)
		}
	}
	return unmet, asks, s.reads
}

// fill puts writes into a batch, with their version.
func fill(batch *db.Batch, l *layout, v state.Version) error {
	expire := lists{of: v, all: l.expire}
	defer func() { l.expire = expire.all }()
	for i := range l.writes {
		w := &l.writes[i]
		if w.Delete {
			if err := batch.Delete(w.place, nil); err != nil {
				return err
			}
			continue
		}
		expires := state.Nanoseconds(w.Expires)
		if expires != 0 {
			expire.add(expires, w.Table, w.Key)
		}
		if err := putEntry(batch, w.place, w.Value, v, expires); err != nil {
			return err
		}
	}
	if err := expire.write(batch); err != nil {
		return err
	}
	return batch.Set(versionKey(), encodeVersion(v), nil)
}

// putEntry puts an entry into a batch, which takes the bytes as they are to be.
func putEntry(batch *db.Batch, place, value []byte, v state.Version, expires int64) error {
	op := batch.SetDeferred(len(place), headSize+len(value))
	copy(op.Key, place)
	copy(op.Value[len(appendHead(op.Value[:0], v, expires)):], value)
	return op.Finish()
}

// synced waits until a batch is on the disk. If it cannot be, no one knows what is there: the store is
// of no use until it is opened again.
func (s *Store) synced(batch *db.Batch) error {
	err := batch.SyncWait()
	if err == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.breaks(fmt.Errorf("sync: %w", err))
}

// breaks lets nothing go on after an error that leaves open what is on the disk. The lock is held.
func (s *Store) breaks(err error) error {
	if s.broken == nil {
		s.broken = s.failed("commit", fmt.Errorf("%w: open the store again", err))
		s.safe.ended(s.broken)
	}
	return s.broken
}
