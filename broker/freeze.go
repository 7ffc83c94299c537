package broker

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Freeze lets the broker stand still to all who talk to it, as a process does that is stopped or a
// network that loses everything: connections stay open, new ones come about, and nothing is read or
// answered until thaw is called. Inside, time goes on: messages become visible, and checks are due.
// It may be called again before the thaw; the broker is frozen until all have thawed it. Calling
// thaw more than once does nothing.
//
// If endpoints are given, only those of a [Cluster] stand still, also when what is there is stopped
// and started again.
func (g *gate) Freeze(endpoints ...string) (thaw func()) {
	if len(endpoints) == 0 {
		return g.frost.begin()
	}
	ends := make([]func(), len(endpoints))
	for i, endpoint := range endpoints {
		ends[i] = g.frostAt(endpoint).begin()
	}
	return func() {
		for _, end := range ends {
			end()
		}
	}
}

// frostAt gives the frost of an endpoint.
func (g *gate) frostAt(endpoint string) *frost {
	g.mu.Lock()
	defer g.mu.Unlock()
	f, ok := g.frosts[endpoint]
	if !ok {
		f = new(frost)
		g.frosts[endpoint] = f
	}
	return f
}

// Cut breaks all connections, as a restart of the server does, or those to the given endpoints of a
// [Cluster], and tells how many there were. New ones are welcome at once.
func (g *gate) Cut(endpoints ...string) int {
	g.mu.Lock()
	listeners := slices.Clone(g.listeners)
	g.mu.Unlock()
	n := 0
	for _, l := range listeners {
		if len(endpoints) == 0 || slices.Contains(endpoints, l.endpoint) {
			n += l.cut()
		}
	}
	return n
}

// A frost lets connections stand still.
type frost struct {
	thawed atomic.Pointer[chan struct{}] // closed by the thaw; nil while there is no frost

	mu      sync.Mutex // guards holders, and the writing of thawed
	holders int
}

// begin freezes until end is called.
func (f *frost) begin() (end func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.holders++; f.holders == 1 {
		f.thawed.Store(new(make(chan struct{})))
	}
	return sync.OnceFunc(f.release)
}

func (f *frost) release() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.holders--; f.holders == 0 {
		close(*f.thawed.Swap(nil))
	}
}

// wait returns when there is no frost, or the connection is gone.
func (f *frost) wait(gone <-chan struct{}) {
	for thawed := f.thawed.Load(); thawed != nil; thawed = f.thawed.Load() {
		select {
		case <-*thawed:
		case <-gone:
			return
		}
	}
}

// A thaw is the end of a frost that was begun for a time.
type thaw struct {
	deadline // in the scheduler
	end      func()
}

// freezeFor freezes for a time, and does not wait for its end.
func (g *gate) freezeFor(d time.Duration) *thaw {
	t := &thaw{end: g.Freeze()}
	t.owner = t
	g.scheduler.set(&t.deadline, nowMillis()+d.Milliseconds())
	return t
}

func (t *thaw) expire(int64) { t.end() }
