package pebble

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"

	db "github.com/cockroachdb/pebble/v2"

	"github.com/rocketflow-io/rocketflow/state"
)

// Get gives entries: see [state.Store].
func (s *Store) Get(ctx context.Context, table string, keys ...[]byte) ([]state.Entry, error) {
	if err := s.begin(ctx); err != nil {
		return nil, err
	}
	defer s.done()
	entries := make([]state.Entry, len(keys))
	for i, key := range keys {
		entries[i] = state.Entry{Key: key, Version: state.Absent}
	}
	now, needs, present := now(), state.Any, 0
	places, order := upwards(table, keys)
	s.memory.Lock()
	commits := s.commits
	s.memory.Unlock()
	err := s.entries(places, func(at int, e entry) {
		needs = max(needs, e.version)
		if !e.expired(now) {
			present++
			i := order[at]
			entries[i] = state.Entry{Key: keys[i], Value: bytes.Clone(e.value), Version: e.version, Expires: state.FromNanoseconds(e.expires)}
		}
	})
	if err != nil {
		return nil, s.failed("get", err)
	}
	s.memory.Lock()
	if present < len(keys) {
		// It may be absent by a commit that a crash could take back.
		needs = max(needs, s.deleted[table])
	}
	if s.commits == commits { // else this may have been read before the last of them
		s.reads++
		for at, i := range order {
			s.versions.note(table, places[at], entries[i].Version, state.Nanoseconds(entries[i].Expires))
		}
	}
	s.memory.Unlock()
	if err := s.safe.await(ctx, needs); err != nil {
		return nil, err
	}
	return entries, nil
}

// entries reads the entries of keys of the database, which are in their order, as they are at one moment,
// and gives those that are there to f. What f is given is the database's.
//
// For several an iterator is made: unlike a plain read it asks the filters of the last level too, where
// most of the data is, and so reads nothing of what is absent. It goes upwards, since it finds a key from
// the one before it sooner than from nowhere.
func (s *Store) entries(keys [][]byte, f func(i int, e entry)) (err error) {
	switch len(keys) {
	case 0:
		return nil
	case 1:
		return s.entry(keys[0], func(e entry) { f(0, e) })
	}
	it, err := s.db.NewIter(&db.IterOptions{UseL6Filters: true})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, it.Close()) }()
	for i, key := range keys {
		if !it.SeekPrefixGE(key) {
			if err := it.Error(); err != nil {
				return err
			}
			continue
		}
		value, err := it.ValueAndErr()
		if err != nil {
			return err
		}
		e, err := decodeEntry(value)
		if err != nil {
			return err
		}
		f(i, e)
	}
	return nil
}

// upwards gives the keys of the database for entries of a table, in their order, and of which key each is.
func upwards(table string, keys [][]byte) (places [][]byte, order []int) {
	order = make([]int, len(keys))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return bytes.Compare(keys[a], keys[b]) })
	places, arena := make([][]byte, len(keys)), make([]byte, 0, 48*len(keys))
	for at, i := range order {
		from := len(arena)
		arena = entryKey(arena, table, keys[i])
		places[at] = arena[from:len(arena):len(arena)]
	}
	return places, order
}

// entry reads one entry, if it is there.
func (s *Store) entry(key []byte, f func(entry)) error {
	_, err := s.read(s.db, key, func(b []byte) error {
		e, err := decodeEntry(b)
		if err == nil {
			f(e)
		}
		return err
	})
	return err
}

// read reads a key of the database, and tells whether it is there.
func (s *Store) read(from db.Reader, key []byte, f func([]byte) error) (found bool, err error) {
	b, closer, err := from.Get(key)
	if errors.Is(err, db.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return true, errors.Join(f(b), closer.Close())
}

// Scan gives entries in order: see [state.Store].
func (s *Store) Scan(ctx context.Context, table string, keys state.Range) iter.Seq2[state.Entry, error] {
	return func(yield func(state.Entry, error) bool) {
		if err := s.scan(ctx, s.db, table, keys, yield); err != nil {
			yield(state.Entry{}, err)
		}
	}
}

func (s *Store) scan(ctx context.Context, from db.Reader, table string, keys state.Range, yield func(state.Entry, error) bool) error {
	if err := s.begin(ctx); err != nil {
		return err
	}
	defer s.done()
	bounds := &db.IterOptions{LowerBound: entryKey(nil, table, keys.From), UpperBound: tableEnd(table)}
	if keys.Until != nil {
		bounds.UpperBound = entryKey(nil, table, keys.Until)
	}
	if bytes.Compare(bounds.LowerBound, bounds.UpperBound) >= 0 {
		return nil
	}
	return s.each(ctx, from, bounds, func(key []byte, e entry) (bool, error) {
		_, key, err := splitPlace(key[1:])
		if err != nil {
			return false, err
		}
		return yield(state.Entry{
			Key: bytes.Clone(key), Value: bytes.Clone(e.value), Version: e.version, Expires: state.FromNanoseconds(e.expires),
		}, nil), nil
	})
}

// tableEnd gives what is above all keys of a table.
func tableEnd(table string) []byte { return state.Prefix(entryKey(nil, table, nil)).Until }

// each gives what has not expired within bounds to f, until that returns false. Of what it is given
// nothing is to be kept.
func (s *Store) each(ctx context.Context, from db.Reader, bounds *db.IterOptions, f func(key []byte, e entry) (bool, error)) (err error) {
	it, err := from.NewIterWithContext(ctx, bounds)
	if err != nil {
		return s.failed("scan", err)
	}
	defer func() {
		if closed := it.Close(); err == nil && closed != nil {
			err = s.failed("scan", closed)
		}
	}()
	s.mu.Lock()
	last := s.last
	s.mu.Unlock()
	if err := s.safe.await(ctx, last); err != nil {
		return err
	}
	now := now()
	for it.First(); it.Valid(); it.Next() {
		if err := ctx.Err(); err != nil {
			return err
		}
		value, err := it.ValueAndErr()
		if err != nil {
			return s.failed("scan", err)
		}
		e, err := decodeEntry(value)
		if err != nil {
			return s.failed("scan", err)
		}
		if e.expired(now) {
			continue
		}
		if more, err := f(it.Key(), e); err != nil || !more {
			return err
		}
	}
	if err := it.Error(); err != nil {
		return s.failed("scan", err)
	}
	return nil
}

func (s *Store) failed(what string, err error) error {
	return damage(s.dir, fmt.Errorf("state/pebble: %s: %w", what, err))
}
