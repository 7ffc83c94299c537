package client

import (
	"context"
	"errors"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
)

// ForwardToDeadLetterQueue moves a message to the dead letters of the group, and so settles it. It is
// not tried again after a failure, since the server would store a second copy; whether the first is
// stored is then unknown.
func (sc *SimpleConsumer) ForwardToDeadLetterQueue(ctx context.Context, d *Delivery) error {
	if d == nil || d.consumer != sc.consumer {
		return illegal(nil, "delivery", "was not received by this consumer")
	}
	c := sc.consumer
	if err := c.begin(); err != nil {
		return err
	}
	defer c.pending.Done()
	handle, err := d.claim()
	if err != nil {
		return err
	}
	settling := c.client.observer.settle(ctx, c, ActionDeadLetter, d)
	err = c.forward(ctx, d, handle)
	settling.end(err)
	if err != nil {
		d.release(open)
		return err
	}
	d.release(settled)
	return nil
}

// forward names the message by the receipt with which it came. RocketMQ 5.5 in LOCAL mode puts a
// wrong address into the receipt of a changed lease, and would move some other message. The lease is
// that of the present receipt, though, so the message is acknowledged under that. A server that does
// not take the first receipt any more is trusted with the present one.
func (c *consumer) forward(ctx context.Context, d *Delivery, handle string) error {
	if handle == d.original {
		return c.tryForward(ctx, d, handle)
	}
	err := c.tryForward(ctx, d, d.original)
	if errors.Is(err, ErrReceiptExpired) {
		return c.tryForward(ctx, d, handle)
	}
	if err != nil {
		return err
	}
	r := &ackRequest{conn: d.conn, topic: d.origin.topic, deliveries: []*Delivery{d}, handles: []string{handle}}
	if err := c.tryAck(ctx, r)[0]; err != nil {
		c.client.cfg.log.Warn("message is with the dead letters but not acknowledged: it comes again",
			"message", d.origin.id, "topic", d.origin.topic, "error", err)
	}
	return nil
}

func (c *consumer) tryForward(ctx context.Context, d *Delivery, handle string) error {
	q := &v2.ForwardMessageToDeadLetterQueueRequest{
		Group: c.group, Topic: c.client.resource(d.origin.topic), MessageId: d.origin.id, ReceiptHandle: handle,
		DeliveryAttempt: int32(d.Attempt), MaxDeliveryAttempts: int32(c.maxDeliveries()),
		LiteTopic: c.liteTopicOf(d),
	}
	what := call{"forward to the dead letters a message of", d.origin.topic}
	_, _, err := invoke(ctx, &c.member.identity, d.conn, what,
		v2.MessagingServiceClient.ForwardMessageToDeadLetterQueue, q)
	return err
}
