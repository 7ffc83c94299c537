package sinks

import (
	"context"
	"errors"
	"fmt"

	"github.com/rocketflow-io/rocketflow/client"
	"github.com/rocketflow-io/rocketflow/flow/stage"
)

// RocketMQSink sends messages to a topic, made by [RocketMQ] or [RocketMQOf].
type RocketMQSink[T any] struct {
	client *client.Client
	topic  string
	encode func(T) (*client.Message, error)
	cfg    rocketMQConfig
}

var (
	_ stage.Sink[*client.Message] = (*RocketMQSink[*client.Message])(nil)
	_ stage.SinkDescriber         = (*RocketMQSink[*client.Message])(nil)
)

// RocketMQOption adjusts a [RocketMQ] sink.
type RocketMQOption func(*rocketMQConfig)

type rocketMQConfig struct {
	concurrency int
	producer    []client.ProducerOption
}

// WithConcurrency lets up to n batches be sent at once. The default is 1, which keeps order; less
// than 1 means 1. With more, messages of one message group may be stored in another order, unless
// the pipeline's source is keyed by it.
func WithConcurrency(n int) RocketMQOption {
	return func(c *rocketMQConfig) { c.concurrency = n }
}

// WithProducer passes options to the producer, such as client.WithMaxAttempts.
func WithProducer(opts ...client.ProducerOption) RocketMQOption {
	return func(c *rocketMQConfig) { c.producer = append(c.producer, opts...) }
}

// RocketMQ sends messages to the topic, whatever Topic they have themselves. What was set on
// receipt is ignored, so a received message can be sent on as it is.
//
// The messages of a write are sent together, as far as the server allows; those of a message group
// are stored in the order of the pipeline. A message is safe when the server has stored it. One that
// the server may have stored without an answer is sent again, and is then there twice. After a
// failure the later messages of its message group, and the later records of its key, are not sent
// either, so that order is kept.
func RocketMQ(c *client.Client, topic string, opts ...RocketMQOption) *RocketMQSink[*client.Message] {
	return RocketMQOf(c, topic, func(m *client.Message) (*client.Message, error) {
		if m == nil {
			return nil, errors.New("the message is nil")
		}
		return m, nil
	}, opts...)
}

// RocketMQOf is [RocketMQ] for values that encode turns into messages. An error of encode fails the
// value, for good. The message is not changed, and must not be until it has been sent.
func RocketMQOf[T any](c *client.Client, topic string, encode func(T) (*client.Message, error), opts ...RocketMQOption) *RocketMQSink[T] {
	s := &RocketMQSink[T]{client: c, topic: topic, encode: encode}
	for _, opt := range opts {
		opt(&s.cfg)
	}
	return s
}

// SinkTraits names the sink by its topic. With a concurrency of 1 it keeps the order of keys.
func (s *RocketMQSink[T]) SinkTraits() stage.SinkTraits {
	return stage.SinkTraits{
		Name: "rocketmq " + s.topic, Concurrency: s.cfg.concurrency, OrderedKeys: s.cfg.concurrency <= 1,
	}
}

// Open makes a producer, which asks the server nothing before the first message. It fails if a
// producer option is at fault or the client is closed.
func (s *RocketMQSink[T]) Open(context.Context) (stage.Writer[T], error) {
	p, err := s.client.NewProducer(append([]client.ProducerOption{client.WithTopics(s.topic)}, s.cfg.producer...)...)
	if err != nil {
		return nil, stage.Permanent(fmt.Errorf("sinks: send to %q: %w", s.topic, err))
	}
	return &rocketMQWriter[T]{sink: s, producer: p}, nil
}

type rocketMQWriter[T any] struct {
	sink     *RocketMQSink[T]
	producer *client.Producer
}

// Write sends the values and returns when the server has answered for each. A value that failed is
// named; what is not named is stored.
func (w *rocketMQWriter[T]) Write(ctx context.Context, b stage.Batch[T]) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s := sending{producer: w.producer, topic: w.sink.topic, at: b.At, broken: make(map[string]int)}
	for i, v := range b.Values {
		m, err := w.message(v)
		if err != nil {
			s.fail(i, stage.Permanent(fmt.Errorf("sinks: encode for %q: %w", s.topic, err)))
			continue
		}
		s.left = append(s.left, letter{i, m})
	}
	for len(s.left) > 0 {
		s.send(ctx, s.round())
	}
	return s.failed.OrNil()
}

// message gives a copy, since it has to have the sink's topic.
func (w *rocketMQWriter[T]) message(v T) (*client.Message, error) {
	m, err := w.sink.encode(v)
	if err != nil {
		return nil, err
	}
	if m == nil {
		return nil, errors.New("there is no message")
	}
	addressed := *m
	addressed.Topic = w.sink.topic
	return &addressed, nil
}

// Close waits for what is being sent. It is safe to call it again.
func (w *rocketMQWriter[T]) Close(context.Context) error {
	if err := w.producer.Close(); err != nil {
		return fmt.Errorf("sinks: close producer for %q: %w", w.sink.topic, err)
	}
	return nil
}

// sending is one write.
type sending struct {
	producer *client.Producer
	topic    string
	at       func(int) stage.Info
	left     []letter
	broken   map[string]int // the first failure of a key, by its index
	failed   stage.BatchError
}

// letter is a message and its place in the batch.
type letter struct {
	index   int
	message *client.Message
}

// round takes from what is left the messages that may be sent together. Rule 8: of a key, those whose
// order the message group keeps, or one.
func (s *sending) round() []letter {
	var now, later []letter
	groups := make(map[string]string) // by key
	for _, l := range s.left {
		key, group := s.at(l.index).Key, l.message.MessageGroup
		before, seen := groups[key]
		switch {
		case key == "" || !seen || group != "" && group == before:
			now = append(now, l)
			groups[key] = group
		default:
			later = append(later, l)
			groups[key] = "\x00" // no group: what follows of the key is for later too
		}
	}
	s.left = later
	return now
}

func (s *sending) send(ctx context.Context, round []letter) {
	var letters []letter
	var messages []*client.Message
	for _, l := range round {
		// A value that is no message has failed before any was sent, and those before it are not to blame.
		if first, ok := s.broken[s.at(l.index).Key]; ok && first < l.index {
			s.fail(l.index, fmt.Errorf("sinks: not sent to %q: a message of the same key failed before it: %w", s.topic, stage.ErrHandedBack))
			continue
		}
		letters, messages = append(letters, l), append(messages, l.message)
	}
	_, err := s.producer.SendBatch(ctx, messages)
	if err == nil {
		return
	}
	var some *client.BatchError
	if !errors.As(err, &some) { // nothing was sent
		for _, l := range letters {
			s.fail(l.index, s.explain(err))
		}
		return
	}
	for at, err := range some.Errors {
		s.fail(letters[at].index, s.explain(err))
	}
}

func (s *sending) fail(i int, err error) {
	s.failed.Fail(i, err)
	key := s.at(i).Key
	if first, ok := s.broken[key]; key != "" && (!ok || i < first) {
		s.broken[key] = i
	}
}

// explain tells failures that may pass from those that do not, and from messages held back behind a
// failed one.
func (s *sending) explain(err error) error {
	wrapped := fmt.Errorf("sinks: send to %q: %w", s.topic, err)
	if errors.Is(err, client.ErrNotSent) {
		return fmt.Errorf("%w: %w", wrapped, stage.ErrHandedBack)
	}
	if !client.Temporary(err) {
		return stage.Permanent(wrapped)
	}
	return wrapped
}
