package flow

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/rocketflow-io/rocketflow/flow/stage"
	"github.com/rocketflow-io/rocketflow/internal/engine"
)

// DefaultDrainTimeout is how long a drain may take, unless [WithDrainTimeout] says otherwise.
const DefaultDrainTimeout = 30 * time.Second

// Pipeline is a description with its ends: streams that go to sinks. It can be validated,
// explained, and run any number of times, one run at a time.
type Pipeline struct {
	name string
	ends []end

	mu      sync.Mutex
	running bool
	run     *engine.Run // the current one, or the last
}

// end is a sink with the stream that goes to it.
type end struct {
	n       *node
	compile func(c *compiler)
}

// To ends the stream in a sink, and gives the pipeline.
func (s Stream[T]) To(sink stage.Sink[T], opts ...SinkOption) *Pipeline {
	n := newNode(kindSink, sinkName(sink), s.n)
	if d, ok := sink.(stage.SinkDescriber); ok {
		n.sink = d.SinkTraits()
	}
	for _, o := range opts {
		o(&n.sinkOpts)
	}
	n.policy = n.sinkOpts.policy
	if n.sinkOpts.name != "" {
		n.name = n.sinkOpts.name
	}
	n.problem = errors.Join(n.sinkOpts.problems...)
	if sink == nil {
		n.problem = errors.New("the sink is nil: give it one")
	}
	main := end{n, func(c *compiler) {
		follow(c, n, s, engine.AddSink(c.plan, c.spec(n), sink, n.sinkOpts.gather))
	}}
	return &Pipeline{ends: distinct(append([]end{main}, sidesAbove(n)...))}
}

// Join makes one pipeline of several, which run together and end together: the ends of a stream
// that was fanned out, or unrelated ones.
func Join(pipelines ...*Pipeline) *Pipeline {
	p := &Pipeline{}
	for _, q := range pipelines {
		p.ends = append(p.ends, q.ends...)
		if p.name == "" {
			p.name = q.name
		}
	}
	p.ends = distinct(p.ends)
	return p
}

// Named gives the pipeline a name, for logs and Explain, and returns it.
func (p *Pipeline) Named(name string) *Pipeline {
	p.name = name
	return p
}

// Validate checks the description without opening anything, and reports every fault.
func (p *Pipeline) Validate() error {
	_, err := p.compile(engine.Config{})
	return err
}

// Run opens sinks and sources and runs the pipeline until the sources have no more, ctx ends, an
// operator such as Take ends it, or a failure does.
//
// When ctx ends, reading stops, what is in flight is finished and settled, held batches are
// emitted, and Run returns nil. A drain that takes longer than [WithDrainTimeout] allows is cut
// short: what is not settled is handed back, and Run returns a [*DrainError]. The context that
// users' functions get is not ended by the drain, only by its deadline; Run waits for functions
// that ignore it.
//
// Run returns what went wrong: sources and sinks that did not open or close, a [*PolicyError]
// of a stage whose policy was Stop, a permanent read error, a [*FailedError] if records of a source
// that cannot redeliver failed for good, and a [*DroppedError] if an operator lost records, which
// ends the run.
func (p *Pipeline) Run(ctx context.Context, opts ...RunOption) error {
	cfg := runConfig{engine: engine.Config{Name: p.name, DrainTimeout: DefaultDrainTimeout}}
	for _, o := range opts {
		o(&cfg)
	}
	c, err := p.compile(cfg.engine)
	if err != nil {
		return err
	}
	run := c.plan.Run()
	if err := p.begin(run); err != nil {
		return err
	}
	defer p.end()
	return run.Do(ctx, cfg.cut)
}

// ErrRunning is returned by Run while another Run of the same pipeline has not returned.
var ErrRunning = errors.New("flow: the pipeline is running: wait for Run to return")

func (p *Pipeline) begin(run *engine.Run) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.running {
		return ErrRunning
	}
	p.running, p.run = true, run
	return nil
}

