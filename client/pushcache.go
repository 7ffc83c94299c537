package client

import (
	"context"
	"slices"
	"sync"
)

// A cache bounds the messages that have arrived, or may by a poll under way, and are not settled. It is
// one for all queues, so that a busy one has all the room that others leave. It holds no messages.
type cache struct {
	mu      sync.Mutex // guards what follows
	room    int        // messages
	bytes   int        // for bodies; less than nothing if they turned out larger than expected
	waiting []*claim   // in order of arrival
}

// A claim is room in a cache.
type claim struct {
	messages, bytes int
	typical         int           // expected size of a message
	granted         chan struct{} // closed when the claim holds what it says
}

func newCache(messages, bytes int) *cache {
	return &cache{room: messages, bytes: bytes}
}

// claim waits until there is room for at least one message, and takes it for at most n, of which each
// is expected to have a typical size.
func (c *cache) claim(ctx context.Context, n, typical int) (*claim, error) {
	w := &claim{messages: n, typical: typical, granted: make(chan struct{})}
	c.mu.Lock()
	c.waiting = append(c.waiting, w)
	c.grantLocked()
	c.mu.Unlock()
	select {
	case <-w.granted:
		return w, nil
	case <-ctx.Done():
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if i := slices.Index(c.waiting, w); i >= 0 {
		c.waiting = slices.Delete(c.waiting, i, i+1)
	} else { // granted in the meantime
		c.room += w.messages
		c.bytes += w.bytes
	}
	c.grantLocked() // what w stood in the way of
	return nil, context.Cause(ctx)
}

// grantLocked gives to those who wait what there is, in turn.
func (c *cache) grantLocked() {
	for len(c.waiting) > 0 && c.room > 0 && c.bytes > 0 {
		w := c.waiting[0]
		c.waiting = slices.Delete(c.waiting, 0, 1)
		w.messages = min(w.messages, c.room)
		if w.typical > 0 {
			w.messages = min(w.messages, max(1, c.bytes/w.typical))
		}
		w.bytes = w.messages * w.typical
		c.room -= w.messages
		c.bytes -= w.bytes
		close(w.granted)
	}
}

// fill turns a claim into what has come of it: so many messages of so many bytes in all.
func (c *cache) fill(w *claim, messages, bytes int) { c.free(w.messages-messages, w.bytes-bytes) }

// free gives room back, and wakes those who wait for it.
func (c *cache) free(messages, bytes int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.room += messages
	c.bytes += bytes
	c.grantLocked()
}

// hasRoom says whether a claim would be granted at once.
func (c *cache) hasRoom() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.room > 0 && c.bytes > 0 && len(c.waiting) == 0
}
