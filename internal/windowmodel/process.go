package windowmodel

import (
	"context"
	"errors"
	"iter"
	"sync"
	"time"

	"github.com/rocketflow-io/rocketflow/internal/randpipe"
	"github.com/rocketflow-io/rocketflow/state"
)

// ErrDead is what everything outside a process answers it that is dead.
var ErrDead = errors.New("windowmodel: the process is dead")

// Process is one of those that share windows. Whatever it does outside of itself takes up to Slow, half of
// it before it is done and half after it, and can be stopped for a while, as if it stood still, and for good.
type Process struct {
	Seed uint64
	Slow time.Duration

	mu    sync.Mutex
	calls uint64
	stood chan struct{} // closed when it goes on; nil while it does
	dead  bool
}

// errAbove is a failure of a stage above the windows.
var errAbove = errors.New("windowmodel: the stage above fails")

// failsOnce gives a function of a stage that fails for some events, once in this process for each.
func (p *Process) failsOnce() func(context.Context, Event) (Event, error) {
	failed := make(map[int]bool)
	return func(_ context.Context, e Event) (Event, error) {
		if !failed[e.Number] && randpipe.Mix(p.Seed, 1, uint64(e.Number))%8 == 0 {
			failed[e.Number] = true
			return e, errAbove
		}
		return e, nil
	}
}

// Freeze lets the process stand still until Thaw.
func (p *Process) Freeze() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stood == nil {
		p.stood = make(chan struct{})
	}
}

// Thaw lets it go on.
func (p *Process) Thaw() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stood != nil {
		close(p.stood)
		p.stood = nil
	}
}

// Kill ends its life: what it does afterwards reaches no one. What is done may be known to it or not.
func (p *Process) Kill() {
	p.mu.Lock()
	p.dead = true
	p.mu.Unlock()
	p.Thaw()
}

// passes takes its time, waits while the process stands still, and fails when it is dead.
func (p *Process) passes() error {
	p.mu.Lock()
	p.calls++
	slow := time.Duration(randpipe.Mix(p.Seed, 2, p.calls) % uint64(p.Slow/2+1))
	p.mu.Unlock()
	time.Sleep(slow)
	for {
		p.mu.Lock()
		dead, stood := p.dead, p.stood
		p.mu.Unlock()
		if dead {
			return ErrDead
		}
		if stood == nil {
			return nil
		}
		<-stood
	}
}

// Store gives a store as the process sees it: it can stand still or die before a call and after it.
func (p *Process) Store(s state.Store) state.Store { return processStore{s, p} }

type processStore struct {
	state.Store
	p *Process
}

func (s processStore) Get(ctx context.Context, table string, keys ...[]byte) ([]state.Entry, error) {
	if err := s.p.passes(); err != nil {
		return nil, err
	}
	entries, err := s.Store.Get(ctx, table, keys...)
	return entries, errors.Join(err, s.p.passes())
}

func (s processStore) Scan(ctx context.Context, table string, keys state.Range) iter.Seq2[state.Entry, error] {
	return func(yield func(state.Entry, error) bool) {
		// What is read is read at one moment: standing still within a scan would keep others from it.
		if err := s.p.passes(); err != nil {
			yield(state.Entry{}, err)
			return
		}
		for e, err := range s.Store.Scan(ctx, table, keys) {
			if !yield(e, err) {
				return
			}
		}
		if err := s.p.passes(); err != nil {
			yield(state.Entry{}, err)
		}
	}
}

func (s processStore) Commit(ctx context.Context, c *state.Changes) (state.Version, error) {
	if err := s.p.passes(); err != nil {
		return state.Any, err
	}
	v, err := s.Store.Commit(ctx, c)
	if dead := s.p.passes(); dead != nil {
		return state.Any, dead
	}
	return v, err
}
