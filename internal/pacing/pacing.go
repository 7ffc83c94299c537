// Package pacing has the waits of a loop that goes on when something outside is back.
package pacing

import (
	"context"
	"time"

	"github.com/cenkalti/backoff/v4"
)

// Wait waits for d, or returns the cause when ctx ends before.
func Wait(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return context.Cause(ctx)
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Forever makes the delays between tries that have no end: from 100 ms to 10 s.
func Forever() *backoff.ExponentialBackOff {
	return backoff.NewExponentialBackOff(
		backoff.WithInitialInterval(100*time.Millisecond),
		backoff.WithMaxInterval(10*time.Second),
		backoff.WithMaxElapsedTime(0))
}
