package engine

import (
	"context"

	"github.com/rocketflow-io/rocketflow/flow/stage"
)

// broadcast emits each record to all branches. The record settles when each of them has settled
// its part (rule 4).
type broadcast[T any] struct{ branches []stage.Emitter[T] }

func (b *broadcast[T]) Emit(ctx context.Context, r stage.Record[T]) {
	// Rule 2: all duties are taken before the first emission. Taken one by one they could reach
	// zero, and the record be acknowledged, before the last branch has it.
	r.Retain(len(b.branches) - 1)
	for _, branch := range b.branches {
		branch.Emit(ctx, r)
	}
}

// EmitAll keeps the order of a branch, not that between branches.
func (b *broadcast[T]) EmitAll(ctx context.Context, rs []stage.Record[T]) {
	for _, r := range rs {
		r.Retain(len(b.branches) - 1)
	}
	for _, branch := range b.branches {
		branch.EmitAll(ctx, rs)
	}
}

// maxPending bounds, in records, what a confluence keeps.
const maxPending = 256

// confluence is one of several inputs that flow into one segment. Records wait for the end of
// the stretch of work that brought them, so that the lock below is taken once for all of them.
type confluence[T any] struct {
	down    *Segment
	next    stage.Emitter[T]
	pending []stage.Record[T]
}

func (c *confluence[T]) Emit(ctx context.Context, r stage.Record[T]) {
	c.pending = append(c.pending, r)
	if len(c.pending) >= maxPending {
		c.flush(ctx)
	}
}

// EmitAll is Emit for each.
func (c *confluence[T]) EmitAll(ctx context.Context, rs []stage.Record[T]) {
	c.pending = append(c.pending, rs...)
	if len(c.pending) >= maxPending {
		c.flush(ctx)
	}
}

// flush is called with the upper segment's lock held.
func (c *confluence[T]) flush(context.Context) {
	if len(c.pending) == 0 {
		return
	}
	c.down.root().do(func(ctx context.Context) { c.next.EmitAll(ctx, c.pending) })
	clear(c.pending)
	c.pending = c.pending[:0]
}
