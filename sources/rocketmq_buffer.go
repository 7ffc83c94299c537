package sources

import (
	"context"
	"sync"

	"github.com/rocketflow-io/rocketflow/client"
	"github.com/rocketflow-io/rocketflow/flow/stage"
)

// buffer is what polls have brought and the pipeline has not taken, with the room that polls under
// way may need.
type buffer struct {
	maxRecords int
	maxBytes   int

	mu       sync.Mutex // guards what follows
	changed  *sync.Cond // any of it
	waiting  []*client.Delivery
	bytes    int   // of the bodies that wait
	reserved int   // messages that polls under way may bring
	busy     bool  // the last poll that ended brought messages
	err      error // for good
}

func newBuffer(maxRecords, maxBytes int) *buffer {
	b := &buffer{maxRecords: maxRecords, maxBytes: maxBytes}
	b.changed = sync.NewCond(&b.mu)
	return b
}

// wait waits until ready, which is called under the lock; false if ctx ends first.
func (b *buffer) wait(ctx context.Context, ready func() bool) bool {
	stop := context.AfterFunc(ctx, func() {
		b.mu.Lock() // so that the signal does not fall between a check and its wait
		defer b.mu.Unlock()
		b.changed.Broadcast()
	})
	defer stop()
	for !ready() {
		if ctx.Err() != nil {
			return false
		}
		b.changed.Wait()
	}
	return ctx.Err() == nil
}

// reserve waits for room for a poll of up to n messages, and takes it. Only the first poller polls
// while there are no messages. It gives 0 when ctx ends.
func (b *buffer) reserve(ctx context.Context, n int, first bool) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	n = min(n, b.maxRecords)
	if !b.wait(ctx, func() bool {
		return (first || b.busy) && len(b.waiting)+b.reserved+n <= b.maxRecords && b.bytes < b.maxBytes
	}) {
		return 0
	}
	b.reserved += n
	return n
}

// put takes what a poll has brought, for which n messages were reserved.
func (b *buffer) put(n int, got []*client.Delivery) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.reserved -= n
	b.busy = len(got) > 0
	b.waiting = append(b.waiting, got...)
	for _, d := range got {
		b.bytes += len(d.Body)
	}
	b.changed.Broadcast()
}

// fail lets take end with err once nothing waits. The first error stands.
func (b *buffer) fail(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err == nil {
		b.err = err
	}
	b.changed.Broadcast()
}

// take waits for messages and gives up to n.
func (b *buffer) take(ctx context.Context, n int) ([]*client.Delivery, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.wait(ctx, func() bool { return len(b.waiting) > 0 || b.err != nil }) {
		return nil, ctx.Err()
	}
	if len(b.waiting) == 0 {
		return nil, b.err
	}
	n = min(n, len(b.waiting))
	got := b.waiting[:n:n]
	b.waiting = b.waiting[n:]
	for _, d := range got {
		b.bytes -= len(d.Body)
	}
	b.changed.Broadcast()
	return got, nil
}

// rest empties the buffer.
func (b *buffer) rest() []*client.Delivery {
	b.mu.Lock()
	defer b.mu.Unlock()
	got := b.waiting
	b.waiting, b.bytes = nil, 0
	return got
}

// stock tells what waits.
func (b *buffer) stock() stage.Stock {
	b.mu.Lock()
	defer b.mu.Unlock()
	return stage.Stock{Records: len(b.waiting), MaxRecords: b.maxRecords, Bytes: b.bytes, MaxBytes: b.maxBytes}
}
