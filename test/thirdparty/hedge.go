package thirdparty

import (
	"context"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/rocketflow-io/rocketflow/flow/stage"
)

// Hedge calls f for each value, on up to n goroutines of records, and once more for a value whose
// call has not returned after patience. What returns first without error counts.
//
//	in   --a--------b------|
//	       f(a) is slow, f'(a) is not
//	out  ---------A---B----|
//
// What it promises:
//   - Emits: one value for each that did not fail.
//   - Order: not kept, but for records of one key of a keyed source (rule 8).
//   - Holds: n records, while f works on them.
//   - Settles: moves the duty to the result (rule 2).
//   - Drain: waits for f to return.
//   - Fails: when both calls do, or the only one before patience is over; with the first error. Fails to
//     build if n < 1 or patience <= 0.
func Hedge[I, O any](n int, patience time.Duration, f func(context.Context, I) (O, error)) stage.Operator[I, O] {
	return hedging[I, O]{n, patience, f}
}

type hedging[I, O any] struct {
	n        int
	patience time.Duration
	f        func(context.Context, I) (O, error)
}

var _ stage.Operator[int, string] = hedging[int, string]{}

// Describe says that it works on goroutines of its own.
func (h hedging[I, O]) Describe() stage.Description {
	d := stage.Description{Name: "hedge", Fallible: true, Async: true, Unordered: true, Parallel: h.n}
	if h.n < 1 || h.patience <= 0 || h.f == nil {
		d.Problem = fmt.Errorf("thirdparty: hedge: %d at once, patience of %v: both must be positive, and the function not nil", h.n, h.patience)
	}
	return d
}

// Start makes a running operator.
func (h hedging[I, O]) Start(rt stage.Runtime, next stage.Emitter[O]) (stage.Processor[I], error) {
	return &hedger[I, O]{hedging: h, rt: rt, next: next, slots: make(chan struct{}, h.n)}, nil
}

// hedger has a slot taken for each record that it works on.
type hedger[I, O any] struct {
	hedging[I, O]
	rt    stage.Runtime
	next  stage.Emitter[O]
	slots chan struct{}
}

var _ stage.Processor[int] = (*hedger[int, string])(nil)

// Process waits for a slot, and begins the work.
func (h *hedger[I, O]) Process(ctx context.Context, r stage.Record[I]) error {
	select {
	case h.slots <- struct{}{}:
	case <-ctx.Done():
		return stage.ErrHandedBack
	}
	h.rt.Go(func(ctx context.Context) {
		out, err := h.race(ctx, r.Value)
		h.rt.Do(func(ctx context.Context) {
			if err == nil {
				h.next.Emit(ctx, r.With(out))
			}
			<-h.slots
			stage.Complete(ctx, h.rt, r, err)
		})
	})
	return nil
}

// answer is what a call gave.
type answer[O any] struct {
	out O
	err error
}

// race gives the first good answer. It waits for both calls to return, so that none outlives the
// run; the loser's context ends.
func (h *hedger[I, O]) race(ctx context.Context, value I) (O, error) {
	ctx, cancel := context.WithCancel(ctx)
	answers := make(chan answer[O], 2)
	running := 1
	call := func() { answers <- h.call(ctx, value) }
	go call()
	late := time.NewTimer(h.patience)
	defer late.Stop()
	var best answer[O]
	for first := true; running > 0; {
		select {
		case a := <-answers:
			running--
			if first || best.err != nil && a.err == nil {
				best, first = a, false
			}
			late.Stop()
			if a.err == nil {
				cancel()
			}
		case <-late.C:
			h.rt.Count("hedged", 1)
			running++
			go call()
		}
	}
	cancel()
	return best.out, best.err
}

func (h *hedger[I, O]) call(ctx context.Context, value I) (a answer[O]) {
	defer func() {
		if v := recover(); v != nil {
			a.err = &stage.PanicError{Value: v, Stack: debug.Stack()}
		}
	}()
	a.out, a.err = h.f(ctx, value)
	return a
}

// Drain waits for each record to be complete: it takes all slots, and gives them back.
func (h *hedger[I, O]) Drain(context.Context) error {
	for range h.n {
		h.slots <- struct{}{}
	}
	for range h.n {
		<-h.slots
	}
	return nil
}
