package randpipe

import (
	"context"
	"iter"

	"github.com/rocketflow-io/rocketflow/state"
)

// noticing is a store as a run has it. When it fails, all may fail that the run has put into it, and of which it
// has not said that it has it.
type noticing struct {
	state.Store
	run storing
}

// storing is a run that has a store.
type storing interface {
	// noticed gives the error of a call, and takes note of it.
	noticed(err error) error
	// committed takes note of what the store has said that it has.
	committed(c *state.Changes)
}

// Get reads, and notices that it fails.
func (s noticing) Get(ctx context.Context, table string, keys ...[]byte) ([]state.Entry, error) {
	entries, err := s.Store.Get(ctx, table, keys...)
	return entries, s.run.noticed(err)
}

// Scan reads, and notices that it fails.
func (s noticing) Scan(ctx context.Context, table string, keys state.Range) iter.Seq2[state.Entry, error] {
	return func(yield func(state.Entry, error) bool) {
		for e, err := range s.Store.Scan(ctx, table, keys) {
			if !yield(e, s.run.noticed(err)) {
				return
			}
		}
	}
}

// Commit writes, and notices that it fails.
func (s noticing) Commit(ctx context.Context, c *state.Changes) (state.Version, error) {
	version, err := s.Store.Commit(ctx, c)
	if err == nil {
		s.run.committed(c)
	}
	return version, s.run.noticed(err)
}
