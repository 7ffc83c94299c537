package pebble

import (
	"bytes"
	"context"
	"errors"
	"io"

	db "github.com/cockroachdb/pebble/v2"

	"github.com/rocketflow-io/rocketflow/state"
)

// Snapshot writes all entries: see [state.Store].
func (s *Store) Snapshot(ctx context.Context, w io.Writer) error {
	if err := s.begin(ctx); err != nil {
		return err
	}
	defer s.done()
	moment := s.db.NewSnapshot()
	defer func() { _ = moment.Close() }() // fails only where it is closed twice
	last := state.Any
	if _, err := s.read(moment, versionKey(), func(b []byte) (err error) { last, err = decodeVersion(b); return err }); err != nil {
		return s.failed("snapshot", err)
	}
	return state.WriteSnapshot(w, last, func(yield func(state.Saved, error) bool) {
		err := s.each(ctx, moment, allEntries(), func(place []byte, e entry) (bool, error) {
			table, key, err := splitPlace(place[1:])
			if err != nil {
				return false, s.failed("snapshot", err)
			}
			return yield(state.Saved{Table: table, Entry: state.Entry{
				Key: key, Value: e.value, Version: e.version, Expires: state.FromNanoseconds(e.expires),
			}}, nil), nil
		})
		if err != nil {
			yield(state.Saved{}, err)
		}
	})
}

func allEntries() *db.IterOptions {
	return &db.IterOptions{LowerBound: []byte{kindEntry}, UpperBound: []byte{kindEntry + 1}}
}

// restoreBytes is how much a restore writes at a time.
const restoreBytes = 1 << 20

// Restore fills the empty store: see [state.Store]. While it runs, commits wait. After a crash in the
// middle of it the store opens empty.
func (s *Store) Restore(ctx context.Context, r io.Reader) error {
	if err := s.begin(ctx); err != nil {
		return err
	}
	defer s.done()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.memory.Lock() // reads wait as well
	defer s.memory.Unlock()
	if s.broken != nil {
		return s.broken
	}
	if empty, err := s.isEmpty(ctx); err != nil {
		return s.failed("restore", err)
	} else if !empty {
		return state.ErrNotEmpty
	}
	last, err := s.fillFrom(ctx, r)
	if err != nil {
		if left := s.empty(); left != nil {
			return errors.Join(err, s.breaks(left))
		}
		return err
	}
	s.last = max(s.last, last)
	s.safe.reached(s.last)
	return nil
}

// isEmpty tells whether there is nothing, but what has expired. The lock is held.
func (s *Store) isEmpty(ctx context.Context) (bool, error) {
	it, err := s.db.NewIterWithContext(ctx, allEntries())
	if err != nil {
		return false, err
	}
	now, empty := now(), true
	for it.First(); it.Valid() && empty; it.Next() {
		e, bad := decodeEntry(it.Value())
		empty = bad == nil && e.expired(now)
	}
	return empty, errors.Join(it.Error(), it.Close())
}

// fillFrom writes the entries of a snapshot, of which nothing counts before the last write. The lock is
// held.
func (s *Store) fillFrom(ctx context.Context, r io.Reader) (state.Version, error) {
	if err := s.db.Set(restoringKey(), nil, db.Sync); err != nil {
		return 0, s.failed("restore", err)
	}
	batch := s.db.NewBatch()
	defer func() { _ = batch.Close() }()
	s.commits++
	s.versions.forget()
	s.highest = nil
	var expire lists
	last, err := state.ReadSnapshot(r, func(e state.Saved) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		if batch.Len() >= restoreBytes {
			if err := expire.write(batch); err != nil {
				return s.failed("restore", err)
			}
			if err := s.db.Apply(batch, db.NoSync); err != nil {
				return s.failed("restore", err)
			}
			batch.Reset()
		}
		expires := state.Nanoseconds(e.Expires)
		if expires != 0 {
			expire.add(expires, e.Table, bytes.Clone(e.Key))
		}
		return putEntry(batch, entryKey(nil, e.Table, e.Key), e.Value, e.Version, expires)
	})
	if err != nil {
		return 0, err
	}
	if err := expire.write(batch); err != nil {
		return 0, s.failed("restore", err)
	}
	if err := batch.Delete(restoringKey(), nil); err != nil {
		return 0, s.failed("restore", err)
	}
	if err := batch.Set(versionKey(), encodeVersion(max(last, s.last)), nil); err != nil {
		return 0, s.failed("restore", err)
	}
	if err := s.db.Apply(batch, db.Sync); err != nil {
		return 0, s.failed("restore", err)
	}
	return last, nil
}

// empty removes what an unfinished restore has written.
func (s *Store) empty() error {
	batch := s.db.NewBatch()
	defer func() { _ = batch.Close() }()
	for _, kind := range []byte{kindEntry, kindExpiry} {
		if err := batch.DeleteRange([]byte{kind}, []byte{kind + 1}, nil); err != nil {
			return s.failed("restore", err)
		}
	}
	if err := batch.Delete(restoringKey(), nil); err != nil {
		return s.failed("restore", err)
	}
	if err := s.db.Apply(batch, db.Sync); err != nil {
		return s.failed("restore", err)
	}
	return nil
}
