package client

import (
	"context"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/rocketflow-io/rocketflow/internal/pacing"
)

// ChangeOption adjusts a change of the invisible duration.
type ChangeOption func(*change)

// change is what is to become of a lease.
type change struct {
	after   time.Duration
	suspend bool
	final   bool // the delivery counts as settled afterwards
}

func newChange(after time.Duration, opts []ChangeOption) change {
	c := change{after: after}
	for _, opt := range opts {
		opt(&c)
	}
	return c
}

// Suspend makes the redelivery that follows not count as an attempt: the message has not been tried.
// On a FIFO group servers count it all the same, and servers before 5.5 do not know it.
func Suspend() ChangeOption {
	return func(c *change) { c.suspend = true }
}

// ChangeInvisibleDuration sets the lease on a delivery to end a given time from now, between 0, which
// has it delivered again at once, and 12 hours. A redelivery counts as an attempt unless [Suspend] is
// given. On success the delivery goes on under its new receipt; on failure it keeps the old one.
//
// A defect of RocketMQ 5.5 in LOCAL mode: it may deliver a message again although it was acknowledged
// after such a change. To hold messages for long, receive them with a long invisible duration.
func (sc *SimpleConsumer) ChangeInvisibleDuration(
	ctx context.Context, d *Delivery, after time.Duration, opts ...ChangeOption,
) error {
	if d == nil || d.consumer != sc.consumer {
		return illegal(nil, "delivery", "was not received by this consumer")
	}
	return sc.consumer.changeCall(ctx, d, newChange(after, opts))
}

func (c *consumer) changeCall(ctx context.Context, d *Delivery, to change) error {
	if to.after < 0 || to.after > maxInvisible {
		return illegal(ErrIllegalInvisibleDuration, "invisible duration", "is %v, must be between 0 and %v",
			to.after, maxInvisible)
	}
	if err := c.begin(); err != nil {
		return err
	}
	defer c.pending.Done()
	settling := c.client.observer.settle(ctx, c, to.action(), d)
	err := c.change(ctx, d, to)
	settling.end(err)
	return err
}

func (c change) action() Action {
	if c.final {
		return ActionNack
	}
	return ActionExtend
}

// change tries again what may pass: repeated with the same receipt, a change does no harm.
func (c *consumer) change(ctx context.Context, d *Delivery, to change) error {
	handle, err := d.claim()
	if err != nil {
		return err
	}
	pause := newRetryBackoff()
	for attempt := 1; ; attempt++ {
		err = c.tryChange(ctx, d, handle, to)
		if err == nil || !retryable(err) || attempt == settleAttempts || ctx.Err() != nil || c.polls.Err() != nil {
			break
		}
		_ = pacing.Wait(ctx, pause.NextBackOff()) // cut short, the next attempt says so
	}
	if err == nil && to.final {
		d.release(settled)
	} else {
		d.release(open)
	}
	return err
}

func (c *consumer) tryChange(ctx context.Context, d *Delivery, handle string, to change) error {
	q := &v2.ChangeInvisibleDurationRequest{
		Group: c.group, Topic: c.client.resource(d.origin.topic), MessageId: d.origin.id, ReceiptHandle: handle,
		InvisibleDuration: durationpb.New(to.after), LiteTopic: c.liteTopicOf(d),
	}
	if to.suspend || c.lite { // a lite topic waits as a whole, see LiteSimpleConsumer
		q.Suspend = new(true)
	}
	before := time.Now() // the lease counts from some time after this
	what := call{"change the invisible duration of a message of", d.origin.topic}
	a, _, err := invoke(ctx, &c.member.identity, d.conn, what, v2.MessagingServiceClient.ChangeInvisibleDuration, q)
	if err != nil {
		return gone(err)
	}
	d.renew(a.GetReceiptHandle(), before.Add(to.after))
	return nil
}
