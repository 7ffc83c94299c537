package sim

import (
	"context"
	"time"

	"github.com/cenkalti/backoff/v4"

	"github.com/rocketflow-io/rocketflow/flow"
	"github.com/rocketflow-io/rocketflow/operators"
	"github.com/rocketflow-io/rocketflow/sinks"
)

// builder makes the pipeline of one process.
type builder struct {
	w *world
	p *process
}

// build makes the pipelines that a chain describes.
func (b builder) build(s flow.Stream[item], c chain) []*flow.Pipeline {
	s = b.groups(s, c)
	if c.sink != nil {
		return []*flow.Pipeline{b.end(s, c.sink)}
	}
	if c.fan == nil {
		return nil
	}
	var ends []*flow.Pipeline
	var merged []flow.Stream[item]
	for i, branch := range s.Broadcast(len(c.fan.branches)) {
		part := c.fan.branches[i]
		if c.fan.rest == nil {
			ends = append(ends, b.build(branch, part)...)
			continue
		}
		merged = append(merged, b.groups(branch.Map(func(it item) item { return c.fan.into(i, it) }), part))
	}
	if c.fan.rest != nil {
		return b.build(flow.Merge(merged...), *c.fan.rest)
	}
	return ends
}

func (b builder) groups(s flow.Stream[item], c chain) flow.Stream[item] {
	for _, g := range c.groups {
		for _, o := range g.ops {
			s = o.apply(s)
		}
		s = s.OnError(b.policy(g.policy))
	}
	return s
}

func (b builder) end(s flow.Stream[item], spec *sinkSpec) *flow.Pipeline {
	opts := []flow.SinkOption{flow.As(spec.name)}
	if spec.own != nil {
		opts = append(opts, flow.OnWriteError(b.policy(*spec.own)))
	}
	if spec.count > 0 {
		opts = append(opts, flow.Batched(spec.count, spec.age))
	}
	if spec.topic != "" {
		return s.To(&topicSink{spec: spec, process: b.p, RocketMQSink: sinks.RocketMQOf(b.p.client, spec.topic, spec.encode,
			sinks.WithConcurrency(spec.concurrency))}, opts...)
	}
	return s.To(&memorySink{spec: spec, process: b.p}, opts...)
}

// into marks what goes into a branch that will be merged with its siblings.
func (f *fan) into(branch int, it item) item {
	it.id = mix(it.id, f.salt, uint64(branch))
	it.lane = it.lane*4 + branch + 1
	return it
}

func (b builder) policy(p policySpec) flow.Policy {
	final := flow.Nack()
	switch p.final {
	case skip:
		final = flow.Skip()
	case deadLetter:
		final = flow.DeadLetter(buriedBy{p.grave, b.p})
	case stop:
		final = flow.Stop()
	}
	if p.retries == 0 {
		return final
	}
	return flow.Retry(p.retries, func() backoff.BackOff { return ownInstants{b.w, p.delay} }).Then(final)
}

// ownInstants is a backoff whose delays end at instants of their own.
type ownInstants struct {
	w     *world
	delay time.Duration
}

func (o ownInstants) NextBackOff() time.Duration { return o.w.instant(o.delay) }
func (o ownInstants) Reset()                     {}

// The functions of the operators: what they give depends on nothing but the value's id.

func (o op) mapped(it item) item {
	it.id = mix(it.id, o.salt)
	return it
}

func (o op) kept(it item) bool { return mix(it.id, o.salt)%100 < o.share }

func (o op) children(it item) []item {
	all := make([]item, mix(it.id, o.salt)%4)
	for i := range all {
		all[i] = it
		all[i].id = mix(it.id, o.salt, uint64(i))
	}
	return all
}

func (o op) mappedAll(items []item) []item {
	all := make([]item, len(items))
	for i, it := range items {
		all[i] = o.mapped(it)
	}
	return all
}

