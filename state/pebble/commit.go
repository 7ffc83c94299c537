package pebble

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

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
	batch := s.db.NewBatch()
	defer func() { _ = batch.Close() }() // gives its memory back
	v, err := s.apply(batch, changes.Writes)
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
func (s *Store) apply(batch *db.Batch, writes []state.Write) (state.Version, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.broken != nil {
		return state.Any, s.broken
	}
	if err := s.conditions(writes); err != nil {
		return state.Any, err
	}
	v := s.last + 1
	deletes, err := fill(batch, writes, v)
	if err != nil {
		return state.Any, s.failed("commit", err)
	}
	err = safely("commit", func() error { return s.db.ApplyNoSyncWait(batch, db.Sync) })
	if err != nil {
		return state.Any, s.breaks(err)
	}
	s.last = v
	if deletes {
		s.deleted = v
	}
	return v, nil
}

// conditions gives a conflict if versions are not those that writes ask for. The lock is held.
func (s *Store) conditions(writes []state.Write) error {
	var asking []int
	for i := range writes {
		if writes[i].If != state.Any {
			asking = append(asking, i)
		}
	}
	if len(asking) == 0 {
		return nil
	}
	now := now()
	found := make([]state.Version, len(asking)) // Any where there is nothing
	place := func(i int, dst []byte) []byte { w := &writes[asking[i]]; return entryKey(dst, w.Table, w.Key) }
	err := s.entries(len(asking), place, func(i int, e entry) {
		if !e.expired(now) {
			found[i] = e.version
		}
	})
	if err != nil {
		return s.failed("commit", err)
	}
	var unmet []int
	for i, version := range found {
		if version == state.Any {
			version = state.Absent
		}
		if writes[asking[i]].If != version {
			unmet = append(unmet, asking[i])
		}
	}
	if len(unmet) > 0 {
		return &state.ConflictError{Writes: unmet}
	}
	return nil
}

// fill puts writes into a batch, with their version, and tells whether one of them deletes. They go in by
// table and key: the database finds the place of one from that of the one before it.
func fill(batch *db.Batch, writes []state.Write, v state.Version) (deletes bool, err error) {
	var buf []byte
	order := make([]*state.Write, len(writes))
	for i := range writes {
		order[i] = &writes[i]
	}
	slices.SortStableFunc(order, func(a, b *state.Write) int {
		return cmp.Or(strings.Compare(a.Table, b.Table), bytes.Compare(a.Key, b.Key))
	})
	for _, w := range order {
		if w.Delete {
			deletes = true
			buf = entryKey(buf[:0], w.Table, w.Key)
			if err := batch.Delete(buf, nil); err != nil {
				return false, err
			}
			continue
		}
		if err := putEntry(batch, w.Table, w.Key, w.Value, v, state.Nanoseconds(w.Expires)); err != nil {
			return false, err
		}
	}
	return deletes, batch.Set(versionKey(), encodeVersion(v), nil)
}

// putEntry puts an entry into a batch, which takes the bytes as they are to be.
func putEntry(batch *db.Batch, table string, key, value []byte, v state.Version, expires int64) error {
	op := batch.SetDeferred(2+len(table)+len(key), headSize+len(value))
	entryKey(op.Key[:0], table, key)
	copy(op.Value[len(appendHead(op.Value[:0], v, expires)):], value)
	if err := op.Finish(); err != nil || expires == 0 {
		return err
	}
	return batch.Set(expiryKey(nil, expires, table, key), nil, nil)
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
