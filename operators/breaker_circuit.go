package operators

import (
	"context"
	"errors"
	"time"

	"github.com/sony/gobreaker/v2"

	"github.com/rocketflow-io/rocketflow/flow/stage"
)

// Ends of a call that its function does not tell of.
var (
	errPanicked = errors.New("operators: the function panicked")
	// errCutOff is the end of a call that was ended from outside: by the end of the run, or by the call that
	// won a hedge.
	errCutOff = errors.New("operators: the call was cut off")
)

// start makes the circuit at the first call.
func (b *Breaker) start() {
	failures, minCalls := orDefault(b.Failures, DefaultFailures), orDefault(b.MinCalls, DefaultMinCalls)
	window := orDefault(b.Window, DefaultWindow)
	ignore := b.Ignore
	if ignore == nil {
		ignore = stage.IsPermanent
	}
	const buckets = 10
	b.circuit = gobreaker.NewTwoStepCircuitBreaker[struct{}](gobreaker.Settings{
		MaxRequests:  uint32(orDefault(b.Trials, 1)),
		Interval:     window,
		BucketPeriod: max(window/buckets, 1),
		Timeout:      b.openFor(),
		ReadyToTrip: func(c gobreaker.Counts) bool {
			ended := c.TotalSuccesses + c.TotalFailures
			return c.ConsecutiveFailures >= uint32(failures) ||
				b.Rate > 0 && ended >= uint32(minCalls) && float64(c.TotalFailures) >= b.Rate*float64(ended)
		},
		IsExcluded:    func(err error) bool { return err != nil && (errors.Is(err, errCutOff) || ignore(err)) },
		OnStateChange: func(_ string, _, to gobreaker.State) { b.turned(to) },
	})
}

func (b *Breaker) openFor() time.Duration { return orDefault(b.OpenFor, DefaultOpenFor) }

func orDefault[N int | time.Duration](n, otherwise N) N {
	if n == 0 {
		return otherwise
	}
	return n
}

// turned notes a change of state; it is called under the circuit's lock.
func (b *Breaker) turned(to gobreaker.State) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if to == gobreaker.StateOpen {
		// The circuit lets a call through after that time, not at it.
		b.openUntil = time.Now().Add(b.openFor() + 1)
		b.fresh.Store(true)
	}
	b.wakeLocked()
}

func (b *Breaker) wakeLocked() {
	if b.changed != nil {
		close(b.changed)
		b.changed = nil
	}
}

// enter waits until a call is let through, for as long as the breaker pauses calls. What it gives takes
// the call's end.
func (b *Breaker) enter(ctx context.Context) (done func(error), err error) {
	b.once.Do(b.start)
	done, err = b.circuit.Allow()
	if err == nil || b.PauseFor == 0 {
		return done, b.refused(err)
	}
	giveUp := time.Now().Add(b.PauseFor)
	for {
		changed := b.change()
		if done, err = b.circuit.Allow(); err == nil {
			return done, nil
		}
		left := time.Until(giveUp)
		wait := left
		if errors.Is(err, gobreaker.ErrOpenState) {
			wait = min(left, time.Until(b.until()))
		}
		if left <= 0 || !wakeable(ctx, changed, wait) {
			return nil, b.refused(err)
		}
	}
}

// change gives a channel that is closed when a call may be let through.
func (b *Breaker) change() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.changed == nil {
		b.changed = make(chan struct{})
	}
	return b.changed
}

func (b *Breaker) until() time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.openUntil
}

// wakeable waits for d, or until c is closed, and reports whether ctx let it.
func wakeable(ctx context.Context, c <-chan struct{}, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-c:
		return true
	case <-ctx.Done():
		return false
	}
}

// refused gives the error of a call that is not let through.
func (b *Breaker) refused(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, gobreaker.ErrOpenState):
		return openError(b.until())
	}
	return openError(time.Now().Add(b.openFor() / 10))
}

// leave tells the circuit how a call has ended.
func (b *Breaker) leave(ctx context.Context, done func(error), err error) {
	if err != nil && errors.Is(ctx.Err(), context.Canceled) {
		err = errCutOff
	}
	done(err)
	b.mu.Lock()
	b.wakeLocked() // a trial that was cut off makes room for another
	b.mu.Unlock()
	if b.fresh.CompareAndSwap(true, false) {
		stage.Count(ctx, "breaker_opened", 1)
		stage.Logger(ctx).WarnContext(ctx, "the circuit breaker opened", "for", b.openFor(), "error", err)
	}
}
