package pebble

import (
	"context"
	"errors"

	db "github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// WithFS puts the store on another file layer.
func WithFS(fs vfs.FS) Option { return func(c *config) { c.fs = fs } }

// WithMemory sets how many bytes of writes are kept in memory before they are written to a table.
func WithMemory(bytes uint64) Option { return func(c *config) { c.memory = bytes } }

// Flush writes what is in memory to tables.
func (s *Store) Flush() error { return s.db.Flush() }

// Compact writes what is in memory, and all tables, to the last level.
func (s *Store) Compact(ctx context.Context) error {
	return errors.Join(s.db.Flush(), s.db.Compact(ctx, []byte{0}, []byte{0xff}, false))
}

// Kept gives how many entries and expiries are on the disk, expired ones included.
func (s *Store) Kept() (n int, err error) {
	for _, kind := range []byte{kindEntry, kindExpiry} {
		it, err := s.db.NewIter(&db.IterOptions{LowerBound: []byte{kind}, UpperBound: []byte{kind + 1}})
		if err != nil {
			return 0, err
		}
		for it.First(); it.Valid(); it.Next() {
			n++
		}
		if err := it.Close(); err != nil {
			return 0, err
		}
	}
	return n, nil
}
