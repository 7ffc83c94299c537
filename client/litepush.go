package client

import (
	"context"
	"errors"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
)

// Defaults of a [LitePushConsumer], where they are not those of a [PushConsumer].
const (
	DefaultLiteCachedMessages    = 1024
	DefaultLiteInvisibleDuration = time.Minute
)

// A LitePushConsumer gives messages of lite topics to a [Handler] as they arrive, and settles them by what
// it returns. What lite topics are, [LiteSimpleConsumer] says. It is made for one run, as a [PushConsumer]
// is; lite topics may be subscribed to before, in the meantime, and from a handler.
//
// The messages of a lite topic are consumed one at a time and in order, those of different lite topics
// beside each other. When the handler fails, the message is tried again here after the group's backoff, and
// those behind it in its lite topic wait; when the group's attempts are used up, it goes to the dead letters
// and the next begins. [SuspendFor] hands back the message and what has arrived behind it in the same lite
// topic, for at least 50 milliseconds, and no attempt is counted.
//
// Messages are received with an explicit lease, which [WithInvisibleDuration] sets and which is
// [DefaultLiteInvisibleDuration] otherwise, since RocketMQ 5.5 does not renew leases on lite topics. A message
// whose lease is over before its turn has come is not given to the handler: it comes again, in order.
// One poll of each broker is under way at a time, so [WithPolls] adds nothing, nor does [WithFIFOAccelerator].
type LitePushConsumer struct {
	pusher *pusher
	lite   *liteTopics
}

// NewLitePushConsumer returns a consumer of the group for lite topics of the parent topic. It subscribes to
// none, and sends nothing before [LitePushConsumer.Run] or a subscription; group and parent topic must exist
// in the server.
func (c *Client) NewLitePushConsumer(
	group, parent string, handle Handler, opts ...LitePushOption,
) (*LitePushConsumer, error) {
	cfg, lite, err := newLitePushConfig(opts)
	if err := errors.Join(err, checkGroup(group), checkTopic(parent), checkHandler(handle)); err != nil {
		return nil, err
	}
	p := c.newPusher(v2.ClientType_LITE_PUSH_CONSUMER, group, handle, cfg)
	p.laneOf, p.suspendRest = laneOfLiteTopic, true
	p.fifo = func() bool { return true }
	lp := &LitePushConsumer{pusher: p, lite: newLiteTopics(p.consumer, parent, lite.notice)}
	p.subscribe(parent, All())
	if err := c.join(p.consumer.member, lp.Close); err != nil {
		return nil, err
	}
	if err := lp.lite.start(); err != nil {
		return nil, err
	}
	return lp, nil
}

func laneOfLiteTopic(m *Message) laneKey {
	return laneKey{topic: m.Topic, broker: m.Broker, group: m.LiteTopic}
}

// Run joins the group and consumes; see [PushConsumer.Run], which begins, ends and drains like it.
func (lp *LitePushConsumer) Run(ctx context.Context) error { return lp.pusher.run(ctx) }

// SubscribeLite adds a lite topic; see [LiteSimpleConsumer.SubscribeLite].
func (lp *LitePushConsumer) SubscribeLite(ctx context.Context, liteTopic string, opts ...LiteOption) error {
	return lp.lite.subscribe(ctx, liteTopic, opts)
}

// UnsubscribeLite removes a lite topic; see [LiteSimpleConsumer.UnsubscribeLite]. What has arrived of it is
// still consumed.
func (lp *LitePushConsumer) UnsubscribeLite(ctx context.Context, liteTopic string) error {
	return lp.lite.unsubscribe(ctx, liteTopic)
}

// LiteTopics returns the lite topics to which the consumer subscribes, sorted; see
// [LiteSimpleConsumer.LiteTopics].
func (lp *LitePushConsumer) LiteTopics() []string { return lp.lite.list() }

// Close ends [LitePushConsumer.Run] as the end of its context would, and returns when it has. A handler
// that waits for it waits for itself.
func (lp *LitePushConsumer) Close() error { return lp.pusher.close() }
