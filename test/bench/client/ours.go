package main

import (
	"context"
	"errors"
	"time"

	"github.com/rocketflow-io/rocketflow/client"
)

// ourProducer sends with this client, as it comes.
type ourProducer struct {
	client   *client.Client
	producer *client.Producer
	message  *client.Message
	round    time.Duration
	callers  int
	window   int // of SendAsync; 0: messages are sent by Send
}

func newOurProducer(s *server, topic string, round time.Duration, callers, window int) (*ourProducer, error) {
	c, err := client.New(s.endpoint, client.WithPlaintext())
	if err != nil {
		return nil, err
	}
	p, err := c.NewProducer(client.WithWindow(max(window, 1)))
	if err != nil {
		return nil, errors.Join(err, c.Close())
	}
	message := &client.Message{Topic: topic, Body: make([]byte, bodySize)}
	return &ourProducer{c, p, message, round, callers, window}, nil
}

func (u *ourProducer) Close() error { return u.client.Close() }

func (u *ourProducer) Run(ctx context.Context) (float64, error) {
	if u.window > 0 {
		return u.async(ctx)
	}
	return sendFor(ctx, u.round, u.callers, 1, func(ctx context.Context) error {
		_, err := u.producer.Send(ctx, u.message)
		return err
	})
}

func (u *ourProducer) async(ctx context.Context) (float64, error) {
	var problem firstError
	count, begun := 0, time.Now()
	for time.Since(begun) < u.round {
		u.producer.SendAsync(ctx, u.message, func(_ client.Receipt, err error) {
			if err != nil {
				problem.note(err)
			}
		})
		count++
	}
	err := u.producer.Flush(ctx)
	return float64(count) / time.Since(begun).Seconds(), errors.Join(err, problem.get())
}

// ourSimple receives and acknowledges with this client, a whole poll in one call of Ack.
type ourSimple struct {
	*backlog
	receivers int
}

func (ourSimple) Close() error { return nil }

func (u ourSimple) Run(ctx context.Context) (rate float64, err error) {
	group, err := u.server.group(ctx)
	if err != nil {
		return 0, err
	}
	c, err := client.New(u.server.endpoint, client.WithPlaintext())
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	consumer, err := c.NewSimpleConsumer(group, map[string]client.Filter{u.topic: client.All()})
	if err != nil {
		return 0, err
	}
	if _, err := consumer.Settings(ctx); err != nil { // connects and joins
		return 0, err
	}
	return consume(ctx, u.receivers, u.enough, func(ctx context.Context) (int, error) {
		got, err := consumer.Receive(ctx, pollSize, lease)
		if err != nil {
			return 0, err
		}
		return len(got), consumer.Ack(ctx, got...)
	})
}

// ourPush consumes with this client's push consumer.
type ourPush struct{ *backlog }

func (ourPush) Close() error { return nil }

func (u ourPush) Run(ctx context.Context) (rate float64, err error) {
	group, err := u.server.group(ctx)
	if err != nil {
		return 0, err
	}
	c, err := client.New(u.server.endpoint, client.WithPlaintext())
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	m := newMeter(u.enough)
	consumer, err := c.NewPushConsumer(group, map[string]client.Filter{u.topic: client.All()},
		func(context.Context, *client.Message) error {
			m.tick()
			return nil
		}, client.WithCacheLimit(pushCache, pushCacheBytes))
	if err != nil {
		return 0, err
	}
	ran := make(chan error, 1)
	go func() { ran <- consumer.Run(ctx) }()
	rate, err = m.rate(ctx)
	return rate, errors.Join(err, consumer.Close(), <-ran)
}
