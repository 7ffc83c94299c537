package client

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"google.golang.org/protobuf/types/known/durationpb"
)

// DefaultAwait is how long a poll waits for messages unless [WithAwait] says otherwise.
const DefaultAwait = 20 * time.Second

// WithAwait sets how long a poll that finds nothing waits in the server. The default is
// [DefaultAwait]. Servers allow 5 to 20 seconds and take the nearest; zero or less fails at
// [Client.NewSimpleConsumer]. The context of a call can end it sooner.
func WithAwait(d time.Duration) ConsumerOption {
	return simpleOption(func(c *simpleConfig) { c.await = d })
}

// A SimpleConsumer receives messages when asked to, and settles them when told to. It is safe for
// concurrent use: several goroutines that receive get different messages. It must be closed, by itself
// or with its Client.
type SimpleConsumer struct {
	consumer *consumer
	await    time.Duration
	rate     *rateLimit                      // nil if there is none
	next     atomic.Uint32                   // counts the polls, to take topics in turn
	topics   atomic.Pointer[[]*subscription] // sorted by topic; replaced by holders of consumer.mu
}

// A subscription is a topic and what is wanted of it.
type subscription struct {
	topic  string
	filter Filter
	route  atomic.Pointer[topicRoute] // stored by the first poll
	next   atomic.Uint32              // counts the polls, to take queues in turn
}

// NewSimpleConsumer returns a consumer of the group for the topics, each with what is wanted of it.
// All consumers of a group must want the same. It sends nothing before the first call; topics and
// group must exist in the server.
func (c *Client) NewSimpleConsumer(
	group string, subscriptions map[string]Filter, opts ...ConsumerOption,
) (*SimpleConsumer, error) {
	cfg, err := newSimpleConfig(opts)
	if err := errors.Join(err, checkGroup(group), checkSubscriptions(subscriptions)); err != nil {
		return nil, err
	}
	sc := c.newSimpleConsumer(v2.ClientType_SIMPLE_CONSUMER, group, subscriptions, cfg)
	if err := c.join(sc.consumer.member, sc.Close); err != nil {
		return nil, err
	}
	return sc, nil
}

// newSimpleConsumer returns one that its client does not know yet.
func (c *Client) newSimpleConsumer(
	kind v2.ClientType, group string, subscriptions map[string]Filter, cfg simpleConfig,
) *SimpleConsumer {
	sc := &SimpleConsumer{consumer: c.newConsumer(kind, group), await: cfg.await, rate: newRateLimit(cfg.rate)}
	topics := make([]*subscription, 0, len(subscriptions))
	for _, topic := range slices.Sorted(maps.Keys(subscriptions)) {
		topics = append(topics, &subscription{topic: topic, filter: subscriptions[topic]})
	}
	sc.topics.Store(&topics)
	sc.consumer.member.describe = sc.describe
	return sc
}

func checkSubscriptions(subscriptions map[string]Filter) error {
	var faults []error
	for topic, filter := range subscriptions {
		faults = append(faults, checkTopic(topic), filter.check())
	}
	return errors.Join(faults...)
}

func (sc *SimpleConsumer) describe(s *v2.Settings) {
	sub := &v2.Subscription{Group: sc.consumer.group, LongPollingTimeout: durationpb.New(sc.await)}
	for _, t := range *sc.topics.Load() {
		sub.Subscriptions = append(sub.Subscriptions, &v2.SubscriptionEntry{
			Topic: sc.consumer.client.resource(t.topic), Expression: t.filter.proto(),
		})
	}
	s.PubSub = &v2.Settings_Subscription{Subscription: sub}
}

// Subscribe adds a topic, or changes what is wanted of it. Servers are told at once; polls under way
// end as they began.
func (sc *SimpleConsumer) Subscribe(topic string, filter Filter) error {
	if err := errors.Join(checkTopic(topic), filter.check()); err != nil {
		return err
	}
	sc.change(topic, &subscription{topic: topic, filter: filter})
	sc.consumer.member.announce()
	return nil
}

// Unsubscribe removes a topic. What has been received of it can still be settled.
func (sc *SimpleConsumer) Unsubscribe(topic string) {
	sc.change(topic, nil)
	sc.consumer.member.drop(topic)
}

// change replaces the subscription to a topic, by none if it is nil.
func (sc *SimpleConsumer) change(topic string, by *subscription) {
	sc.consumer.mu.Lock()
	defer sc.consumer.mu.Unlock()
	topics := slices.DeleteFunc(slices.Clone(*sc.topics.Load()), func(s *subscription) bool { return s.topic == topic })
	if by != nil {
		at, _ := slices.BinarySearchFunc(topics, topic, func(s *subscription, t string) int { return strings.Compare(s.topic, t) })
		topics = slices.Insert(topics, at, by)
	}
	sc.topics.Store(&topics)
}

// turn returns the topic whose turn it is.
func (sc *SimpleConsumer) turn() (*subscription, error) {
	topics := *sc.topics.Load()
	if len(topics) == 0 {
		return nil, illegal(nil, "subscriptions", "there are none: name topics at NewSimpleConsumer, or call Subscribe")
	}
	return topics[(sc.next.Add(1)-1)%uint32(len(topics))], nil
}

// Settings returns what the server lays down for the group, and asks it first if it has not said.
func (sc *SimpleConsumer) Settings(ctx context.Context) (ConsumerSettings, error) {
	if err := sc.consumer.begin(); err != nil {
		return ConsumerSettings{}, err
	}
	defer sc.consumer.pending.Done()
	if s := sc.consumer.settings.Load(); s != nil {
		return *s, nil
	}
	t, err := sc.turn()
	if err != nil {
		return ConsumerSettings{}, err
	}
	ctx, stop := either(ctx, sc.consumer.polls)
	defer stop()
	if _, err := sc.queue(ctx, t); err != nil {
		return ConsumerSettings{}, err
	}
	return *sc.consumer.settings.Load(), nil
}

// Close ends polls, hands back what they had fetched already, waits for calls under way, and takes
// leave of the servers. Deliveries that are not settled by then come again when their invisible
// duration is over. Calling it again waits for the first call.
func (sc *SimpleConsumer) Close() error {
	sc.consumer.close()
	return nil
}
