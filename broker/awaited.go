package broker

import (
	"maps"
	"slices"
	"sync"
	"sync/atomic"
)

// awaited is the groups in which somebody waits for messages of a topic, so that who stores one need
// not ask all others, who may be a thousand.
type awaited struct {
	some atomic.Int64 // how many there are

	mu   sync.Mutex // guards what follows, and the changing of some; a leaf
	subs map[*subscription]struct{}
}

// add and remove are called with the lock of the subscription.
func (a *awaited) add(s *subscription) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.subs == nil {
		a.subs = make(map[*subscription]struct{})
	}
	a.subs[s] = struct{}{}
	a.some.Store(int64(len(a.subs)))
}

func (a *awaited) remove(s *subscription) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.subs, s)
	a.some.Store(int64(len(a.subs)))
}

// all gives the groups, in no order.
func (a *awaited) all() []*subscription {
	if a.some.Load() == 0 {
		return nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Collect(maps.Keys(a.subs))
}
