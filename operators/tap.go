package operators

import (
	"context"

	"github.com/rocketflow-io/rocketflow/flow/stage"
)

// Tap shows each value to a function, and passes it on: for logs, counters, a look at what flows.
//
//	in   --a---b---c--|
//	out  --a---b---c--|
//
// What it promises:
//   - Emits: each value that look has returned from.
//   - Order: kept.
//   - Holds: nothing.
//   - Settles: nothing; the duty goes on (rule 2).
//   - Drain: has nothing to emit.
//   - Fails: by a panic of look alone. Look sees a value again that comes again.
func Tap[T any](look func(T)) stage.Operator[T, T] { return tapping[T]{look} }

// TryTap shows each value to a function that may fail, and passes it on: for effects beside the
// pipeline's own.
//
//	in   --a---b---c--|
//	out  --a---x---c--|
//
// What it promises:
//   - Emits: each value that look has returned nil for.
//   - Order: kept, but a record that waits for a retry is overtaken, unless it has a key (rule 8).
//   - Holds: nothing.
//   - Settles: nothing; the duty goes on (rule 2).
//   - Drain: has nothing to emit.
//   - Fails: when look does; the record then goes by the stage's policy.
func TryTap[T any](look func(context.Context, T) error) stage.Operator[T, T] {
	return tryTapping[T]{look}
}

type tapping[T any] struct{ look func(T) }

var _ stage.Operator[int, int] = tapping[int]{}

func (t tapping[T]) Describe() stage.Description {
	return stage.Description{Name: "tap", Problem: missing(t.look == nil, "tap")}
}

func (t tapping[T]) Start(_ stage.Runtime, next stage.Emitter[T]) (stage.Processor[T], error) {
	return &mapper[T, T]{next: next, f: func(v T) T {
		t.look(v)
		return v
	}}, nil
}

type tryTapping[T any] struct {
	look func(context.Context, T) error
}

var _ stage.Operator[int, int] = tryTapping[int]{}

func (t tryTapping[T]) Describe() stage.Description {
	return stage.Description{Name: "tap", Fallible: true, Problem: missing(t.look == nil, "tap")}
}

func (t tryTapping[T]) Start(_ stage.Runtime, next stage.Emitter[T]) (stage.Processor[T], error) {
	return &tryMapper[T, T]{next: next, f: func(ctx context.Context, v T) (T, error) {
		return v, t.look(ctx, v)
	}}, nil
}
