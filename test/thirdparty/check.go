package thirdparty

import (
	"context"
	"errors"

	"github.com/rocketflow-io/rocketflow/flow/stage"
)

// Check lets through the values that valid finds nothing wrong with. Others fail with its error, and
// go by the policy of the stage.
//
//	in   --a---b---c--|
//	out  --a---x---c--|
//
// What it promises:
//   - Emits: each value at most once.
//   - Order: kept, but a record that waits for a retry is overtaken, unless it has a key (rule 8).
//   - Holds: nothing.
//   - Settles: moves the duty on (rule 2).
//   - Drain: has nothing to emit.
//   - Fails: when valid does.
func Check[T any](valid func(T) error) stage.Operator[T, T] { return checking[T]{valid} }

type checking[T any] struct{ valid func(T) error }

var _ stage.Operator[int, int] = checking[int]{}

// Describe says that it can fail.
func (c checking[T]) Describe() stage.Description {
	d := stage.Description{Name: "check", Fallible: true}
	if c.valid == nil {
		d.Problem = errors.New("thirdparty: check: function is nil: give it one")
	}
	return d
}

// Start makes a running operator.
func (c checking[T]) Start(_ stage.Runtime, next stage.Emitter[T]) (stage.Processor[T], error) {
	return &checker[T]{c.valid, next}, nil
}

type checker[T any] struct {
	valid func(T) error
	next  stage.Emitter[T]
}

var (
	_ stage.Processor[int]    = (*checker[int])(nil)
	_ stage.Chunker[int, int] = (*checker[int])(nil)
)

// Process passes a record on, or fails it.
func (c *checker[T]) Process(ctx context.Context, r stage.Record[T]) error {
	if err := c.valid(r.Value); err != nil {
		return err
	}
	c.next.Emit(ctx, r)
	return nil
}

// ProcessChunk does so for many.
func (c *checker[T]) ProcessChunk(_ context.Context, chunk *stage.Chunk[T, T]) error {
	for ; chunk.At < len(chunk.In); chunk.At++ {
		r := chunk.In[chunk.At]
		if err := c.valid(r.Value); err != nil {
			return err
		}
		chunk.Out = append(chunk.Out, r)
	}
	return nil
}

// Drain has nothing to emit.
func (c *checker[T]) Drain(context.Context) error { return nil }
