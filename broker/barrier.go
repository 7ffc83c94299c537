package broker

import (
	"context"
	"sync"
)

// A barrier lets the calls of proxies into a broker, until it is closed for good.
type barrier struct {
	open    context.Context // ends when the barrier begins to close: calls that wait are to end then
	end     context.CancelFunc
	passing sync.RWMutex // read-held by each call inside; held once the barrier is closed
}

func newBarrier() *barrier {
	ctx, cancel := context.WithCancel(context.Background())
	return &barrier{open: ctx, end: cancel}
}

// enter lets a call in, which must leave. It gives false if the barrier is closed, or begins to.
func (b *barrier) enter() bool { return b.passing.TryRLock() }

func (b *barrier) leave() { b.passing.RUnlock() }

// close returns when nobody is inside. It is called once.
func (b *barrier) close() {
	b.end()
	b.passing.Lock()
}
