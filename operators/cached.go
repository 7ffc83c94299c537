package operators

import (
	"container/list"
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/rocketflow-io/rocketflow/flow/stage"
)

// Cached remembers what a function gives for a key, for a time, so that it is called for a key once: to
// look values up in another system while they pass. What it gives is called by a function of ParMap,
// TryMap and the like, and goes around others:
//
//	carrier := operators.Cached(10_000, time.Hour, operators.Timeout(time.Second, loadCarrier))
//	s.ParMap(8, func(ctx context.Context, f Flight) (Named, error) {
//		c, err := carrier(ctx, f.Carrier)
//		return Named{f, c.Name}, err
//	})
//
//	key    --a--b--a--------a----|
//	load   --A--B-----------A'---|
//	         |---- ttl ----|
//	out    --A--B--A--------A'---|
//
// What it promises of the function it gives:
//   - Returns: what load does, or gave for the key less than ttl ago. A failure is not remembered. That
//     there is nothing for a key is worth remembering: give it as a value.
//   - Context: load has that of the call which began it. If that ends, another call that waits loads anew.
//   - Goroutines: none. Of calls for one key at the same time one loads, and the others wait for it.
//   - Counts: "cache_hits", "cache_misses", for Snapshot; who waits for another's load has a hit.
//
// At most size keys are remembered, those that were asked for last. The function may be used by several
// stages, and what it remembers outlives a run. It always fails, with an error marked stage.Permanent, if
// size or ttl is not above 0 or load is nil.
func Cached[K comparable, V any](size int, ttl time.Duration, load func(context.Context, K) (V, error)) func(context.Context, K) (V, error) {
	if load == nil || size < 1 || ttl <= 0 {
		err := stage.Permanent(fmt.Errorf("operators: cached: %d keys for %v: both must be above 0, and there must be a function that loads", size, ttl))
		return func(context.Context, K) (none V, _ error) { return none, err }
	}
	c := &cache[K, V]{size: size, ttl: ttl, load: load, entries: make(map[K]*list.Element)}
	return c.get
}

type cache[K comparable, V any] struct {
	size int
	ttl  time.Duration
	load func(context.Context, K) (V, error)

	mu      sync.Mutex // guards what follows, and what the entries say
	entries map[K]*list.Element
	recent  list.List // of *cached[K, V], the one that was asked for last first
}

// cached is what is known of a key.
type cached[K comparable, V any] struct {
	key     K
	value   V
	until   time.Time     // zero while nothing is known
	loading chan struct{} // closed when a load has ended; nil if none is under way
}

func (c *cache[K, V]) get(ctx context.Context, key K) (V, error) {
	for {
		value, wait, mine := c.look(key)
		switch {
		case mine != nil:
			stage.Count(ctx, "cache_misses", 1)
			return c.fill(ctx, mine)
		case wait == nil:
			stage.Count(ctx, "cache_hits", 1)
			return value, nil
		}
		select {
		case <-wait:
		case <-ctx.Done():
			return value, ctx.Err()
		}
	}
}

// look gives the value of a key, if it is known; or what to wait for, if another loads it; or what is
// for the caller to fill.
func (c *cache[K, V]) look(key K) (value V, wait <-chan struct{}, mine *list.Element) {
	c.mu.Lock()
	defer c.mu.Unlock()
	at, ok := c.entries[key]
	if !ok {
		at = c.recent.PushFront(&cached[K, V]{key: key})
		c.entries[key] = at
		if c.recent.Len() > c.size {
			c.forgetLocked(c.recent.Back())
		}
	}
	c.recent.MoveToFront(at)
	e := at.Value.(*cached[K, V])
	switch {
	case e.loading != nil:
		return value, e.loading, nil
	case time.Now().Before(e.until):
		return e.value, nil, nil
	}
	e.loading = make(chan struct{})
	return value, nil, at
}

// forgetLocked drops a key. A load of it that is under way is still waited for by who does so.
func (c *cache[K, V]) forgetLocked(at *list.Element) {
	e := at.Value.(*cached[K, V])
	if c.entries[e.key] == at {
		delete(c.entries, e.key)
		c.recent.Remove(at)
	}
}

// fill loads, and lets go who waits, also when load panics.
func (c *cache[K, V]) fill(ctx context.Context, at *list.Element) (value V, err error) {
	e := at.Value.(*cached[K, V])
	loaded := false
	defer func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if loaded {
			e.value, e.until = value, time.Now().Add(c.ttl)
		} else {
			c.forgetLocked(at)
		}
		close(e.loading)
		e.loading = nil
	}()
	value, err = c.load(ctx, e.key)
	loaded = err == nil
	return value, err
}
