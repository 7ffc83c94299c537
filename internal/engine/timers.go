package engine

import (
	"sync"
	"time"
)

// timers are the waits of a run: for retries, ages and turns. When the run stops hard they all
// end at once, so that what waits can turn back.
type timers struct {
	mu      sync.Mutex
	pending map[*timer]struct{}
	rushed  bool // waits end at once from now on
	stopped bool // nothing waits any more
	running sync.WaitGroup
}

type timer struct {
	t *time.Timer
	f func()
}

// after runs f once, d from now, on a goroutine of its own. The function that it returns stops
// that and reports whether it did.
func (ts *timers) after(d time.Duration, f func()) (stop func() bool) {
	t := &timer{f: f}
	ts.mu.Lock()
	defer ts.mu.Unlock()
	if ts.stopped {
		return func() bool { return true }
	}
	if ts.pending == nil {
		ts.pending = make(map[*timer]struct{})
	}
	ts.pending[t] = struct{}{}
	ts.running.Add(1)
	if ts.rushed {
		d = 0
	}
	t.t = time.AfterFunc(d, func() { ts.fire(t) })
	return func() bool {
		if !ts.take(t) {
			return false
		}
		t.t.Stop()
		ts.running.Done()
		return true
	}
}

// take removes the timer; false if it has fired or was stopped.
func (ts *timers) take(t *timer) bool {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	_, ok := ts.pending[t]
	delete(ts.pending, t)
	return ok
}

func (ts *timers) fire(t *timer) {
	if !ts.take(t) {
		return
	}
	defer ts.running.Done()
	t.f()
}

// rush ends all waits, now and from now on.
func (ts *timers) rush() {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	ts.rushed = true
	for t := range ts.pending {
		t.t.Reset(0)
	}
}

// stopAll drops the waits that nothing depends on any more, those to come included, and waits for
// what is under way: a function that waits anew each time must not keep the run.
func (ts *timers) stopAll() {
	ts.mu.Lock()
	ts.stopped = true
	for t := range ts.pending {
		delete(ts.pending, t)
		t.t.Stop()
		ts.running.Done()
	}
	ts.mu.Unlock()
	ts.running.Wait()
}
