package operators

import (
	"context"
	"fmt"
	"runtime/debug"

	"github.com/rocketflow-io/rocketflow/flow/stage"
)

// ParMap turns each value into another on n goroutines, and emits the results in the order of
// the values.
//
//	in   --a-b-c-----------|
//	         f(a) is slow
//	out  ------------A-B-C-|
//
// What it promises:
//   - Emits: one value for each that did not fail.
//   - Order: kept, but a record that waits for a retry is overtaken, unless it has a key (rule 8).
//   - Holds: at most 4n records, while f works on them or on earlier ones; up to 64n where f takes less
//     than a tenth of a millisecond.
//   - Settles: moves the duty to the result (rule 2).
//   - Drain: waits for f to return.
//   - Fails: when f does, by itself; others go on (rule 9). Fails to build if n < 1.
func ParMap[I, O any](n int, f func(context.Context, I) (O, error)) stage.Operator[I, O] {
	return parMapping[I, O]{n: n, f: f, ordered: true}
}

// ParMapUnordered turns each value into another on n goroutines, and emits each result as soon
// as it is there.
//
//	in   --a-b-c-----------|
//	         f(a) is slow
//	out  -----B-C----A-----|
//
// What it promises:
//   - Emits: one value for each that did not fail.
//   - Order: not kept, but for records of one key of a keyed source (rule 8).
//   - Holds: at most 4n records, while f works on them or they wait for their turn.
//   - Settles: moves the duty to the result (rule 2).
//   - Drain: waits for f to return.
//   - Fails: when f does, by itself; others go on (rule 9). Fails to build if n < 1.
func ParMapUnordered[I, O any](n int, f func(context.Context, I) (O, error)) stage.Operator[I, O] {
	return parMapping[I, O]{n: n, f: f}
}

type parMapping[I, O any] struct {
	n       int
	f       func(context.Context, I) (O, error)
	ordered bool
}

var _ stage.Operator[int, string] = parMapping[int, string]{}

func (m parMapping[I, O]) Describe() stage.Description {
	problem := missing(m.f == nil, "parallel map")
	if m.n < 1 {
		problem = fmt.Errorf("operators: parallel map: %d goroutines: at least 1 is needed", m.n)
	}
	return stage.Description{
		Name: "parallel map", Fallible: true, Async: true, Parallel: m.n,
		Unordered: !m.ordered, Problem: problem,
	}
}

func (m parMapping[I, O]) Start(rt stage.Runtime, next stage.Emitter[O]) (stage.Processor[I], error) {
	work := worker[I, O]{f: m.f, disturb: stage.Disturbance(rt)}
	if m.ordered {
		return startOrdered(m.n, rt, next, work), nil
	}
	return startUnordered(m.n, rt, next, work), nil
}

// windowFactor is how many records a goroutine may be ahead of the slowest: enough that one slow
// value does not idle the others at once.
const windowFactor = 4

// roomGauge is how many records a parallel map has room for now; Snapshot shows how many wait in it.
const roomGauge = "room"

// worker calls the function.
type worker[I, O any] struct {
	f       func(context.Context, I) (O, error)
	disturb func(context.Context, any, stage.Info) error // nil but in tests
}

// call works on a record. When the context has ended, the record is handed back.
func (w worker[I, O]) call(ctx context.Context, r stage.Record[I]) (out O, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &stage.PanicError{Value: v, Stack: debug.Stack()}
		}
	}()
	if ctx.Err() != nil {
		return out, stage.ErrHandedBack
	}
	if w.disturb != nil {
		if err := w.disturb(ctx, r.Value, r.Info()); err != nil {
			return out, err
		}
	}
	return w.f(ctx, r.Value)
}
