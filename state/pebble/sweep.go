package pebble

import (
	"encoding/binary"
	"time"

	db "github.com/cockroachdb/pebble/v2"
)

const (
	// sweepEvery is how often what has expired is removed from the disk.
	sweepEvery = time.Minute
	// sweepMost is how much is removed at a time, and a list more, while commits wait.
	sweepMost = 256
)

// upkeep removes what has expired, and writes the bound, until the store is closed.
func (s *Store) upkeep() {
	defer close(s.kept)
	every := time.NewTicker(sweepEvery)
	defer every.Stop()
	for {
		select {
		case <-every.C:
			s.sweep()
		case <-s.flushed:
		case <-s.end:
			return
		}
		if err := s.bound(); err != nil {
			s.log.Error("it cannot be noted how far commits are safe, to be tried again", "error", err)
		}
	}
}

// sweep removes what has expired.
func (s *Store) sweep() {
	for {
		more, err := s.sweepSome()
		if err != nil {
			s.log.Error("what has expired cannot be removed, to be tried again", "error", err)
		}
		select {
		case <-s.end:
			return
		default:
		}
		if !more {
			return
		}
	}
}

// sweepSome removes some of what has expired, and tells whether there may be more. It need not be
// synced: what a crash brings back has expired all the same.
func (s *Store) sweepSome() (more bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.broken != nil {
		return false, nil
	}
	now := now()
	it, err := s.db.NewIter(&db.IterOptions{
		LowerBound: []byte{kindExpiry},
		UpperBound: binary.BigEndian.AppendUint64([]byte{kindExpiry}, uint64(now)+1),
	})
	if err != nil {
		return false, s.failed("sweep", err)
	}
	batch := s.db.NewBatch()
	defer func() { _ = batch.Close() }()
	n := 0
	for it.First(); it.Valid() && n < sweepMost && err == nil; it.Next() {
		var list []byte
		if list, err = it.ValueAndErr(); err != nil {
			break
		}
		err = eachListed(list, func(table string, key []byte) error {
			n++
			return s.sweepOne(batch, entryKey(nil, table, key), now)
		})
		if err == nil {
			err = batch.Delete(it.Key(), nil)
		}
	}
	if closed := it.Close(); err == nil {
		err = closed
	}
	if err == nil && n > 0 {
		err = safely("sweep", func() error { return s.db.Apply(batch, db.NoSync) })
	}
	if err != nil {
		return false, s.failed("sweep", err)
	}
	return n >= sweepMost, nil
}

// sweepOne removes an entry that was to expire. It may have been written again since.
func (s *Store) sweepOne(batch *db.Batch, key []byte, now int64) error {
	expired := false
	if err := s.entry(key, func(e entry) { expired = e.expired(now) }); err != nil {
		return err
	}
	if !expired {
		return nil
	}
	return batch.Delete(key, nil)
}
