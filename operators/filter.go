package operators

import (
	"context"

	"github.com/rocketflow-io/rocketflow/flow/stage"
)

// Filter lets through the values that keep is true for.
//
//	in   --a---b---c--|
//	out  --a-------c--|
//
// What it promises:
//   - Emits: each value at most once.
//   - Order: kept.
//   - Holds: nothing.
//   - Settles: a dropped value done (rule 2).
//   - Drain: has nothing to emit.
//   - Fails: by a panic of keep alone.
func Filter[T any](keep func(T) bool) stage.Operator[T, T] { return filtering[T]{keep} }

// TryFilter lets through the values that keep is true for, by a function that may fail.
//
//	in   --a---b---c--|
//	out  --a---x------|
//
// What it promises:
//   - Emits: each value at most once.
//   - Order: kept, but a record that waits for a retry is overtaken, unless it has a key (rule 8).
//   - Holds: nothing.
//   - Settles: a dropped value done (rule 2).
//   - Drain: has nothing to emit.
//   - Fails: when keep does; the record then goes by the stage's policy.
func TryFilter[T any](keep func(context.Context, T) (bool, error)) stage.Operator[T, T] {
	return tryFiltering[T]{keep}
}

// settlesOrDropped is how values settle of which some are dropped.
const settlesOrDropped = "with the value, or as done if that is dropped"

type filtering[T any] struct{ keep func(T) bool }

var _ stage.Operator[int, int] = filtering[int]{}

func (f filtering[T]) Describe() stage.Description {
	return stage.Description{Name: "filter", Settles: settlesOrDropped, Problem: missing(f.keep == nil, "filter")}
}

func (f filtering[T]) Start(_ stage.Runtime, next stage.Emitter[T]) (stage.Processor[T], error) {
	return &filter[T]{keep: f.keep, next: next}, nil
}

type filter[T any] struct {
	stateless
	keep func(T) bool
	next stage.Emitter[T]
}

func (f *filter[T]) Process(ctx context.Context, r stage.Record[T]) error {
	if f.keep(r.Value) {
		f.next.Emit(ctx, r)
	} else {
		r.Done()
	}
	return nil
}

func (f *filter[T]) ProcessChunk(_ context.Context, c *stage.Chunk[T, T]) error {
	for i := c.At; i < len(c.In); i++ {
		c.At = i
		if r := &c.In[i]; f.keep(r.Value) {
			c.Out = append(c.Out, *r)
		} else {
			c.Dropped = append(c.Dropped, r.Duty)
		}
	}
	return nil
}

type tryFiltering[T any] struct {
	keep func(context.Context, T) (bool, error)
}

var _ stage.Operator[int, int] = tryFiltering[int]{}

func (f tryFiltering[T]) Describe() stage.Description {
	return stage.Description{Name: "filter", Fallible: true, Settles: settlesOrDropped, Problem: missing(f.keep == nil, "filter")}
}

func (f tryFiltering[T]) Start(_ stage.Runtime, next stage.Emitter[T]) (stage.Processor[T], error) {
	return &tryFilter[T]{keep: f.keep, next: next}, nil
}

type tryFilter[T any] struct {
	stateless
	keep func(context.Context, T) (bool, error)
	next stage.Emitter[T]
}

func (f *tryFilter[T]) Process(ctx context.Context, r stage.Record[T]) error {
	ok, err := f.keep(ctx, r.Value)
	switch {
	case err != nil:
		return err
	case ok:
		f.next.Emit(ctx, r)
	default:
		r.Done()
	}
	return nil
}

func (f *tryFilter[T]) ProcessChunk(ctx context.Context, c *stage.Chunk[T, T]) error {
	for i := c.At; i < len(c.In); i++ {
		c.At = i
		r := c.In[i]
		ok, err := f.keep(ctx, r.Value)
		switch {
		case err != nil:
			return err
		case ok:
			c.Out = append(c.Out, r)
		default:
			c.Dropped = append(c.Dropped, r.Duty)
		}
	}
	return nil
}
