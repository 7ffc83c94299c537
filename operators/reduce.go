package operators

import (
	"context"

	"github.com/rocketflow-io/rocketflow/flow/stage"
)

// Reduce gathers all values into one, and emits it at the end of the input.
//
//	in   --1---2---3--|
//	         add
//	out  -------------6|
//
// Init makes what gathering begins with. What f returned for one value it is given for the next, and
// may change.
//
// What it promises:
//   - Emits: one value at the end of the input; none if there was no value. When records come again
//     after that, another value, of those alone: each record is in one value that is written.
//   - Order: f is called in order.
//   - Holds: the duty of each record, not its value, without a bound. It does not build with a source
//     whose records have a lease.
//   - Settles: each record when the value is, with the same outcome (rule 3).
//   - Drain: emits what was gathered.
//   - Fails: by a panic of f: that record alone, if f has not changed what it was given.
func Reduce[T, A any](init func() A, f func(A, T) A) stage.Operator[T, A] {
	return reducing[T, A]{init, f}
}

type reducing[T, A any] struct {
	init func() A
	f    func(A, T) A
}

var _ stage.Operator[int, string] = reducing[int, string]{}

func (r reducing[T, A]) Describe() stage.Description {
	return stage.Description{Name: "reduce", Holds: true, Settles: "with what all make", Problem: missing(r.init == nil || r.f == nil, "reduce")}
}

func (r reducing[T, A]) Start(_ stage.Runtime, next stage.Emitter[A]) (stage.Processor[T], error) {
	return &reducer[T, A]{reducing: r, next: next}, nil
}

type reducer[T, A any] struct {
	reducing[T, A]
	next     stage.Emitter[A]
	gathered A
	duties   []stage.Duty
}

func (r *reducer[T, A]) Process(_ context.Context, rec stage.Record[T]) error {
	if len(r.duties) == 0 {
		r.gathered = r.init()
	}
	r.gathered = r.f(r.gathered, rec.Value)
	r.duties = append(r.duties, rec.Duty) // rule 3
	return nil
}

func (r *reducer[T, A]) Drain(ctx context.Context) error {
	if len(r.duties) == 0 {
		return nil
	}
	out := stage.Join(r.gathered, r.duties)
	var zero A
	r.gathered, r.duties = zero, nil
	r.next.Emit(ctx, out)
	return nil
}