func (p *Pipeline) end() {
	p.mu.Lock()
	p.running = false
	p.mu.Unlock()
}

// compile makes the plan of a run, or says all that is wrong with the description.
func (p *Pipeline) compile(cfg engine.Config) (*compiler, error) {
	c := newCompiler(cfg)
	if len(p.ends) == 0 {
		return nil, errors.New("flow: the pipeline has no sink: end a stream with To")
	}
	for _, e := range p.ends {
		c.check(e.n)
		if e.n.problem == nil {
			e.compile(c)
		}
	}
	if len(c.problems) == 0 {
		c.problems = append(c.problems, p.loose(c)...)
	}
	if len(c.problems) == 0 {
		c.problems = append(c.problems, c.conflicts()...)
		c.problems = append(c.problems, c.plan.Check())
	}
	return c, errors.Join(c.problems...)
}

// loose finds fans whose branches go nowhere, or do not answer for their records.
func (p *Pipeline) loose(c *compiler) []error {
	var problems []error
	for fan := range c.fans {
		used, optional := 0, 0
		for n, by := range c.taken {
			if n.kind != kindBranch || n.ups[0] != fan {
				continue
			}
			used++
			if by.kind == kindOptional {
				optional++
			}
		}
		switch {
		case used < fan.branches:
			problems = append(problems, fmt.Errorf("flow: %s at %s: %d of its streams go nowhere, so not every record could be settled: end each in a sink, and Join the pipelines", fan.name, fan.made, fan.branches-used))
		case optional == fan.branches:
			problems = append(problems, fmt.Errorf("flow: %s at %s: each of its streams is Optional, so records would be done before anything came of them: leave one as it is", fan.name, fan.made))
		}
	}
	return problems
}

// SinkOption says how values go to a sink.
type SinkOption func(*sinkConfig)

type sinkConfig struct {
	gather   engine.SinkOptions
	policy   *Policy
	name     string
	problems []error
}

// Batched writes n values at a time, or what came within age of the first of them. Each value
// settles by itself: one that fails takes none of its batch along. With age 0 only the count
// matters; n below 1 or a negative age does not validate. Without Batched a sink is given what is
// at hand, up to what it declares.
func Batched(n int, age time.Duration) SinkOption {
	return func(c *sinkConfig) {
		c.gather = engine.SinkOptions{Count: n, Age: age}
		if n < 1 || age < 0 {
			c.problems = append(c.problems, fmt.Errorf("batched by %d within %v: the count must be at least 1 and the age not negative", n, age))
		}
	}
}

// OnWriteError sets the error policy of the sink alone. Without it the sink has that of the
// nearest OnError before it.
func OnWriteError(p Policy) SinkOption {
	return func(c *sinkConfig) {
		c.policy = &p
		if err := p.problem(); err != nil {
			c.problems = append(c.problems, err)
		}
	}
}

// As names the sink, for Explain, Snapshot, logs and errors.
func As(name string) SinkOption { return func(c *sinkConfig) { c.name = name } }

// RunOption changes how a pipeline runs.
type RunOption func(*runConfig)

type runConfig struct {
	engine engine.Config
	cut    context.Context
}

// WithDrainTimeout bounds the drain after the context of Run has ended; the default is
// [DefaultDrainTimeout]. With 0 the drain is cut short at once.
func WithDrainTimeout(d time.Duration) RunOption {
	return func(c *runConfig) { c.engine.DrainTimeout = d }
}

// WithCut cuts a drain short when ctx ends: the second Ctrl-C. It does nothing before the context
// of Run has ended.
func WithCut(ctx context.Context) RunOption { return func(c *runConfig) { c.cut = ctx } }

// WithLogger logs what the engine deals with by itself, such as failed reads and lost outcomes.
// Without it nothing is logged.
func WithLogger(l *slog.Logger) RunOption { return func(c *runConfig) { c.engine.Logger = l } }
