package gostreams

import (
	"context"
	"errors"
	"fmt"

	"github.com/rocketflow-io/rocketflow/client"
	"github.com/rocketflow-io/rocketflow/flow/stage"
)

// NewSink makes a streams.Sink that sends messages.
//
// What it promises:
//   - Takes: a *client.Message, or a delivery that carries one, such as gostreams.Wrap(d).With(m) for
//     the message that came of d. A message that names no topic goes to the sink's.
//   - Settles: a delivery done when its message is stored, and back when it could not be sent.
//   - Duplicates: a message that was stored without an answer is sent again.
//   - Order: messages of a message group that come one after the other are stored in that order. After
//     a failure, later ones that were already read are handed back too.
//   - Starts and ends as [SinkOf] says; the producer is closed at the end.
//
// It fails if the topic is empty.
func NewSink(ctx context.Context, c *client.Client, topic string, opts ...Option) (*Sink, error) {
	if topic == "" {
		return nil, errors.New("gostreams: sink: no topic: name one")
	}
	return SinkOf(ctx, messages{client: c, topic: topic}, opts...), nil
}

// messages is a topic as a sink.
type messages struct {
	client *client.Client
	topic  string
}

var (
	_ stage.Sink[*client.Message] = messages{}
	_ stage.SinkDescriber         = messages{}
)

// SinkTraits names the sink.
func (m messages) SinkTraits() stage.SinkTraits {
	return stage.SinkTraits{Name: "topic " + m.topic}
}

// Open makes a producer.
func (m messages) Open(context.Context) (stage.Writer[*client.Message], error) {
	p, err := m.client.NewProducer(client.WithTopics(m.topic))
	if err != nil {
		return nil, fmt.Errorf("gostreams: sink %q: %w", m.topic, err)
	}
	return messageWriter{m.topic, p}, nil
}

type messageWriter struct {
	topic    string
	producer *client.Producer
}

// Write sends the messages, those of one topic together.
func (w messageWriter) Write(ctx context.Context, b stage.Batch[*client.Message]) error {
	var failed stage.BatchError
	byTopic := make(map[string][]int)
	sent := make([]*client.Message, b.Len())
	for i, m := range b.Values {
		if m == nil {
			failed.Fail(i, stage.Permanent(errors.New("gostreams: message is nil")))
			continue
		}
		sent[i] = w.addressed(m)
		byTopic[sent[i].Topic] = append(byTopic[sent[i].Topic], i)
	}
	for _, indexes := range byTopic {
		w.send(ctx, sent, indexes, &failed)
	}
	return failed.OrNil()
}

// addressed gives the message with its topic. The user's own is not changed.
func (w messageWriter) addressed(m *client.Message) *client.Message {
	if m.Topic != "" {
		return m
	}
	addressed := *m
	addressed.Topic = w.topic
	return &addressed
}

func (w messageWriter) send(ctx context.Context, all []*client.Message, indexes []int, failed *stage.BatchError) {
	batch := make([]*client.Message, len(indexes))
	for n, i := range indexes {
		batch[n] = all[i]
	}
	_, err := w.producer.SendBatch(ctx, batch)
	var some *client.BatchError
	switch {
	case err == nil:
	case errors.As(err, &some):
		for n, err := range some.Errors {
			failed.Fail(indexes[n], err)
		}
	default: // nothing was sent
		for _, i := range indexes {
			failed.Fail(i, err)
		}
	}
}

// Close closes the producer.
func (w messageWriter) Close(context.Context) error { return w.producer.Close() }
