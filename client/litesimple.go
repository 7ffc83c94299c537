package client

import (
	"context"
	"errors"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
)

// A LiteSimpleConsumer receives messages of lite topics when asked to, and settles them when told to. Lite
// topics are the very many small topics inside one parent topic: they need not be created, and each
// consumer subscribes to those that it wants, at any time. The group must be one of lite topics, bound to
// the parent.
//
// The group consumes each lite topic in order. As long as one message of it that was received is not
// settled, no consumer receives more of that lite topic; when the lease is over, all of it from the first
// message that is not acknowledged comes again, in order. So a lease is always that on the lite topic: to
// change it for one message holds back, or releases, what was received with it of the same lite topic,
// too, and does not count as an attempt. The receipts of the others still end when they would have.
//
// It is safe for concurrent use, and must be closed, by itself or with its Client.
type LiteSimpleConsumer struct {
	simple *SimpleConsumer
	lite   *liteTopics
}

// NewLiteSimpleConsumer returns a consumer of the group for lite topics of the parent topic. It subscribes
// to none, and sends nothing before the first call; group and parent topic must exist in the server.
func (c *Client) NewLiteSimpleConsumer(group, parent string, opts ...LiteSimpleOption) (*LiteSimpleConsumer, error) {
	cfg, lite, err := newLiteSimpleConfig(opts)
	if err := errors.Join(err, checkGroup(group), checkTopic(parent)); err != nil {
		return nil, err
	}
	// Servers know one kind of consumer of lite topics. What makes it a simple one is how it receives.
	sc := c.newSimpleConsumer(v2.ClientType_LITE_PUSH_CONSUMER, group, map[string]Filter{parent: All()}, cfg)
	lc := &LiteSimpleConsumer{simple: sc, lite: newLiteTopics(sc.consumer, parent, lite.notice)}
	if err := c.join(sc.consumer.member, lc.Close); err != nil {
		return nil, err
	}
	if err := lc.lite.start(); err != nil {
		return nil, err
	}
	return lc, nil
}

// SubscribeLite adds a lite topic of the parent topic, at all its servers. If one of them fails, the error
// says why, and the consumer is not subscribed: the others are told so, and the call may be repeated. An
// error of kind [ErrQuota] says that the consumer has as many lite topics as the group allows one.
//
// Where the group reads on is said by an option, and takes effect when it next receives of the lite topic.
// Without one, subscribing twice does nothing.
//
// If the group is exclusive, the consumer takes the lite topic from the one that has it.
func (lc *LiteSimpleConsumer) SubscribeLite(ctx context.Context, liteTopic string, opts ...LiteOption) error {
	return lc.lite.subscribe(ctx, liteTopic, opts)
}

// UnsubscribeLite removes a lite topic. What has been received of it can still be settled. After an error
// it is removed all the same; servers that did not hear it are told within a minute, and until then may
// deliver messages of it.
func (lc *LiteSimpleConsumer) UnsubscribeLite(ctx context.Context, liteTopic string) error {
	return lc.lite.unsubscribe(ctx, liteTopic)
}

// LiteTopics returns the lite topics to which the consumer subscribes, sorted. Those that a server has taken
// away are not among them any more; see [WithUnsubscribeNotice].
func (lc *LiteSimpleConsumer) LiteTopics() []string { return lc.lite.list() }

// Receive polls for up to maxMessages of all lite topics together, as [SimpleConsumer.Receive] does: a call
// asks one broker, and brokers take turns. Messages of one lite topic are in order, and those of several
// follow each other.
func (lc *LiteSimpleConsumer) Receive(ctx context.Context, maxMessages int, invisible time.Duration) ([]*Delivery, error) {
	return lc.simple.Receive(ctx, maxMessages, invisible)
}

// Ack tells the server that messages are done with; see [SimpleConsumer.Ack]. The group passes a message
// when it and all before it in its lite topic are acknowledged: those acknowledged behind one that is not
// may come again with it.
func (lc *LiteSimpleConsumer) Ack(ctx context.Context, deliveries ...*Delivery) error {
	return lc.simple.Ack(ctx, deliveries...)
}

// ChangeInvisibleDuration sets the lease on the lite topic of a delivery to end a given time from now; see
// [SimpleConsumer.ChangeInvisibleDuration]. It is always a suspension, and [Suspend] adds nothing.
func (lc *LiteSimpleConsumer) ChangeInvisibleDuration(
	ctx context.Context, d *Delivery, after time.Duration, opts ...ChangeOption,
) error {
	return lc.simple.ChangeInvisibleDuration(ctx, d, after, opts...)
}

// ForwardToDeadLetterQueue moves a message to the dead letters of the group; see
// [SimpleConsumer.ForwardToDeadLetterQueue].
//
// A defect of RocketMQ 5.5: the very first message of a lite topic, whose [Message.QueueOffset] is 0,
// comes back after it was moved, cannot be acknowledged any more, and displaces the next that is sent.
func (lc *LiteSimpleConsumer) ForwardToDeadLetterQueue(ctx context.Context, d *Delivery) error {
	return lc.simple.ForwardToDeadLetterQueue(ctx, d)
}

// Settings returns what the server lays down for the group, and asks it first if it has not said.
func (lc *LiteSimpleConsumer) Settings(ctx context.Context) (ConsumerSettings, error) {
	return lc.simple.Settings(ctx)
}

// Close ends the consumer as [SimpleConsumer.Close] does. Its lite topics go to other consumers that
// subscribe to them.
func (lc *LiteSimpleConsumer) Close() error { return lc.simple.Close() }
