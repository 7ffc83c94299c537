package flow_test

import (
	"context"
	"iter"
	"sync"

	"github.com/rocketflow-io/rocketflow/internal/randpipe"
	"github.com/rocketflow-io/rocketflow/state"
)

// testStore is a store of which some calls fail, and some commits although they are made.
type testStore struct {
	state.Store

	mu   sync.Mutex
	dice randpipe.Dice
}

func (s *testStore) roll() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.dice.IntN(100)
}

func (s *testStore) Get(ctx context.Context, table string, keys ...[]byte) ([]state.Entry, error) {
	if s.roll() < 3 {
		return nil, randpipe.ErrFault
	}
	return s.Store.Get(ctx, table, keys...)
}

func (s *testStore) Scan(ctx context.Context, table string, keys state.Range) iter.Seq2[state.Entry, error] {
	if s.roll() < 3 {
		return func(yield func(state.Entry, error) bool) { yield(state.Entry{}, randpipe.ErrFault) }
	}
	return s.Store.Scan(ctx, table, keys)
}

func (s *testStore) Commit(ctx context.Context, c *state.Changes) (state.Version, error) {
	roll := s.roll()
	if roll < 4 {
		return 0, randpipe.ErrFault
	}
	version, err := s.Store.Commit(ctx, c)
	if err == nil && roll < 8 {
		return 0, randpipe.ErrFault
	}
	return version, err
}
