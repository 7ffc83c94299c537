package operators

import (
	"context"
	"fmt"

	"github.com/rocketflow-io/rocketflow/flow/stage"
)

// Skip drops the first n values of a run.
//
//	in   --a---b---c---d--|
//	         n=2
//	out  ----------c---d--|
//
// What it promises:
//   - Emits: each value but the first n; a value that comes again counts like any other.
//   - Order: kept.
//   - Holds: nothing.
//   - Settles: a dropped value done (rule 2).
//   - Drain: has nothing to emit.
//   - Fails: to build, if n < 0.
func Skip[T any](n int) stage.Operator[T, T] { return skipping[T]{n} }

type skipping[T any] struct{ n int }

var _ stage.Operator[int, int] = skipping[int]{}

func (s skipping[T]) Describe() stage.Description {
	d := stage.Description{Name: "skip", Settles: settlesOrDropped}
	if s.n < 0 {
		d.Problem = fmt.Errorf("operators: skip: %d values: the number may not be negative", s.n)
	}
	return d
}

func (s skipping[T]) Start(_ stage.Runtime, next stage.Emitter[T]) (stage.Processor[T], error) {
	return &skipper[T]{left: s.n, next: next}, nil
}

type skipper[T any] struct {
	stateless
	left int
	next stage.Emitter[T]
}

func (s *skipper[T]) Process(ctx context.Context, r stage.Record[T]) error {
	if s.left > 0 {
		s.left--
		r.Done()
		return nil
	}
	s.next.Emit(ctx, r)
	return nil
}

func (s *skipper[T]) ProcessChunk(_ context.Context, c *stage.Chunk[T, T]) error {
	in := c.In[c.At:]
	n := min(s.left, len(in))
	s.left -= n
	for _, r := range in[:n] {
		c.Dropped = append(c.Dropped, r.Duty)
	}
	c.Out = append(c.Out, in[n:]...)
	return nil
}
