package operators

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/rocketflow-io/rocketflow/flow/stage"
)

// Timeout bounds the time of a function that an operator calls. It gives a function of the same shape,
// for TryMap, TryFilter, TryFlatMap and the parallel maps:
//
//	s.ParMap(8, operators.Timeout(time.Second, lookup))
//
//	in   --a-----b---------c--|
//	             |--- d ---|      f(b) is slow
//	out  --A---------------x-C|
//
// What it promises of the function it gives:
//   - Returns: what f does; if the time has passed and f fails, a [*TimeoutError] with f's error. A result
//     that comes too late is a result all the same: what f has done is not to be done again.
//   - Context: that of f ends after d, and tells f so beforehand by its deadline.
//   - Goroutines: none; f is never left behind. One that does not heed its context is waited for: were it
//     not, the next try of a record could meet the one before. When it is still at work a second after the
//     time (or d, if that is less), that is logged as a warning, and counted as "overruns".
//   - Counts: "timeouts" and "overruns", for Snapshot.
//
// Timeout(d, f) is nil, so that the operator does not build, if d is not above 0 or f is nil.
func Timeout[I, O any](d time.Duration, f func(context.Context, I) (O, error)) func(context.Context, I) (O, error) {
	if f == nil || d <= 0 {
		return nil
	}
	return func(ctx context.Context, v I) (O, error) {
		cause := &TimeoutError{After: d}
		bounded, cancel := context.WithTimeoutCause(ctx, d, cause)
		defer cancel()
		defer watchOverrun(ctx, d)()
		out, err := f(bounded, v)
		if err == nil || !errors.Is(context.Cause(bounded), cause) {
			return out, err
		}
		stage.Count(ctx, "timeouts", 1)
		return out, &TimeoutError{After: d, Err: err}
	}
}

// watchOverrun tells when a call goes on after its time has passed, until the function that it gives is
// called.
func watchOverrun(ctx context.Context, d time.Duration) (stop func()) {
	told := make(chan struct{})
	t := time.AfterFunc(d+min(d, time.Second), func() {
		defer close(told)
		stage.Count(ctx, "overruns", 1)
		stage.Logger(ctx).WarnContext(ctx, "a function goes on after its timeout: it must end with its context", "timeout", d)
	})
	return func() {
		if !t.Stop() {
			<-told
		}
	}
}

// TimeoutError tells that a function did not succeed within the time that [Timeout] gave it. It is
// context.DeadlineExceeded, by errors.Is.
type TimeoutError struct {
	// After is the time that it had.
	After time.Duration
	// Err is what the function returned, most likely that its context ended.
	Err error
}

// Error gives the time, and the function's error if that says more.
func (e *TimeoutError) Error() string {
	if e.Err == nil || e.Err == context.DeadlineExceeded { //nolint:errorlint // only the bare error says nothing more
		return fmt.Sprintf("operators: no result within %v", e.After)
	}
	return fmt.Sprintf("operators: no result within %v: %v", e.After, e.Err)
}

// Unwrap gives the function's error.
func (e *TimeoutError) Unwrap() error { return e.Err }

// Is tells that the error is context.DeadlineExceeded.
func (e *TimeoutError) Is(target error) bool { return target == context.DeadlineExceeded }

// Timeout tells that it is one, as errors of package net do.
func (e *TimeoutError) Timeout() bool { return true }
