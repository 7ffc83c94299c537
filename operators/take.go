package operators

import (
	"context"
	"fmt"

	"github.com/rocketflow-io/rocketflow/flow/stage"
)

// Take lets the first n values through, and then ends the run.
//
//	in   --a---b---c---d--|
//	         n=2
//	out  --a---b|
//
// What it promises:
//   - Emits: at most n values in a run; one that fails further down counts.
//   - Order: kept.
//   - Holds: nothing.
//   - Settles: hands back what comes after the nth value, for another run (rule 1). To drop values
//     instead, which settles them done, use [Filter].
//   - Drain: has nothing to emit.
//   - Ends: the run, as the end of its context does, when the nth value has been emitted; all sources
//     and branches of it end.
//   - Fails: to build, if n < 1.
func Take[T any](n int) stage.Operator[T, T] { return taking[T]{n} }

// TakeWhile lets values through until keep is false for one, and then ends the run.
//
//	in   --a---b---c---d--|
//	         keep(c) is false
//	out  --a---b---|
//
// What it promises:
//   - Emits: the values before the first that keep is false for.
//   - Order: kept.
//   - Holds: nothing.
//   - Settles: hands back that one and what comes after it, for another run (rule 1).
//   - Drain: has nothing to emit.
//   - Ends: the run, as the end of its context does; all sources and branches of it end.
//   - Fails: by a panic of keep alone.
func TakeWhile[T any](keep func(T) bool) stage.Operator[T, T] { return takingWhile[T]{keep} }

// settlesOrBack is how values settle of which no more are let through at some time.
const settlesOrBack = "with the value, or goes back once there have been enough"

type taking[T any] struct{ n int }

var _ stage.Operator[int, int] = taking[int]{}

func (t taking[T]) Describe() stage.Description {
	d := stage.Description{Name: "take", Ends: true, Settles: settlesOrBack}
	if t.n < 1 {
		d.Problem = fmt.Errorf("operators: take: %d values: at least 1 is needed", t.n)
	}
	return d
}

func (t taking[T]) Start(rt stage.Runtime, next stage.Emitter[T]) (stage.Processor[T], error) {
	return &taker[T]{left: t.n, rt: rt, next: next}, nil
}

type taker[T any] struct {
	stateless
	left int
	rt   stage.Runtime
	next stage.Emitter[T]
}

func (t *taker[T]) Process(ctx context.Context, r stage.Record[T]) error {
	if t.left == 0 {
		return stage.ErrHandedBack
	}
	t.left--
	t.next.Emit(ctx, r)
	if t.left == 0 {
		t.rt.End()
	}
	return nil
}

type takingWhile[T any] struct{ keep func(T) bool }

var _ stage.Operator[int, int] = takingWhile[int]{}

func (t takingWhile[T]) Describe() stage.Description {
	return stage.Description{Name: "take while", Ends: true, Settles: settlesOrBack, Problem: missing(t.keep == nil, "take while")}
}

func (t takingWhile[T]) Start(rt stage.Runtime, next stage.Emitter[T]) (stage.Processor[T], error) {
	return &whileTaker[T]{keep: t.keep, rt: rt, next: next}, nil
}

type whileTaker[T any] struct {
	stateless
	keep func(T) bool
	over bool
	rt   stage.Runtime
	next stage.Emitter[T]
}

func (t *whileTaker[T]) Process(ctx context.Context, r stage.Record[T]) error {
	if !t.over && !t.keep(r.Value) {
		t.over = true
		t.rt.End()
	}
	if t.over {
		return stage.ErrHandedBack
	}
	t.next.Emit(ctx, r)
	return nil
}
