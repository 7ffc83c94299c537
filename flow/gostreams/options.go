package gostreams

import (
	"context"
	"log/slog"

	"github.com/rocketflow-io/rocketflow/flow"
)

// Option adjusts a [Flow] or a sink.
type Option func(*config)

type config struct {
	ctx    context.Context
	policy flow.Policy
	failed func(value any, err error)
	delay  NackDelay
	run    []flow.RunOption
}

func newConfig(ctx context.Context, opts []Option) config {
	c := config{ctx: ctx, policy: flow.Nack(), delay: defaultNackDelay}
	for _, o := range opts {
		o(&c)
	}
	return c
}

// WithContext ends a [Flow] when ctx does: what is in flight is finished, its output is closed, and
// what comes in afterwards is handed back. The default never ends. Of flows that are fused, the first
// one's counts.
func WithContext(ctx context.Context) Option { return func(c *config) { c.ctx = ctx } }

// WithPolicy says what becomes of a value that fails, a value of the wrong type included. The default
// is flow.Nack(): a delivery is handed back, and any other value is lost, which Err reports.
func WithPolicy(p flow.Policy) Option { return func(c *config) { c.policy = p } }

// WithFailures has f called with each value that fails for good and is no delivery, so cannot be
// handed back. Err then reports it no more. f may be called from several goroutines.
func WithFailures(f func(value any, err error)) Option { return func(c *config) { c.failed = f } }

// WithNackDelay sets how long a *client.Delivery stays away when it fails. The default is the
// schedule of a consumer group that was given none: 1 s, 5 s, 10 s, 30 s, 1 min, and so on to 2 h.
func WithNackDelay(d NackDelay) Option { return func(c *config) { c.delay = d } }

// WithLogger logs what the engine deals with by itself, such as acknowledgements that were lost. The
// default discards it.
func WithLogger(l *slog.Logger) Option { return WithRun(flow.WithLogger(l)) }

// WithRun passes options to the pipeline behind the adapter, such as flow.WithDrainTimeout: how long
// deliveries may be out after the context has ended. Of flows that are fused, the last one's count.
func WithRun(opts ...flow.RunOption) Option {
	return func(c *config) { c.run = append(c.run, opts...) }
}
