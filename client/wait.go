package client

import (
	"context"
	"time"

	"github.com/cenkalti/backoff/v4"
)

// either returns a context that ends with ctx, or with other, whose cause it then has. The caller
// calls what it returns besides.
func either(ctx, other context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(other, func() { cancel(context.Cause(other)) })
	return ctx, func() { stop(); cancel(nil) }
}

// newReconnectBackoff paces the reopening of a stream, forever, and never so slowly that a server
// which is back would wait for two seconds.
func newReconnectBackoff() *backoff.ExponentialBackOff {
	return backoff.NewExponentialBackOff(
		backoff.WithInitialInterval(firstReconnect),
		backoff.WithMaxInterval(lastReconnect),
		backoff.WithRandomizationFactor(0.2),
		backoff.WithMaxElapsedTime(0))
}

// newRetryBackoff paces the few retries of a request that does no harm when repeated.
func newRetryBackoff() *backoff.ExponentialBackOff {
	return backoff.NewExponentialBackOff(
		backoff.WithInitialInterval(50*time.Millisecond),
		backoff.WithMaxInterval(500*time.Millisecond),
		backoff.WithMaxElapsedTime(0))
}
