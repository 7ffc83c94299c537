package sources

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/rocketflow-io/rocketflow/client"
	"github.com/rocketflow-io/rocketflow/flow/stage"
	"github.com/rocketflow-io/rocketflow/internal/pacing"
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

// lost is why outcomes did not get through to the server, by delivery.
type lost map[*client.Delivery]error

func (l *lost) add(d *client.Delivery, err error) {
	if err == nil {
		return
	}
	if *l == nil {
		*l = make(lost)
	}
	(*l)[d] = err
}

// first gives how many of the deliveries are lost, and why the first of them is.
func (l lost) first(of []*client.Delivery) error {
	for _, d := range of {
		if err := l[d]; err != nil {
			return fmt.Errorf("sources: %d of %d messages that were not read come again only when their lease ends: %w", len(l), len(of), err)
		}
	}
	return nil
}

var _ stage.Settler = (*receipts)(nil)

// Settle acknowledges what is done, in as few requests as possible, and hands back the rest, each by a
// request of its own. A [*stage.BatchError] names the outcomes that may be lost.
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
	l := a.ack(ctx, done)
	a.each(failed, &l, func(d *client.Delivery) error { return a.fail(ctx, d) })
	a.each(back, &l, func(d *client.Delivery) error { return a.handBack(ctx, d) })
	return r.named(l)
}

// named gives what is lost by the indexes of the read.
func (r *receipts) named(l lost) error {
	if len(l) == 0 {
		return nil
	}
	var failed stage.BatchError
	for i, d := range r.deliveries {
		if err := l[d]; err != nil {
			failed.Fail(i, err)
		}
	}
	return failed.OrNil()
}

// ack acknowledges, and tries again what did not get through, until the leases end.
func (a *acker) ack(ctx context.Context, deliveries []*client.Delivery) (l lost) {
	a.forget(deliveries)
	pause := pacing.Forever()
	for len(deliveries) > 0 {
		err := a.consumer.Ack(ctx, deliveries...)
		if err == nil {
			break
		}
		wait := pause.NextBackOff()
		var again []*client.Delivery
		for _, f := range failures(err, deliveries) {
			if !client.Temporary(f.Err) || time.Until(f.Delivery.Expires()) <= wait {
				l.add(f.Delivery, notAcked(f.Delivery, f.Err))
				continue
			}
			again = append(again, f.Delivery)
		}
		deliveries = again
		if len(again) > 0 && pacing.Wait(ctx, wait) != nil {
			for _, d := range again {
				l.add(d, notAcked(d, ctx.Err()))
			}
			break
		}
	}
	return l
}

// failures gives what an error of Ack says of each delivery: one that names none is about all.
func failures(err error, deliveries []*client.Delivery) []client.AckFailure {
	var some *client.AckError
	if errors.As(err, &some) {
		return some.Failed
	}
	all := make([]client.AckFailure, len(deliveries))
	for i, d := range deliveries {
		all[i] = client.AckFailure{Delivery: d, Err: err}
	}
	return all
}

func notAcked(d *client.Delivery, err error) error {
	return fmt.Errorf("sources: acknowledge message %s: %w", d.ID, err)
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

// each calls f for the deliveries, several at once, and adds to what is lost.
func (a *acker) each(deliveries []*client.Delivery, l *lost, f func(*client.Delivery) error) {
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
	for i, d := range deliveries {
		l.add(d, errs[i])
	}
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
