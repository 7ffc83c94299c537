package gostreams

import (
	"context"
	"fmt"
	"runtime/debug"

	"github.com/rocketflow-io/rocketflow/flow/stage"
)

// Lift makes a function of values one of deliveries, for a stock flow: its result has the duty of its
// argument.
//
//	source.Via(flow.NewMap(gostreams.Lift(strings.ToUpper), 1))
func Lift[I, O any](f func(I) O) func(*Delivery[I]) *Delivery[O] {
	return func(d *Delivery[I]) *Delivery[O] { return d.With(f(d.Value)) }
}

// TryLift makes a function that may fail one of deliveries, for flow.NewFlatMap: a failure, or a
// panic, hands the delivery back, and nothing comes of it.
func TryLift[I, O any](f func(I) (O, error)) func(*Delivery[I]) []*Delivery[O] {
	return func(d *Delivery[I]) []*Delivery[O] {
		out, err := protect(f, d.Value)
		if err != nil {
			// The error of Nack says that the value comes again when its lease ends, as it would here.
			_ = d.Nack(context.Background(), err)
			return nil
		}
		return []*Delivery[O]{d.With(out)}
	}
}

func protect[I, O any](f func(I) (O, error), value I) (out O, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("gostreams: lifted function: %w", &stage.PanicError{Value: v, Stack: debug.Stack()})
		}
	}()
	return f(value)
}

// LiftFilter makes a predicate one of deliveries. What is not kept is acknowledged (rule 2); if that
// fails, it comes again.
func LiftFilter[T any](keep func(T) bool) func(*Delivery[T]) bool {
	return func(d *Delivery[T]) bool {
		if keep(d.Value) {
			return true
		}
		_ = d.Ack(context.Background()) // an error says that it comes again, to be dropped again
		return false
	}
}

// LiftFlatMap makes a function to many values one of deliveries: what came in is settled when all
// that came of it is, and acknowledged if nothing did (rule 2).
func LiftFlatMap[I, O any](f func(I) []O) func(*Delivery[I]) []*Delivery[O] {
	return func(d *Delivery[I]) []*Delivery[O] {
		values := f(d.Value)
		if len(values) == 0 {
			_ = d.Ack(context.Background()) // an error says that it comes again
			return nil
		}
		outs := make([]*Delivery[O], len(values))
		for i, fork := range d.Fork(len(values)) {
			outs[i] = fork.With(values[i])
		}
		return outs
	}
}
