package sinks

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/rocketflow-io/rocketflow/client"
	"github.com/rocketflow-io/rocketflow/flow/stage"
	"github.com/rocketflow-io/rocketflow/state"
)

// DefaultRemember is how long a [RocketMQOnce] sink remembers what it has sent, unless
// [RememberFor] says otherwise: what RocketMQ keeps messages for by default.
const DefaultRemember = 72 * time.Hour

// Properties of the messages of a [RocketMQOnce] sink.
const (
	PropertyOutput      = "rocketflow-output"      // what the message is known by, hashed
	PropertyTransaction = "rocketflow-transaction" // the attempt to send it
)

// RocketMQOnceSink sends messages in transactions, made by [RocketMQOnce].
type RocketMQOnceSink[T any] struct {
	client *client.Client
	topic  string
	store  state.Store
	id     func(T, stage.Info) string
	encode func(T) (*client.Message, error)
	cfg    onceConfig
}

var (
	_ stage.Sink[int]              = (*RocketMQOnceSink[int])(nil)
	_ stage.SinkDescriber          = (*RocketMQOnceSink[int])(nil)
	_ func(int, stage.Info) string = ByInput[int]
)

// RocketMQOnce sends values to a topic of type TRANSACTION, each once, however often it comes: after a
// crash at any moment, after an acknowledgement that was lost, and from another process of the group
// that got the message a second time. Beside a source of RocketMQ this is effectively once: consumers
// of the topic see one output for each input.
//
// What a value is known by is said by id, which must give the same for the same value when its input
// comes again. [ByInput] is right for pipelines that make one output of an input; of an input that
// becomes several the id must tell them apart, and of a window it is the pane's. Two values of one
// write with the same id and attempt fail: one of them would be lost.
//
// # How
//
// The message is sent in a transaction, which the server keeps back. Then the store gets an entry, by
// the id, which says that this transaction is the one; only then is the transaction committed, and the
// input acknowledged. What comes again finds the entry, and is done. If two send the same, one of them
// makes the entry, and the other rolls back. If the commit does not get through, or the process dies
// before it, the server asks a producer of the topic, in any process that runs such a sink, which
// commits what the store has an entry for. What it has none for is called off, in the store, before it
// is rolled back, so that a process which was thought dead can no longer make the entry: it sends anew.
//
// The store must be one that survives what the pipeline is to survive, and be shared by the processes
// of the group: see package state.
//
// A value fails if its message cannot be encoded or sent, or the store does not answer. It is then
// not sent, or called off later by the server's question.
func RocketMQOnce[T any](c *client.Client, topic string, store state.Store, id func(T, stage.Info) string,
	encode func(T) (*client.Message, error), opts ...OnceOption,
) *RocketMQOnceSink[T] {
	s := &RocketMQOnceSink[T]{client: c, topic: topic, store: store, id: id, encode: encode, cfg: onceConfig{
		remember: DefaultRemember, log: slog.New(slog.DiscardHandler),
	}}
	for _, opt := range opts {
		opt(&s.cfg)
	}
	return s
}

// ByInput knows a value by the id of the record that it came of.
func ByInput[T any](_ T, info stage.Info) string { return info.ID }

// OnceOption adjusts a [RocketMQOnce] sink.
type OnceOption func(*onceConfig)

type onceConfig struct {
	remember time.Duration
	producer []client.ProducerOption
	log      *slog.Logger
}

// RememberFor sets how long the store remembers what was sent. It must be longer than an input may come
// again, all its redeliveries included; the default is [DefaultRemember].
func RememberFor(d time.Duration) OnceOption { return func(c *onceConfig) { c.remember = d } }

// OnceProducer passes options to the producer, but for the number of attempts: a second attempt of a
// transaction could leave a second message, so the sink begins a new transaction instead.
func OnceProducer(opts ...client.ProducerOption) OnceOption {
	return func(c *onceConfig) { c.producer = append(c.producer, opts...) }
}

