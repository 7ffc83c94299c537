package sim

import (
	"context"
	"fmt"
	"iter"
	"time"

	"github.com/rocketflow-io/rocketflow/internal/randpipe"
	"github.com/rocketflow-io/rocketflow/state"
)

// Store gives a store that a process which is dead does not reach.
func (o outfit) Store(s state.Store) state.Store { return mortalStore{s, o.p} }

// FaultyStore gives one whose requests and answers get lost on the way, too.
func (o outfit) FaultyStore(name string, s state.Store) state.Store {
	return faultyStore{mortalStore{s, o.p}, name, o.w}
}

// mortalStore is a store as one process has it: it outlives the process, and not the other way round.
type mortalStore struct {
	state.Store
	process *process
}

// Get reads, while the process lives.
func (s mortalStore) Get(ctx context.Context, table string, keys ...[]byte) ([]state.Entry, error) {
	if s.process.isDead() {
		return nil, errDead
	}
	return s.Store.Get(ctx, table, keys...)
}

// Scan reads, while the process lives.
func (s mortalStore) Scan(ctx context.Context, table string, keys state.Range) iter.Seq2[state.Entry, error] {
	if s.process.isDead() {
		return failing(errDead)
	}
	return s.Store.Scan(ctx, table, keys)
}

// Commit writes, while the process lives.
func (s mortalStore) Commit(ctx context.Context, c *state.Changes) (state.Version, error) {
	if s.process.isDead() {
		return 0, errDead
	}
	return s.Store.Commit(ctx, c)
}

// failing is a scan that fails.
func failing(err error) iter.Seq2[state.Entry, error] {
	return func(yield func(state.Entry, error) bool) { yield(state.Entry{}, err) }
}

// faultyStore is a store that is not always reached, and does not always tell what it has done.
type faultyStore struct {
	mortalStore
	name string
	w    *world
}

// fault draws what befalls a call; none is for nothing.
func (s faultyStore) fault() Kind {
	d := s.w.draw(s.process.name + " calls " + s.name)
	s.w.mu.Lock()
	defer s.w.mu.Unlock()
	roll := d.IntN(1000)
	for _, k := range []Kind{StoreFailed, StoreAnswerLost, StoreSlow} {
		if roll -= s.w.rates[k]; roll < 0 {
			return k
		}
	}
	return none
}

// reads lets a read fail at times.
func (s faultyStore) reads() error {
	if k := s.fault(); k == none || k == StoreSlow || !s.w.stormy() {
		return nil
	}
	s.w.happened(StoreFailed, "%s reads from %s", s.process.name, s.name)
	return errOfStore(s.name)
}

// Get reads, or fails.
func (s faultyStore) Get(ctx context.Context, table string, keys ...[]byte) ([]state.Entry, error) {
	if err := s.reads(); err != nil {
		return nil, err
	}
	return s.mortalStore.Get(ctx, table, keys...)
}

// Scan reads, or fails.
func (s faultyStore) Scan(ctx context.Context, table string, keys state.Range) iter.Seq2[state.Entry, error] {
	if err := s.reads(); err != nil {
		return failing(err)
	}
	return s.mortalStore.Scan(ctx, table, keys)
}

// Commit writes, or fails: before that, or after it. A process may die while its commit is on the way.
func (s faultyStore) Commit(ctx context.Context, c *state.Changes) (state.Version, error) {
	k := s.fault()
	if !s.w.stormy() {
		k = none
	}
	switch k {
	case StoreFailed:
		s.w.happened(k, "%s writes to %s", s.process.name, s.name)
		return 0, errOfStore(s.name)
	case StoreSlow:
		s.w.happened(k, "%s writes to %s", s.process.name, s.name)
		s.w.sleep(context.Background(), 300*time.Millisecond)
	}
	version, err := s.mortalStore.Commit(ctx, c)
	if k == StoreAnswerLost && err == nil {
		s.w.happened(k, "%s has written to %s", s.process.name, s.name)
		return 0, errOfStore(s.name)
	}
	return version, err
}

func errOfStore(name string) error { return fmt.Errorf("%s: %w", name, randpipe.ErrFault) }
