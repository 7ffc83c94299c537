package gostreams

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/rocketflow-io/rocketflow/client"
	"github.com/rocketflow-io/rocketflow/flow/stage"
)

// claim is the duty behind a delivery. It is held by one delivery, or by as many as it was forked
// for; each settles it once.
type claim interface {
	fork(more int)
	settle(ctx context.Context, err error) error
}

// noClaim is the duty of a delivery that has none any more.
type noClaim struct{}

func (noClaim) fork(int) {}

func (noClaim) settle(context.Context, error) error { return ErrSettled }

// shared settles a record at its source when the last holder has settled it.
type shared struct {
	end func(ctx context.Context, err error) error

	mu     sync.Mutex // guards what follows
	others int        // holders besides the last one
	err    error      // the first failure (rule 4), or that it is handed back
}

func newShared(end func(ctx context.Context, err error) error) *shared { return &shared{end: end} }

func (s *shared) fork(more int) {
	s.mu.Lock()
	s.others += more
	s.mu.Unlock()
}

func (s *shared) settle(ctx context.Context, err error) error {
	s.mu.Lock()
	if s.err == nil || errors.Is(s.err, stage.ErrHandedBack) && err != nil && !errors.Is(err, stage.ErrHandedBack) {
		s.err = err
	}
	last, err := s.others == 0, s.err
	s.others--
	s.mu.Unlock()
	if !last {
		return nil
	}
	return s.end(ctx, err)
}

// nackDelay says how long a message of RocketMQ is to stay away after its nth delivery has failed,
// from 1; 0 if the server did not count.
type nackDelay func(attempt int) time.Duration

// defaultNackDelay is the schedule of a consumer group that was given none of its own.
func defaultNackDelay(attempt int) time.Duration {
	policy := client.RetryPolicy{Steps: []time.Duration{
		time.Second, 5 * time.Second, 10 * time.Second, 30 * time.Second,
		time.Minute, 2 * time.Minute, 3 * time.Minute, 4 * time.Minute, 5 * time.Minute,
		6 * time.Minute, 7 * time.Minute, 8 * time.Minute, 9 * time.Minute, 10 * time.Minute,
		20 * time.Minute, 30 * time.Minute, time.Hour, 2 * time.Hour,
	}}
	return policy.Delay(attempt)
}

// clientClaim settles a message at the server.
func clientClaim(d *client.Delivery, delay nackDelay) claim {
	return newShared(func(ctx context.Context, err error) error {
		switch {
		case err == nil:
			return d.Ack(ctx)
		case errors.Is(err, stage.ErrHandedBack):
			return d.Nack(ctx, 0, client.Suspend())
		default:
			return d.Nack(ctx, delay(d.Attempt))
		}
	})
}
