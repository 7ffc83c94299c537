package operators

import (
	"context"

	"github.com/rocketflow-io/rocketflow/flow/stage"
)

// Scan gathers values into one, and emits for each value what was gathered up to it.
//
//	in   --1---2---3--|
//	         add
//	out  --1---3---6--|
//
// Init makes what a run begins with. What f returned for one value it is given for the next; it gives
// a new one and does not change the old one, which is still on its way.
//
// What it promises:
//   - Emits: one value for each.
//   - Order: kept.
//   - Holds: nothing but what was gathered, in memory. A record that comes again is gathered again.
//   - Settles: moves the duty to the result (rule 2).
//   - Drain: has nothing to emit.
//   - Fails: by a panic of f alone, which leaves what was gathered as it was.
func Scan[T, A any](init func() A, f func(A, T) A) stage.Operator[T, A] {
	return scanning[T, A]{init, f}
}

type scanning[T, A any] struct {
	init func() A
	f    func(A, T) A
}

var _ stage.Operator[int, string] = scanning[int, string]{}

func (s scanning[T, A]) Describe() stage.Description {
	return stage.Description{Name: "scan", Problem: missing(s.init == nil || s.f == nil, "scan")}
}

func (s scanning[T, A]) Start(_ stage.Runtime, next stage.Emitter[A]) (stage.Processor[T], error) {
	return &scanner[T, A]{f: s.f, gathered: s.init(), next: next}, nil
}

type scanner[T, A any] struct {
	stateless
	f        func(A, T) A
	gathered A
	next     stage.Emitter[A]
}

func (s *scanner[T, A]) Process(ctx context.Context, r stage.Record[T]) error {
	s.gathered = s.f(s.gathered, r.Value)
	s.next.Emit(ctx, r.With(s.gathered))
	return nil
}

func (s *scanner[T, A]) ProcessChunk(_ context.Context, c *stage.Chunk[T, A]) error {
	for i := c.At; i < len(c.In); i++ {
		c.At = i
		r := &c.In[i]
		s.gathered = s.f(s.gathered, r.Value)
		c.Out = append(c.Out, stage.Record[A]{Value: s.gathered, Duty: r.Duty})
	}
	return nil
}
