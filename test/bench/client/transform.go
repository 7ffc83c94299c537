package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"

	official "github.com/apache/rocketmq-clients/golang/v5"
	peer "github.com/reugn/go-streams/flow"

	"github.com/rocketflow-io/rocketflow/client"
	"github.com/rocketflow-io/rocketflow/flow"
	"github.com/rocketflow-io/rocketflow/flow/gostreams"
	"github.com/rocketflow-io/rocketflow/flow/stage"
	"github.com/rocketflow-io/rocketflow/sinks"
	"github.com/rocketflow-io/rocketflow/sources"
)

// transformation is the job of the row: what a topic has goes changed to another, and is acknowledged
// when it is there. The time is that from the first message that was stored to the last that is wanted.
type transformation struct {
	*backlog
	out string // the topic that it goes to
}

// transformed turns a body round.
func transformed(body []byte) []byte {
	out := slices.Clone(body)
	slices.Reverse(out)
	return out
}

// often is how many times as much the fast ones do in a round: else it would be over in a moment.
const often = 5

func beginTransform(ctx context.Context, s *server, o options) (*sides, error) {
	few := o.messages
	o.messages *= often
	b, err := newBacklog(ctx, s, o)
	if err != nil {
		return nil, err
	}
	out, err := s.topic(ctx)
	if err != nil {
		return nil, err
	}
	t := transformation{b, out}
	theirs, err := newOfficialTransform(transformation{&backlog{s, b.topic, few}, out})
	if err != nil {
		return nil, err
	}
	return &sides{
		official: theirs, us: ourTransform{t}, bare: handTransform{t},
		bareShape: fmt.Sprintf("%d goroutines around our client, each receives up to %d messages, sends them by SendBatch, and acknowledges them",
			sources.DefaultPolls, pollSize),
		beside: streamsTransform{t}, besideName: "gostreams",
	}, nil
}

// ourTransform is the job as a pipeline, with default options.
type ourTransform struct{ transformation }

func (ourTransform) Close() error { return nil }

func (u ourTransform) Run(ctx context.Context) (rate float64, err error) {
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
	p := flow.From(sources.RocketMQ(c, u.topic, group)).
		Map(func(m *client.Message) *client.Message { return &client.Message{Body: transformed(m.Body)} }).
		To(metered{sinks.RocketMQ(c, u.out), m})
	ctx, end := context.WithCancel(ctx)
	ran := make(chan error, 1)
	go func() { ran <- p.Run(ctx) }()
	rate, err = m.rate(ctx)
	end()
	return rate, errors.Join(err, <-ran)
}

// metered counts what a sink has written.
type metered struct {
	*sinks.RocketMQSink[*client.Message]
	meter *meter
}

func (s metered) Open(ctx context.Context) (stage.Writer[*client.Message], error) {
	w, err := s.RocketMQSink.Open(ctx)
	return meteredWriter{w, s.meter}, err
}

type meteredWriter struct {
	stage.Writer[*client.Message]
	meter *meter
}

func (w meteredWriter) Write(ctx context.Context, b stage.Batch[*client.Message]) error {
	err := w.Writer.Write(ctx, b)
	if err == nil {
		for range b.Values {
			w.meter.tick()
		}
	}
	return err
}

// handTransform is the job as a loop written by hand.
type handTransform struct{ transformation }

func (handTransform) Close() error { return nil }

func (h handTransform) Run(ctx context.Context) (rate float64, err error) {
	group, err := h.server.group(ctx)
	if err != nil {
		return 0, err
	}
	c, err := client.New(h.server.endpoint, client.WithPlaintext())
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	consumer, err := c.NewSimpleConsumer(group, map[string]client.Filter{h.topic: client.All()})
	if err != nil {
		return 0, err
	}
	producer, err := c.NewProducer()
	if err != nil {
		return 0, err
	}
	m := newMeter(h.enough)
	_, err = consume(ctx, sources.DefaultPolls, h.enough, func(ctx context.Context) (int, error) {
		got, err := consumer.Receive(ctx, pollSize, lease)
		if err != nil {
			return 0, err
		}
		batch := make([]*client.Message, len(got))
		for i, d := range got {
			batch[i] = &client.Message{Topic: h.out, Body: transformed(d.Body)}
		}
		if _, err := producer.SendBatch(ctx, batch); err != nil {
			return 0, err
		}
		for range batch {
			m.tick()
		}
		return len(got), consumer.Ack(ctx, got...)
	})
	if err != nil {
		return 0, err
	}
	return m.rate(ctx)
}

// streamsTransform is the job as a graph of go-streams, with this client at its ends.
type streamsTransform struct{ transformation }

func (streamsTransform) Close() error { return nil }

func (s streamsTransform) Run(ctx context.Context) (rate float64, err error) {
	group, err := s.server.group(ctx)
	if err != nil {
		return 0, err
	}
	c, err := client.New(s.server.endpoint, client.WithPlaintext())
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	ctx, end := context.WithCancel(ctx)
	defer end()
	source, err := gostreams.NewSource(ctx, c, s.topic, group)
	if err != nil {
		return 0, err
	}
	m := newMeter(s.enough)
	sink := gostreams.SinkOf[*client.Message](ctx, metered{sinks.RocketMQ(c, s.out), m})
	go source.Via(peer.NewMap(func(d *client.Delivery) *gostreams.Delivery[*client.Message] {
		return gostreams.Wrap(d).With(&client.Message{Body: transformed(d.Body)})
	}, 1)).To(sink)
	rate, err = m.rate(ctx)
	end()
	sink.AwaitCompletion()
	return rate, err
}

// officialTransform is the job with the official client, as its documentation shows it: the listener of
// a push consumer sends, and returns success when that has succeeded. Its consumers are stopped at the
// end of the row (see officialPush).
type officialTransform struct {
	officialPush
	out      string
	producer official.Producer
}

func newOfficialTransform(t transformation) (officialTransform, error) {
	p, err := official.NewProducer(officialConfig(t.server, ""), official.WithTopics(t.out))
	if err != nil {
		return officialTransform{}, err
	}
	return officialTransform{newOfficialPush(t.backlog), t.out, p}, p.Start()
}

func (f officialTransform) Close() error {
	return errors.Join(f.officialPush.Close(), f.producer.GracefulStop())
}

func (f officialTransform) Run(ctx context.Context) (float64, error) {
	m := newMeter(f.enough)
	var taken atomic.Int64
	return f.listen(ctx, m, func(v *official.MessageView) official.ConsumerResult {
		if taken.Add(1) > int64(f.enough) {
			<-f.over
			return official.SUCCESS
		}
		if _, err := f.producer.Send(ctx, &official.Message{Topic: f.out, Body: transformed(v.GetBody())}); err != nil {
			f.err.note(err)
			return official.FAILURE
		}
		m.tick()
		return official.SUCCESS
	})
}
