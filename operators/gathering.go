package operators

import (
	"context"
	"sync"
)

// gathering is a queue whose one taker takes all that has come since it last did.
type gathering[X any] struct {
	wake chan struct{} // something came

	mu     sync.Mutex // guards what follows
	items  []X
	closed bool
}

func newGathering[X any]() *gathering[X] { return &gathering[X]{wake: make(chan struct{}, 1)} }

// put adds an item; false if there is no taker any more.
func (g *gathering[X]) put(x X) bool {
	g.mu.Lock()
	closed := g.closed
	if !closed {
		g.items = append(g.items, x)
	}
	g.mu.Unlock()
	if closed {
		return false
	}
	select {
	case g.wake <- struct{}{}:
	default: // it is to wake up already
	}
	return true
}

// take waits for items and gives those that are there. When ctx ends it reports false, gives what is
// left, and is not to be called again.
func (g *gathering[X]) take(ctx context.Context) (items []X, ok bool) {
	select {
	case <-g.wake:
	case <-ctx.Done():
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	items, g.items = g.items, nil
	g.closed = ctx.Err() != nil
	return items, !g.closed
}