// OnceLogger gets what does not fail a value: transactions whose end did not get through, and questions
// that the store had no answer to. The default discards it.
func OnceLogger(log *slog.Logger) OnceOption { return func(c *onceConfig) { c.log = log } }

// SinkTraits names the sink by its topic.
func (s *RocketMQOnceSink[T]) SinkTraits() stage.SinkTraits {
	return stage.SinkTraits{Name: "rocketmq " + s.topic + " once"}
}

// Open makes a producer and makes it known to the server, so that transactions which an earlier run has
// left open are decided. It fails if an option is at fault or the client is closed.
func (s *RocketMQOnceSink[T]) Open(context.Context) (stage.Writer[T], error) {
	switch {
	case s.store == nil || s.id == nil || s.encode == nil:
		return nil, stage.Permanent(fmt.Errorf("sinks: send once to %q: store, id and encode must be given", s.topic))
	case s.cfg.remember <= 0:
		return nil, stage.Permanent(fmt.Errorf("sinks: send once to %q: remember for %v: it must be more than 0", s.topic, s.cfg.remember))
	}
	sent := verdicts{
		store: s.store,
		table: state.NewTable[string, verdict]("rocketflow-sent-" + hashed(s.topic)).Expire(s.cfg.remember),
	}
	opts := append([]client.ProducerOption{}, s.cfg.producer...)
	opts = append(opts, client.WithTopics(s.topic), client.WithMaxAttempts(1), client.WithTransactionChecker(s.checker(sent)))
	p, err := s.client.NewProducer(opts...)
	if err != nil {
		return nil, stage.Permanent(fmt.Errorf("sinks: send once to %q: %w", s.topic, err))
	}
	return &onceWriter[T]{sink: s, producer: p, sent: sent}, nil
}

// checker answers the server's questions.
func (s *RocketMQOnceSink[T]) checker(sent verdicts) func(context.Context, *client.Message) client.Resolution {
	return func(ctx context.Context, m *client.Message) client.Resolution {
		key, token := m.Properties[PropertyOutput], m.Properties[PropertyTransaction]
		if key == "" || token == "" {
			s.cfg.log.WarnContext(ctx, "asked about a transaction that is none of this sink's", "topic", s.topic, "message", m.ID)
			return client.ResolutionUnknown
		}
		is, err := sent.callOff(ctx, key, token)
		switch {
		case err != nil:
			s.cfg.log.WarnContext(ctx, "the store does not tell what became of a transaction; the server will ask again",
				"topic", s.topic, "message", m.ID, "error", err)
			return client.ResolutionUnknown
		case is:
			return client.ResolutionCommit
		}
		return client.ResolutionRollback
	}
}

// verdict says which transaction has sent a value.
type verdict struct {
	Token string `json:"token"`
	Sent  bool   `json:"sent"` // else the transaction was called off
}

// verdicts are the entries of the store, by the hash of the value's id.
type verdicts struct {
	store state.Store
	table state.Table[string, verdict]
}

// read gives what the store says of values.
func (v verdicts) read(ctx context.Context, ids []string) ([]state.Item[string, verdict], error) {
	keys := make([]string, len(ids))
	for i, id := range ids {
		keys[i] = hashed(id)
	}
	return v.table.GetAll(ctx, v.store, keys...)
}

// callOff tells whether a transaction is the one that has sent a value. If none is, it sees to it that
// this one cannot be any more.
func (v verdicts) callOff(ctx context.Context, key, token string) (sent bool, err error) {
	item, err := v.table.Update(ctx, v.store, key, func(item state.Item[string, verdict]) (verdict, error) {
		if item.Found() && item.Value.Sent {
			return verdict{}, errDecided
		}
		return verdict{Token: token}, nil
	})
	if errors.Is(err, errDecided) {
		return item.Value.Token == token, nil
	}
	return false, err
}

var errDecided = errors.New("sinks: decided")

// hashed makes a key of fixed size.
func hashed(id string) string {
	sum := sha256.Sum256([]byte(id))
	return hex.EncodeToString(sum[:16])
}
