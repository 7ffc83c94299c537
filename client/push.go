package client

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
)

// A PushConsumer gives messages to a [Handler] as they arrive, and settles them by what it returns. It
// is made for one run: [PushConsumer.Run] consumes until it is told to end. Before, and in the
// meantime, topics may be added and removed. It must be closed, by itself or with its Client, unless
// its Run has returned.
type PushConsumer struct {
	pusher *pusher
}

// NewPushConsumer returns a consumer of the group for the topics, each with what is wanted of it. All
// consumers of a group must want the same. It sends nothing before [PushConsumer.Run].
func (c *Client) NewPushConsumer(
	group string, subscriptions map[string]Filter, handle Handler, opts ...PushOption,
) (*PushConsumer, error) {
	cfg, err := newPushConfig(opts)
	if err := errors.Join(err, checkGroup(group), checkSubscriptions(subscriptions), checkHandler(handle)); err != nil {
		return nil, err
	}
	p := c.newPusher(v2.ClientType_PUSH_CONSUMER, group, handle, cfg)
	p.laneOf = laneOfQueue
	if cfg.accelerate {
		p.laneOf = laneOfMessageGroup
	}
	for topic, filter := range subscriptions {
		p.subscribe(topic, filter)
	}
	if err := c.join(p.consumer.member, p.close); err != nil {
		return nil, err
	}
	return &PushConsumer{p}, nil
}

// Run joins the group and consumes. It fails at once if a topic or the group does not exist, the
// credentials are refused, or no server can be reached after three attempts; later, what goes wrong is
// logged and tried again.
//
// It returns nil after ctx has ended or Close was called, and it has drained: no more messages are
// fetched; those that no handler has begun with are handed back, for immediate redelivery and without
// an attempt counted, unless the group is FIFO; handlers under way may finish, within
// [WithDrainTimeout], and their messages are settled. The contexts of handlers do not end before that
// time is over, whatever becomes of ctx, and Run waits for handlers even then.
//
// A consumer runs once; a second call fails.
func (pc *PushConsumer) Run(ctx context.Context) error { return pc.pusher.run(ctx) }

// Subscribe adds a topic, or changes what is wanted of it. Servers are told at once; polls under way
// end as they began. Whether the topic exists is found out, and logged, by the polls.
func (pc *PushConsumer) Subscribe(topic string, filter Filter) error {
	if err := errors.Join(checkTopic(topic), filter.check()); err != nil {
		return err
	}
	pc.pusher.subscribe(topic, filter)
	return nil
}

// Unsubscribe removes a topic. Handlers that have begun with messages of it finish; what has arrived
// besides is handed back.
func (pc *PushConsumer) Unsubscribe(topic string) { pc.pusher.unsubscribe(topic) }

// Close ends [PushConsumer.Run] as the end of its context would, and returns when it has. A handler
// that waits for it waits for itself.
func (pc *PushConsumer) Close() error { return pc.pusher.close() }

// subscriptions are the topics of a pusher, each with what fetches it.
type subscriptions struct {
	mu      sync.Mutex // guards what follows
	running bool       // feeds are started as they come
	feeds   map[string]*feed
}

// subscribe begins with a topic, or changes its filter.
func (p *pusher) subscribe(topic string, filter Filter) {
	s := &p.subscriptions
	s.mu.Lock()
	f, known := s.feeds[topic]
	if known {
		f.filter.Store(&filter)
	} else {
		f = p.newFeed(topic, filter)
		s.feeds[topic] = f
		if s.running {
			p.producers.Go(f.run)
		}
	}
	s.mu.Unlock()
	if known {
		p.consumer.member.announce() // a new topic is announced once its route is known
	}
}

// unsubscribe ends with a topic.
func (p *pusher) unsubscribe(topic string) {
	s := &p.subscriptions
	s.mu.Lock()
	defer s.mu.Unlock()
	f, known := s.feeds[topic]
	if !known {
		return
	}
	delete(s.feeds, topic)
	f.cancel(errUnsubscribed)
	p.consumer.member.drop(topic)
	if !s.running {
		return // the drain hands all back
	}
	for _, c := range p.evict(func(c *cached) bool { return c.delivery.origin.topic == topic }) {
		p.settler.nack(c, 0, true)
	}
}

// use has the member follow the topic of a feed, unless it was unsubscribed in the meantime.
func (p *pusher) use(f *feed) {
	s := &p.subscriptions
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.feeds[f.topic] == f {
		p.consumer.member.use(f.route)
	}
}

var errUnsubscribed = errors.New("the topic is not subscribed to any more")

// describe announces the group and its subscriptions.
func (p *pusher) describe(s *v2.Settings) {
	sub := &v2.Subscription{Group: p.consumer.group}
	for _, f := range p.sortedFeeds() {
		sub.Subscriptions = append(sub.Subscriptions, &v2.SubscriptionEntry{
			Topic: p.consumer.client.resource(f.topic), Expression: f.filter.Load().proto(),
		})
	}
	s.PubSub = &v2.Settings_Subscription{Subscription: sub}
}

func (p *pusher) sortedFeeds() []*feed {
	s := &p.subscriptions
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.SortedFunc(maps.Values(s.feeds), func(a, b *feed) int { return strings.Compare(a.topic, b.topic) })
}
