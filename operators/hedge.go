package operators

import (
	"context"
	"errors"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/rocketflow-io/rocketflow/flow/stage"
)

// Hedge calls a function a second time, beside the first call, when that has not returned after a while:
// for systems that now and then answer late. It gives a function of the same shape, for TryMap, TryFilter,
// TryFlatMap and the parallel maps:
//
//	s.ParMap(8, operators.Hedge(50*time.Millisecond, operators.Timeout(time.Second, lookup)))
//
//	in     --a------------b----------|
//	first    |-A          |-------------- (ended)
//	second                |-after-|-B
//	out  ------A--------------------B|
//
// What it promises of the function it gives:
//   - Returns: the first success, and if both calls fail the errors of both. A first call that fails in
//     time fails at once: to try again is the policy's business.
//   - Context: that of the call which lost ends then.
//   - Goroutines: one, for the second call. The call that lost is waited for, and nothing of it goes on; so
//     f must end with its context, or the gain is lost. f must bear to be called twice with one value, at
//     the same time.
//   - Counts: "hedges", the second calls, and "hedges_won", for Snapshot.
//
// The time is best one that few calls take longer than: each second call is load for the system behind.
// Hedge(after, f) is nil, so that the operator does not build, if after is not above 0 or f is nil.
func Hedge[I, O any](after time.Duration, f func(context.Context, I) (O, error)) func(context.Context, I) (O, error) {
	if f == nil || after <= 0 {
		return nil
	}
	return func(ctx context.Context, v I) (O, error) {
		h := &hedged[I, O]{f: f, value: v, over: make(chan struct{})}
		return h.call(ctx, after)
	}
}

// hedged is one value on its way through a function that may be called twice.
type hedged[I, O any] struct {
	f     func(context.Context, I) (O, error)
	value I

	won  atomic.Int32 // the call that succeeded first; 0 while none has
	out  O            // of the second call, as err, when over is closed
	err  error
	over chan struct{}
}

const (
	firstCall int32 = iota + 1
	secondCall
)

// call makes the first call on the caller's goroutine, and sees to the second.
func (h *hedged[I, O]) call(ctx context.Context, after time.Duration) (O, error) {
	firstCtx, endFirst := context.WithCancel(ctx)
	defer endFirst()
	secondCtx, endSecond := context.WithCancel(ctx)
	second := time.AfterFunc(after, func() { h.second(secondCtx, endFirst) })
	prevent := func() bool {
		stopped := second.Stop()
		if stopped {
			close(h.over)
		}
		return stopped
	}
	defer func() { // also if f panics
		endSecond()
		prevent()
		<-h.over
	}()
	out, err := h.f(firstCtx, h.value)
	if prevent() || err == nil && h.won.CompareAndSwap(0, firstCall) {
		return out, err
	}
	<-h.over
	if h.won.Load() == secondCall {
		stage.Count(ctx, "hedges_won", 1)
		return h.out, nil
	}
	return out, errors.Join(err, h.err)
}

// second makes the second call, on its own goroutine.
func (h *hedged[I, O]) second(ctx context.Context, endFirst func()) {
	defer close(h.over)
	if h.won.Load() != 0 {
		return
	}
	stage.Count(ctx, "hedges", 1)
	defer func() {
		if p := recover(); p != nil {
			h.err = &stage.PanicError{Value: p, Stack: debug.Stack()}
			stage.Logger(ctx).ErrorContext(ctx, "the second call of a hedge panicked", "error", h.err)
		}
	}()
	h.out, h.err = h.f(ctx, h.value)
	if h.err == nil && h.won.CompareAndSwap(0, secondCall) {
		endFirst()
	}
}
