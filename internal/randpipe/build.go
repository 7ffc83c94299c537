package randpipe

import (
	"time"

	"github.com/cenkalti/backoff/v4"

	"github.com/rocketflow-io/rocketflow/flow"
	"github.com/rocketflow-io/rocketflow/flow/stage"
	"github.com/rocketflow-io/rocketflow/state"
)

// Host gives a pipeline what the test has for it.
type Host interface {
	Sink(*Sink) stage.Sink[Item]
	Grave(*Grave) stage.Sink[flow.Failure]
	// Store gives a way to a store that outlives the pipeline's process.
	Store(state.Store) state.Store
	// FaultyStore gives one on which answers get lost, and requests.
	FaultyStore(name string, s state.Store) state.Store
	BackOff(time.Duration) backoff.BackOff
}

// Build makes the pipeline behind its sources.
func (d *Design) Build(s flow.Stream[Item], h Host) *flow.Pipeline {
	return flow.Join(builder{h}.build(s, d.chain)...)
}

// roomy is how many records an optional branch has room for: more than its stages hold.
const roomy = 1000

type builder struct{ host Host }

func (b builder) build(s stream, c chain) []*flow.Pipeline {
	s = b.groups(s, c.groups)
	if c.sink != nil {
		return []*flow.Pipeline{b.end(s, c.sink)}
	}
	var ends []*flow.Pipeline
	var merged []stream
	for i, branch := range c.fan.out(s) {
		part := c.fan.branches[i]
		if c.fan.rest == nil {
			if c.fan.optional == i && i > 0 {
				branch = branch.Optional(roomy)
			}
			ends = append(ends, b.build(branch, part)...)
			continue
		}
		merged = append(merged, b.groups(branch.Map(func(it Item) Item { return c.fan.into(i, it) }), part.groups))
	}
	if c.fan.rest != nil {
		return b.build(flow.Merge(merged...), *c.fan.rest)
	}
	return ends
}

func (b builder) groups(s stream, all []group) stream {
	for _, g := range all {
		for i, o := range g.ops {
			if o.forks() && i > 0 {
				s = s.OnError(b.policy(g.policy)) // the one behind it is not for what is above
			}
			s = o.add(b.equipped(o), s)
		}
		s = s.OnError(b.policy(g.policy))
	}
	return s
}

// forks tells whether several streams meet or part at the operator.
func (o *op) forks() bool {
	return o.fansIn || o.window != nil && o.window.event && o.window.lates != nil
}

// equipped gives an operator with what the test has for it.
func (b builder) equipped(o *op) *op {
	if o.store == nil {
		return o
	}
	own := *o
	switch {
	case o.stores:
		own.store = b.host.FaultyStore(o.storing(), o.store)
	case o.tables:
		own.store = b.host.FaultyStore(o.tableStage(), o.store)
	default:
		own.store = b.host.Store(o.store)
	}
	return &own
}

func (b builder) end(s stream, spec *Sink) *flow.Pipeline {
	opts := []flow.SinkOption{flow.As(spec.Name)}
	if spec.own != nil {
		opts = append(opts, flow.OnWriteError(b.policy(*spec.own)))
	}
	if spec.count > 0 {
		opts = append(opts, flow.Batched(spec.count, spec.age))
	}
	return s.To(b.host.Sink(spec), opts...)
}

func (b builder) policy(p policy) flow.Policy {
	final := flow.Nack()
	switch p.final {
	case skip:
		final = flow.Skip()
	case deadLetter:
		final = flow.DeadLetter(b.host.Grave(p.grave))
	case stop:
		final = flow.Stop()
	}
	if p.retries == 0 {
		return final
	}
	return flow.Retry(p.retries, func() backoff.BackOff { return b.host.BackOff(p.delay) }).Then(final)
}

// out fans a stream out.
func (f *fan) out(s stream) []stream {
	if f.split {
		return s.Split(len(f.branches), f.route)
	}
	return s.Broadcast(len(f.branches))
}

func (f *fan) route(it Item) int { return int(Mix(it.ID, f.salt) % uint64(len(f.branches))) }

// takes tells whether a branch gets a value.
func (f *fan) takes(branch int, it Item) bool { return !f.split || f.route(it) == branch }

// into marks what goes into a branch that will be merged with its siblings.
func (f *fan) into(branch int, it Item) Item {
	it.ID = Mix(it.ID, f.salt, uint64(branch))
	it.Lane = it.Lane*4 + branch + 1
	return it
}
