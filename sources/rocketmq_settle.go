package sources

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/rocketflow-io/rocketflow/client"
	"github.com/rocketflow-io/rocketflow/flow/stage"
)

const (
	// parallelNacks is how many messages one call hands back at once; each takes a request.
	parallelNacks = 16
	// maxFailures bounds the messages of which failures are remembered, and keepFailure is for how
	// long a failure is, when there are so many: longer than any backoff of a group.
	maxFailures = 1 << 16
	keepFailure = 13 * time.Hour
)

// acker tells the server how messages ended. It is safe for concurrent use.
type acker struct {
	consumer *client.SimpleConsumer
	settings client.ConsumerSettings

	mu       sync.Mutex         // guards failures
	failures map[string]failure // of a FIFO group, by message id
}

// failure is how often a message has failed here, and when it last did.
type failure struct {
	count int
	last  time.Time
}

var _ stage.Settler = (*receipts)(nil)

// Settle acknowledges what is done, in as few requests as possible, and hands back the rest, each by a
// request of its own.
func (r *receipts) Settle(ctx context.Context, outcomes []stage.Outcome) error {
	var done, back, failed []*client.Delivery
	for _, o := range outcomes {
		d := r.deliveries[o.Index]
		switch {
		case o.Err == nil:
			done = append(done, d)
		case errors.Is(o.Err, stage.ErrHandedBack):
			back = append(back, d)
		default:
			failed = append(failed, d)
		}
	}
	a := r.acks
	return errors.Join(
		a.ack(ctx, done),
		a.each(failed, func(d *client.Delivery) error { return a.fail(ctx, d) }),
		a.each(back, func(d *client.Delivery) error { return a.handBack(ctx, d) }),
	)
}

// ack acknowledges, and tries again what did not get through, until the leases end.
func (a *acker) ack(ctx context.Context, deliveries []*client.Delivery) error {
	a.forget(deliveries)
	pause := newPause()
	var lost []error
	for len(deliveries) > 0 {
		err := a.consumer.Ack(ctx, deliveries...)
		if err == nil {
			break
		}
		var some *client.AckError
		if !errors.As(err, &some) {
			return fmt.Errorf("sources: acknowledge %d messages: %w", len(deliveries), err)
		}
		wait := pause.NextBackOff()
		var again []*client.Delivery
		for _, f := range some.Failed {
			if errors.Is(f.Err, client.ErrReceiptExpired) || isHopeless(f.Err) || time.Until(f.Delivery.Expires()) <= wait {
				lost = append(lost, fmt.Errorf("sources: acknowledge message %s: %w", f.Delivery.ID, f.Err))
				continue
			}
			again = append(again, f.Delivery)
		}
		deliveries = again
		if len(again) > 0 && !sleep(ctx, wait) {
			return errors.Join(append(lost, fmt.Errorf("sources: acknowledge %d messages: %w", len(again), ctx.Err()))...)
		}
	}
	return errors.Join(lost...)
}

// fail hands back a message that failed, to come again after the group's backoff. The server moves it
// to the dead letters when it has been delivered as often as the group allows.
func (a *acker) fail(ctx context.Context, d *client.Delivery) error {
	return a.nack(ctx, d, min(a.settings.Backoff.Delay(d.Attempt), maxInvisible))
}

// bury moves a message to the dead letters.
func (a *acker) bury(ctx context.Context, d *client.Delivery) error {
	if err := a.consumer.ForwardToDeadLetterQueue(ctx, d); err != nil {
		return fmt.Errorf("sources: move message %s to the dead letters: %w", d.ID, err)
	}
	a.forget([]*client.Delivery{d})
	return nil
}

// giveBack hands back a message of a FIFO group.
func (a *acker) giveBack(ctx context.Context, g give) error {
	if g.after == 0 {
		return a.handBack(ctx, g.Delivery)
	}
	return a.nack(ctx, g.Delivery, g.after)
}

// handBack hands back a message that was not tried. It comes again at once, and the attempt does not
// count, except on a FIFO group, where the server counts it.
func (a *acker) handBack(ctx context.Context, d *client.Delivery) error {
	return a.nack(ctx, d, 0, client.Suspend())
}

// nack does not mind an ended lease: then the message comes again all the same.
func (a *acker) nack(ctx context.Context, d *client.Delivery, after time.Duration, opts ...client.ChangeOption) error {
	err := d.Nack(ctx, after, opts...)
	if err == nil || errors.Is(err, client.ErrReceiptExpired) {
		return nil
	}
	return fmt.Errorf("sources: hand back message %s: %w", d.ID, err)
}

// each calls f for the deliveries, several at once.
func (a *acker) each(deliveries []*client.Delivery, f func(*client.Delivery) error) error {
	if len(deliveries) == 1 {
		return f(deliveries[0])
	}
	errs := make([]error, len(deliveries))
	var wg sync.WaitGroup
	slots := make(chan struct{}, parallelNacks)
	for i, d := range deliveries {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			errs[i] = f(d)
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// failed counts a failure of a message and returns how many there were.
func (a *acker) failed(d *client.Delivery) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := time.Now()
	if len(a.failures) >= maxFailures {
		for id, f := range a.failures {
			if now.Sub(f.last) > keepFailure {
				delete(a.failures, id)
			}
		}
	}
	f := failure{count: a.failures[d.ID].count + 1, last: now}
	a.failures[d.ID] = f
	return f.count
}

// forget drops the failures of messages that are over.
func (a *acker) forget(deliveries []*client.Delivery) {
	if !a.settings.FIFO {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, d := range deliveries {
		delete(a.failures, d.ID)
	}
}
