package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"

	"github.com/rocketflow-io/rocketflow/client"
)

const (
	pollSize       = 32 // the most that servers give
	await          = 5 * time.Second
	lease          = time.Minute
	pushCache      = 1024 // messages: the official client's default
	pushCacheBytes = 64 << 20

	callers   = 64
	window    = 1024
	receivers = 8
)

func rows() []*row {
	return []*row{
		{name: "send64", shape: fmt.Sprintf("%d goroutines, each with one Send at a time", callers), begin: sending(callers, 0)},
		{name: "sendasync", shape: fmt.Sprintf("SendAsync with up to %d messages under way", window), begin: sending(1, window)},
		{name: "send1-latency", latency: true, shape: "one Send at a time", begin: sending(1, 0)},
		{
			name: "simple", begin: beginSimple,
			shape: fmt.Sprintf("%d goroutines, each receives up to %d messages and acknowledges them", receivers, pollSize),
		},
		{
			name: "push", begin: beginPush,
			shape: fmt.Sprintf("20 handlers that do nothing, a cache of %d messages", pushCache),
		},
		{
			name: "transform", begin: beginTransform, bare: "hand",
			shape: "consume, transform, produce, acknowledge; official: a listener that sends each by Send",
		},
	}
}

// sending begins a row of producers, with so many callers of Send, or a window of SendAsync.
func sending(callers, window int) func(context.Context, *server, options) (*sides, error) {
	return func(ctx context.Context, s *server, o options) (*sides, error) {
		topic, err := s.topic(ctx)
		if err != nil {
			return nil, err
		}
		bare, err := newBareProducer(ctx, s, topic, o.round, shapes(max(callers, window))...)
		if err != nil {
			return nil, err
		}
		us, err := newOurProducer(s, topic, o.round, callers, window)
		if err != nil {
			return nil, errors.Join(err, bare.Close())
		}
		theirs, err := newOfficialProducer(s, topic, o.round, callers, window)
		if err != nil {
			return nil, errors.Join(err, bare.Close(), us.Close())
		}
		return &sides{official: theirs, us: us, bare: bare, bareShape: bare.describe()}, nil
	}
}

// shapes are the ways to have so many messages under way, with up to 256 in a request.
func shapes(underWay int) []sendShape {
	var out []sendShape
	for messages := 1; messages <= min(underWay, 256); messages *= 2 {
		if requests := underWay / messages; requests <= 64 {
			out = append(out, sendShape{requests, messages})
		}
	}
	return out
}

// A backlog is a topic with messages, which every group that is new has before it.
type backlog struct {
	server *server
	topic  string
	enough int // that a competitor is to consume
}

// newBacklog fills a topic with twice as many messages as are to be consumed, so that nobody ever
// waits for the last.
func newBacklog(ctx context.Context, s *server, o options) (b *backlog, err error) {
	topic, err := s.topic(ctx)
	if err != nil {
		return nil, err
	}
	c, err := client.New(s.endpoint, client.WithPlaintext())
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	p, err := c.NewProducer()
	if err != nil {
		return nil, err
	}
	batch := make([]*client.Message, pollSize)
	for i := range batch {
		batch[i] = &client.Message{Topic: topic, Body: make([]byte, bodySize)}
	}
	for sent := 0; sent < 2*o.messages+2*pushCache; sent += len(batch) {
		if _, err := p.SendBatch(ctx, batch); err != nil {
			return nil, err
		}
	}
	return &backlog{s, topic, o.messages}, nil
}

func beginSimple(ctx context.Context, s *server, o options) (*sides, error) {
	b, err := newBacklog(ctx, s, o)
	if err != nil {
		return nil, err
	}
	bare, err := newBareConsumer(ctx, b, v2.ClientType_SIMPLE_CONSUMER, 2, 4, receivers)
	if err != nil {
		return nil, err
	}
	return &sides{
		official: officialSimple{b, receivers}, us: ourSimple{b, receivers},
		bare: bare, bareShape: bare.describe(),
	}, nil
}

func beginPush(ctx context.Context, s *server, o options) (*sides, error) {
	b, err := newBacklog(ctx, s, o)
	if err != nil {
		return nil, err
	}
	bare, err := newBareConsumer(ctx, b, v2.ClientType_PUSH_CONSUMER, 2, 4, 8, 16, pushCache/pollSize)
	if err != nil {
		return nil, err
	}
	return &sides{official: newOfficialPush(b), us: ourPush{b}, bare: bare, bareShape: bare.describe()}, nil
}

// bareConsumer receives and acknowledges by grpc calls, in so many goroutines.
type bareConsumer struct {
	*backlog
	kind  v2.ClientType
	polls int
}

// newBareConsumer returns one with the number of polls at once that is fastest.
func newBareConsumer(ctx context.Context, b *backlog, kind v2.ClientType, polls ...int) (bareConsumer, error) {
	c := bareConsumer{backlog: b, kind: kind}
	var err error
	c.polls, err = fastest(polls, func(n int) (float64, error) {
		c.polls = n
		return c.Run(ctx)
	})
	return c, err
}

func (c bareConsumer) describe() string {
	return fmt.Sprintf("%d polls for %d messages at once, each followed by one request with its acknowledgements", c.polls, pollSize)
}

func (bareConsumer) Close() error { return nil }

func (c bareConsumer) Run(ctx context.Context) (rate float64, err error) {
	group, err := c.server.group(ctx)
	if err != nil {
		return 0, err
	}
	b, err := dialBare(ctx, c.server, c.topic, consumerSettings(c.kind, group, c.topic))
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	r := receiver{b, receiveRequest(c.kind, group, b.queue)}
	return consume(b.ctx, c.polls, c.enough, r.poll)
}
