package gostreams

import (
	"context"
	"log/slog"
	"time"

	"github.com/rocketflow-io/rocketflow/flow"
	"github.com/rocketflow-io/rocketflow/internal/pacing"
)

// Option adjusts a [Flow], a sink, or [SourceOf], to which only [WithLogger] means something. Of stages
// that are fused each keeps its policy; in all else the last that was given an option speaks for all.
type Option func(*config)

type config struct {
	ctx    context.Context
	policy flow.Policy
	failed func(value any, err error)
	delay  nackDelay
	grace  time.Duration
	cancel context.CancelCauseFunc
	log    *slog.Logger
	run    []flow.RunOption
}

func newConfig(opts []Option) config {
	c := config{
		ctx: context.Background(), policy: flow.Nack(), delay: defaultNackDelay,
		grace: DefaultGrace, log: slog.New(slog.DiscardHandler),
	}
	for _, o := range opts {
		o(&c)
	}
	return c
}

// extended gives a context that ends when the grace has passed since the adapter's ended.
func (c *config) extended() (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(c.ctx))
	over := make(chan struct{})
	stop := context.AfterFunc(c.ctx, func() {
		defer close(over)
		_ = pacing.Wait(ctx, c.grace)
		cancel()
	})
	return ctx, func() {
		cancel()
		if !stop() {
			<-over
		}
	}
}

// DefaultGrace is how long a stage goes on when its context has ended, unless [WithGrace] says
// otherwise.
const DefaultGrace = 30 * time.Second

// WithContext ends a [Flow] some time after ctx has ended, see [WithGrace]. The default never ends.
func WithContext(ctx context.Context) Option { return func(c *config) { c.ctx = ctx } }

// WithGrace sets how long a stage goes on when its context has ended. The default is [DefaultGrace].
// The source of the graph ends with the context too, so that in this time what is on its way arrives,
// and the input is closed. If it is not, the stage finishes what it has, closes its output, and hands
// back what comes later. With 0 it does so at once.
func WithGrace(d time.Duration) Option { return func(c *config) { c.grace = d } }

// WithPolicy says what becomes of a value that fails, a value of the wrong type included. The default
// is flow.Nack(): a delivery is handed back, and any other value is lost, which Err reports.
func WithPolicy(p flow.Policy) Option { return func(c *config) { c.policy = p } }

// WithFailures has f called with each value that fails for good and is no delivery, so cannot be
// handed back. Err then reports it no more. f may be called from several goroutines.
func WithFailures(f func(value any, err error)) Option { return func(c *config) { c.failed = f } }

// WithNackDelay sets how long a *client.Delivery stays away when its nth attempt has failed, from 1; 0
// if the server did not count. The default is the schedule of a consumer group that was given none:
// 1 s, 5 s, 10 s, 30 s, 1 min, and so on to 2 h.
func WithNackDelay(delay func(attempt int) time.Duration) Option {
	return func(c *config) { c.delay = delay }
}

// WithCancel has cancel called with what ended a stage, if that is an error, before what still comes in
// is handed back. Give it the cancel function of the source's context: go-streams knows no other way for
// a failure to travel upstream, and a source that goes on would give the same messages again and again.
func WithCancel(cancel context.CancelCauseFunc) Option {
	return func(c *config) { c.cancel = cancel }
}

// WithLogger logs what is dealt with here, such as acknowledgements that were lost and reads that are
// tried again. The default discards it.
func WithLogger(l *slog.Logger) Option {
	return func(c *config) {
		c.log = l
		c.run = append(c.run, flow.WithLogger(l))
	}
}

// WithRun passes options to the pipeline behind the adapter, such as flow.WithDrainTimeout: how long
// deliveries may be out after the grace.
func WithRun(opts ...flow.RunOption) Option {
	return func(c *config) { c.run = append(c.run, opts...) }
}
