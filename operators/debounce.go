package operators

import (
	"context"
	"fmt"
	"time"

	"github.com/rocketflow-io/rocketflow/flow/stage"
)

// Debounce emits a value when no other has come for a while: of values that follow each other closely,
// the last.
//
//	in   --a-b-c-----------d-------|
//	             |- quiet -|
//	out  -----------------c---------d|
//
// What it promises:
//   - Emits: a value, quiet after it came, if none has come since.
//   - Order: kept.
//   - Holds: one value, for at most quiet, which must fit the lease.
//   - Settles: a value that another has followed done (rule 2), when that has come.
//   - Drain: emits what it holds.
//   - Fails: to build, if quiet is not above 0.
func Debounce[T any](quiet time.Duration) stage.Operator[T, T] { return debouncing[T]{quiet} }

type debouncing[T any] struct{ quiet time.Duration }

var _ stage.Operator[int, int] = debouncing[int]{}

func (d debouncing[T]) Describe() stage.Description {
	return holdsLatest("debounce", d.quiet)
}

// holdsLatest describes an operator that holds the latest value for at most d.
func holdsLatest(name string, d time.Duration) stage.Description {
	desc := stage.Description{Name: name, Holds: true, HoldsFor: d, HoldsMost: 1, Settles: "with the value, or as done when another has followed"}
	if d <= 0 {
		desc.Problem = fmt.Errorf("operators: %s: %v: the time must be above 0", name, d)
	}
	return desc
}

func (d debouncing[T]) Start(rt stage.Runtime, next stage.Emitter[T]) (stage.Processor[T], error) {
	return &debouncer[T]{quiet: d.quiet, rt: rt, latest: latest[T]{next: next}}, nil
}

type debouncer[T any] struct {
	latest[T]
	quiet time.Duration
	rt    stage.Runtime
	came  int // values so far; tells a late timer that another has come
	stop  func() bool
}

func (d *debouncer[T]) Process(_ context.Context, r stage.Record[T]) error {
	if d.held {
		d.stop()
	}
	d.put(r)
	d.came++
	number := d.came
	d.stop = d.rt.After(d.quiet, func(ctx context.Context) {
		if d.came == number {
			d.emit(ctx)
		}
	})
	return nil
}

func (d *debouncer[T]) Drain(ctx context.Context) error {
	if d.held {
		d.stop()
	}
	d.emit(ctx)
	return nil
}

// latest is a value that is held until a later one takes its place.
type latest[T any] struct {
	next   stage.Emitter[T]
	held   bool
	record stage.Record[T]
}

// put takes the place of what is held, which is done by that (rule 2).
func (l *latest[T]) put(r stage.Record[T]) {
	if l.held {
		l.record.Done()
	}
	l.held, l.record = true, r
}

// emit emits what is held, if anything is.
func (l *latest[T]) emit(ctx context.Context) {
	if !l.held {
		return
	}
	r := l.record
	l.held, l.record = false, stage.Record[T]{}
	l.next.Emit(ctx, r)
}
