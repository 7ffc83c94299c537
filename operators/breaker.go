package operators

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sony/gobreaker/v2"

	"github.com/rocketflow-io/rocketflow/flow/stage"
)

// CircuitBreaker calls a function no more when it keeps failing, and tries again after a while: a system
// that is down is left alone. It gives a function of the same shape, for TryMap, TryFilter, TryFlatMap and
// the parallel maps:
//
//	crm := &operators.Breaker{Failures: 3, OpenFor: 30 * time.Second}
//	s.ParMap(8, operators.CircuitBreaker(crm, lookup)).OnError(flow.Retry(10, backoff))
//
//	in     --a-b-c-d---e-------------f--|
//	f        x x x                   F
//	             |---- open ---------|
//	out  ----x-x-x-x---x-------------F--|
//
// What it promises of the function it gives:
//   - Returns: what f does; while the breaker is open, a [*BreakerOpenError] at once, or after the
//     breaker's PauseFor. By it a policy of flow.Retry waits until the breaker lets a call through again.
//   - Context: f gets the one that it is given.
//   - Goroutines: none.
//   - Counts: "breaker_opened" and "breaker_refused", for Snapshot. It logs when it opens.
//
// A breaker that fails each record at once sends a whole topic through the policy of its stage, and in
// the end into the dead letters. So either let the policy wait (flow.Retry, which holds up the record
// alone), or let the breaker do so (PauseFor, which holds up the stage, and by that the source).
//
// Functions may share a breaker, if they call the same system. CircuitBreaker(b, f) is nil, so that the
// operator does not build, if f or b is nil or a field of b is out of range.
func CircuitBreaker[I, O any](b *Breaker, f func(context.Context, I) (O, error)) func(context.Context, I) (O, error) {
	if f == nil || !b.valid() {
		return nil
	}
	return func(ctx context.Context, v I) (out O, err error) {
		done, err := b.enter(ctx)
		if err != nil {
			stage.Count(ctx, "breaker_refused", 1)
			return out, err
		}
		ended := errPanicked
		defer func() { b.leave(ctx, done, ended) }()
		out, err = f(ctx, v)
		ended = err
		return out, err
	}
}

// Defaults of [Breaker].
const (
	DefaultFailures = 5
	DefaultOpenFor  = 30 * time.Second
	DefaultWindow   = time.Minute
	DefaultMinCalls = 20
)

// Breaker is the state of a system that functions call: closed, when calls are let through; open, when
// they are not; or half open, when a few are, on whose success it depends. The zero Breaker works. It goes
// by pointer, and its fields are not changed once it is in use. What it knows outlives a run of a
// pipeline.
type Breaker struct {
	// Failures in a row open it; 0 means DefaultFailures.
	Failures int
	// Rate, if above 0, opens it as well: when so large a part of the calls has failed, of at least
	// MinCalls (0 means DefaultMinCalls). At most 1.
	Rate     float64
	MinCalls int
	// Window is how long a call counts for either; 0 means DefaultWindow.
	Window time.Duration
	// OpenFor is how long it stays open before it is half open; 0 means DefaultOpenFor.
	OpenFor time.Duration
	// Trials is how many calls are let through while it is half open, which all have to succeed for it to
	// close; 0 means 1.
	Trials int
	// PauseFor is how long a call waits to be let through before it fails; 0 means not at all. The record
	// waits where the function is called: in TryMap with all of its goroutine, in ParMap on one of n. It
	// should leave the source's lease time enough.
	PauseFor time.Duration
	// Ignore tells of an error that it says nothing about the system. Without it those marked
	// stage.Permanent do: the record is to blame for them.
	Ignore func(error) bool

	once    sync.Once
	circuit *gobreaker.TwoStepCircuitBreaker[struct{}]
	fresh   atomic.Bool // it has opened, and no one has told of it

	mu        sync.Mutex
	openUntil time.Time     // when it is half open at the earliest
	changed   chan struct{} // closed when a call may be let through; nil while no one waits
}

func (b *Breaker) valid() bool {
	return b != nil && b.Failures >= 0 && b.Rate >= 0 && b.Rate <= 1 && b.Window >= 0 && b.MinCalls >= 0 &&
		b.OpenFor >= 0 && b.Trials >= 0 && b.PauseFor >= 0
}

// BreakerOpenError tells that a [Breaker] did not let a call through.
type BreakerOpenError struct {
	// Until is when the breaker lets a call through again at the earliest, and For how long that was when
	// the call was refused.
	Until time.Time
	For   time.Duration
}

func openError(until time.Time) *BreakerOpenError {
	return &BreakerOpenError{Until: until, For: max(time.Until(until), 0)}
}

// Error tells how long the breaker was to stay open.
func (e *BreakerOpenError) Error() string {
	return fmt.Sprintf("operators: the circuit breaker is open for another %v", e.For.Round(time.Millisecond))
}

// RetryAfter gives how long the breaker stays open: so long a policy of flow.Retry waits at least.
func (e *BreakerOpenError) RetryAfter() time.Duration { return max(time.Until(e.Until), 0) }
