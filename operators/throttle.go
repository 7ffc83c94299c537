package operators

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/rocketflow-io/rocketflow/flow/stage"
)

// Throttle lets values through at a rate: up to burst at once after a quiet time, and then perSecond a
// second, evenly. What is too early waits, and what is above it waits too: nothing is dropped.
//
//	in   --abcd-----------|
//	         1 a second, burst 2
//	out  --ab----c----d---|
//
// What it promises:
//   - Emits: each value.
//   - Order: kept.
//   - Holds: the record whose turn it is not.
//   - Settles: nothing; the duty goes on (rule 2).
//   - Drain: goes on at its rate. When the drain must end, what waits is handed back.
//   - Fails: to build, if perSecond is not above 0, or burst < 1. A rate that is low for the lease lets
//     the source read less at a time.
func Throttle[T any](perSecond float64, burst int) stage.Operator[T, T] {
	return throttling[T]{perSecond, burst}
}

type throttling[T any] struct {
	perSecond float64
	burst     int
}

var _ stage.Operator[int, int] = throttling[int]{}

func (t throttling[T]) Describe() stage.Description {
	d := stage.Description{Name: "throttle", Fallible: true, Async: true}
	if !(t.perSecond > 0) || t.burst < 1 { // which NaN is not either
		d.Problem = fmt.Errorf("operators: throttle: %v values a second, %d at once: the rate must be above 0, and at least 1 be let through at once", t.perSecond, t.burst)
	}
	return d
}

func (t throttling[T]) Start(rt stage.Runtime, next stage.Emitter[T]) (stage.Processor[T], error) {
	every := float64(time.Second) / t.perSecond
	return &throttler[T]{rt: rt, next: next, every: duration(every), ahead: duration(float64(t.burst-1) * every)}, nil
}

// duration gives so many nanoseconds, which may be more than a time.Duration can count.
func duration(nanoseconds float64) time.Duration {
	return time.Duration(min(nanoseconds, math.MaxInt64/4))
}

// throttler is asynchronous, so that what waits for its turn does not stop the clocks of the stages
// below; those above are to wait.
type throttler[T any] struct {
	stateless
	rt    stage.Runtime
	next  stage.Emitter[T]
	every time.Duration
	ahead time.Duration // how far the turns given may be ahead of the time
	turn  time.Time     // of the next value, were there no burst
}

func (t *throttler[T]) Process(ctx context.Context, r stage.Record[T]) error {
	now := t.rt.Now()
	if t.turn.Before(now) {
		t.turn = now
	}
	if !pause(ctx, t.turn.Add(-t.ahead).Sub(now)) {
		return stage.ErrHandedBack
	}
	t.turn = t.turn.Add(t.every)
	t.rt.Do(func(ctx context.Context) {
		t.next.Emit(ctx, r)
		stage.Complete(ctx, t.rt, r, nil)
	})
	return nil
}

// pause waits for d, and reports whether ctx let it.
func pause(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
