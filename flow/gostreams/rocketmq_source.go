package gostreams

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/rocketflow-io/rocketflow/client"
	"github.com/rocketflow-io/rocketflow/internal/pacing"
)

// Defaults of [NewSource].
const (
	DefaultInvisibleDuration = 5 * time.Minute
	DefaultMaxMessages       = 16
)

// SourceOption adjusts [NewSource].
type SourceOption func(*sourceConfig)

type sourceConfig struct {
	filter    client.Filter
	invisible time.Duration
	max       int
	consumer  []client.ConsumerOption
	log       *slog.Logger
}

// WithFilter selects messages in the server. The default is all. All consumers of a group must want
// the same.
func WithFilter(f client.Filter) SourceOption { return func(c *sourceConfig) { c.filter = f } }

// WithInvisibleDuration sets how long a message may be out before it comes again, from 10 seconds to
// 12 hours. The default is [DefaultInvisibleDuration]. It has to suffice for the whole way through
// the graph, waits included. Zero or less fails at NewSource, and what the server refuses at the first
// poll.
func WithInvisibleDuration(d time.Duration) SourceOption {
	return func(c *sourceConfig) { c.invisible = d }
}

// WithMaxMessages sets how many messages one poll may bring, of which servers give 32 at most. The
// default is [DefaultMaxMessages]; below 1 fails at NewSource. They wait in the source, at the cost of
// their leases, until the graph takes them.
func WithMaxMessages(n int) SourceOption { return func(c *sourceConfig) { c.max = n } }

// WithConsumer passes options to the consumer.
func WithConsumer(opts ...client.ConsumerOption) SourceOption {
	return func(c *sourceConfig) { c.consumer = append(c.consumer, opts...) }
}

// WithSourceLogger logs polls that failed and are tried again, and messages that could not be handed
// back. The default discards it.
func WithSourceLogger(l *slog.Logger) SourceOption { return func(c *sourceConfig) { c.log = l } }

// NewSource makes a topic a streams.Source of [*client.Delivery].
//
// What it promises:
//   - Gives: each message as a delivery. Who takes it settles it: by its own methods, or by an adapter
//     downstream that it reaches, such as [NewSink]. What is not settled comes again.
//   - Ends: when ctx ends, or by an error that no retry can mend, such as a topic that does not exist.
//     Others are retried, for ever. Then the output is closed, and Err tells.
//   - Never hangs: when ctx ends, what was received and not taken is handed back at once, and no
//     attempt counted for it, unless the group is FIFO.
//   - Leases: a message that waited in the source for its whole lease is not given.
//   - Order: of the polls. On a FIFO group, who takes the messages keeps each group's order.
//
// [Source.Close] leaves the consumer group; deliveries can be settled until then, or until c is closed.
// It fails if topic, group, filter or an option cannot be right.
func NewSource(ctx context.Context, c *client.Client, topic, group string, opts ...SourceOption) (*Source, error) {
	cfg := sourceConfig{
		invisible: DefaultInvisibleDuration, max: DefaultMaxMessages, log: slog.New(slog.DiscardHandler),
	}
	for _, o := range opts {
		o(&cfg)
	}
	if cfg.invisible <= 0 || cfg.max < 1 {
		return nil, fmt.Errorf("gostreams: source %q: invisible duration %v, %d messages a poll: both must be positive",
			topic, cfg.invisible, cfg.max)
	}
	consumer, err := c.NewSimpleConsumer(group, map[string]client.Filter{topic: cfg.filter}, cfg.consumer...)
	if err != nil {
		return nil, fmt.Errorf("gostreams: source %q: %w", topic, err)
	}
	p := &poller{ctx: ctx, topic: topic, cfg: cfg, consumer: consumer}
	s := newSource(p.run)
	s.end = consumer.Close
	return s, nil
}

// poller receives messages and gives them away.
type poller struct {
	ctx      context.Context
	topic    string
	cfg      sourceConfig
	consumer *client.SimpleConsumer
}

func (p *poller) run(out chan<- any) error {
	retry := pacing.Forever()
	for p.ctx.Err() == nil {
		got, err := p.consumer.Receive(p.ctx, p.cfg.max, p.cfg.invisible)
		p.handOut(got, out)
		switch {
		case err == nil:
			retry.Reset()
		case p.ctx.Err() != nil:
			return nil
		case !client.Temporary(err):
			return fmt.Errorf("gostreams: source %q: %w", p.topic, err)
		default:
			p.cfg.log.WarnContext(p.ctx, "receive failed, to be tried again", "topic", p.topic, "error", err)
			_ = pacing.Wait(p.ctx, retry.NextBackOff())
		}
	}
	return nil
}

func (p *poller) handOut(got []*client.Delivery, out chan<- any) {
	for i, d := range got {
		if !p.give(d, out) {
			p.handBack(got[i:])
			return
		}
	}
}

// give waits until the message is taken; false if the context ends first. When its lease does, it is
// no longer ours to give.
func (p *poller) give(d *client.Delivery, out chan<- any) bool {
	switch offer(p.ctx, out, d, d.Expires()) {
	case stopped:
		return false
	case expired:
		p.cfg.log.WarnContext(p.ctx, "message waited for its whole lease and comes again",
			"topic", p.topic, "message", d.ID)
	}
	return true
}

// handBack returns what nobody took. What cannot be returned comes again when its lease ends.
func (p *poller) handBack(rest []*client.Delivery) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(p.ctx), handBackTimeout)
	defer cancel()
	for _, d := range rest {
		if err := d.Nack(ctx, 0, client.Suspend()); err != nil {
			p.cfg.log.WarnContext(ctx, "message not handed back, it comes again by its lease",
				"topic", p.topic, "message", d.ID, "error", err)
		}
	}
}
