package thirdparty

import (
	"context"
	"fmt"
	"time"

	"github.com/rocketflow-io/rocketflow/flow/stage"
)

// Debounce gives the last of values that come in quick succession: when none has come for quiet, or
// atMost has passed since the first of them.
//
//	in   --a-b-c-----------d------------|
//	           |-- quiet --|-- quiet --|
//	out  ------------------c-----------d|
//
// What it promises:
//   - Emits: the last value of each burst.
//   - Order: kept.
//   - Holds: every record of a burst, for at most atMost, which must fit the lease.
//   - Settles: the records of a burst together, when what was emitted is (rule 3).
//   - Drain: emits what it holds.
//   - Fails: to build, unless 0 < quiet <= atMost.
func Debounce[T any](quiet, atMost time.Duration) stage.Operator[T, T] {
	return debouncing[T]{quiet, atMost}
}

type debouncing[T any] struct{ quiet, atMost time.Duration }

var _ stage.Operator[int, int] = debouncing[int]{}

// Describe says for how long records are held.
func (d debouncing[T]) Describe() stage.Description {
	desc := stage.Description{Name: "debounce", Holds: true, HoldsFor: d.atMost}
	if d.quiet <= 0 || d.quiet > d.atMost {
		desc.Problem = fmt.Errorf("thirdparty: debounce: quiet for %v, at most %v: the first must be positive, and no longer than the second", d.quiet, d.atMost)
	}
	return desc
}

// Start makes a running operator.
func (d debouncing[T]) Start(rt stage.Runtime, next stage.Emitter[T]) (stage.Processor[T], error) {
	return &debouncer[T]{debouncing: d, rt: rt, next: next}, nil
}

// debouncer holds a burst. The engine calls it by one goroutine at a time, timers included.
type debouncer[T any] struct {
	debouncing[T]
	rt   stage.Runtime
	next stage.Emitter[T]

	last   T
	duties []stage.Duty // of the burst; empty between bursts
	end    time.Time    // when atMost has passed
	burst  int          // tells a late timer that its burst has gone
	stop   func() bool
}

var _ stage.Processor[int] = (*debouncer[int])(nil)

// Process takes a record into the burst.
func (d *debouncer[T]) Process(_ context.Context, r stage.Record[T]) error {
	now := d.rt.Now()
	if len(d.duties) == 0 {
		d.end = now.Add(d.atMost)
	} else {
		d.rt.Count("superseded", 1)
	}
	d.last = r.Value
	d.duties = append(d.duties, r.Duty) // rule 3
	d.arm(min(d.quiet, d.end.Sub(now)))
	return nil
}

func (d *debouncer[T]) arm(wait time.Duration) {
	if d.stop != nil {
		d.stop()
	}
	d.burst++
	burst := d.burst
	d.stop = d.rt.After(wait, func(ctx context.Context) {
		if d.burst == burst {
			d.emit(ctx)
		}
	})
}

func (d *debouncer[T]) emit(ctx context.Context) {
	if d.stop != nil {
		d.stop()
	}
	if len(d.duties) == 0 {
		return
	}
	r := stage.Join(d.last, d.duties)
	var none T
	d.last, d.duties, d.stop = none, nil, nil
	d.next.Emit(ctx, r)
}

// Drain emits what is held.
func (d *debouncer[T]) Drain(ctx context.Context) error {
	d.emit(ctx)
	return nil
}