// apply adds the operator to a stream.
func (o op) apply(s flow.Stream[item]) flow.Stream[item] {
	switch o.kind {
	case opMap:
		s = s.Map(func(it item) item { o.faults.panics(it); return o.mapped(it) })
	case opFilter:
		s = s.Filter(func(it item) bool { o.faults.panics(it); return o.kept(it) })
	case opFlatMap:
		s = s.FlatMap(func(it item) []item { o.faults.panics(it); return o.children(it) })
	case opTryMap:
		s = s.TryMap(o.tryMap)
	case opTryFilter:
		s = s.TryFilter(func(ctx context.Context, it item) (bool, error) { return o.kept(it), o.faults.try(ctx, it) })
	case opTryFlatMap:
		s = s.TryFlatMap(func(ctx context.Context, it item) ([]item, error) { return o.children(it), o.faults.try(ctx, it) })
	case opParMap:
		s = s.ParMap(o.n, o.tryMap)
	case opParMapUnordered:
		s = s.ParMapUnordered(o.n, o.tryMap)
	case opBatch:
		limits := operators.Limits[item]{Count: o.n, Age: o.age}
		return s.Via(operators.BatchBy[item, []item](limits)).
			TryMap(func(ctx context.Context, items []item) ([]item, error) { return items, o.faults.try(ctx, items...) }).Named(o.name).
			FlatMap(o.mappedAll)
	}
	return s.Named(o.name)
}

// tryMap gives nothing of use with an error.
func (o op) tryMap(ctx context.Context, it item) (item, error) {
	if err := o.faults.try(ctx, it); err != nil {
		return item{}, err
	}
	return o.mapped(it), nil
}

// evaluate gives the effects of a value by plain evaluation: what build makes of the chain, done
// without an engine.
func evaluate(c chain, it item, hops []hop, above policySpec) []effect {
	items := []located{{it, hops}}
	for _, g := range c.groups {
		above = g.policy
		for _, o := range g.ops {
			items = o.evaluate(items, g.policy)
		}
	}
	var effects []effect
	for _, at := range items {
		switch {
		case c.sink != nil:
			policy := above
			if c.sink.own != nil {
				policy = *c.sink.own
			}
			effects = append(effects, effect{c.sink.name, at.id, at.lane, at.passing(c.sink.name, policy)})
		case c.fan != nil:
			effects = append(effects, c.fan.evaluate(at, above)...)
		default:
			effects = append(effects, effect{id: at.id, lane: at.lane, hops: at.hops}) // to be merged
		}
	}
	return effects
}

func (f *fan) evaluate(at located, above policySpec) []effect {
	var effects []effect
	first := above // the merged stream's policy above is that of its first input
	if groups := f.branches[0].groups; len(groups) > 0 {
		first = groups[len(groups)-1].policy
	}
	for i, branch := range f.branches {
		if f.rest == nil {
			effects = append(effects, evaluate(branch, at.item, at.hops, above)...)
			continue
		}
		for _, e := range evaluate(branch, f.into(i, at.item), at.hops, above) {
			it := at.item
			it.id, it.lane = e.id, e.lane
			effects = append(effects, evaluate(*f.rest, it, e.hops, first)...)
		}
	}
	return effects
}

// located is a value with the stages that it has passed.
type located struct {
	item
	hops []hop
}

func (at located) passing(stage string, p policySpec) []hop {
	return append(at.hops[:len(at.hops):len(at.hops)], hop{stage: stage, policy: p, id: at.id})
}

func (o op) evaluate(items []located, p policySpec) []located {
	var out []located
	for _, at := range items {
		hops := at.passing(o.name, p)
		switch o.kind {
		case opFilter, opTryFilter:
			if o.kept(at.item) {
				out = append(out, located{at.item, hops})
			}
		case opFlatMap, opTryFlatMap:
			for _, child := range o.children(at.item) {
				out = append(out, located{child, hops})
			}
		default:
			out = append(out, located{o.mapped(at.item), hops})
		}
	}
	return out
}
