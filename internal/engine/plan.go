package engine

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"slices"
	"time"

	"github.com/rocketflow-io/rocketflow/flow/stage"
)

// Config is what a run needs to know beside its stages.
type Config struct {
	Name   string
	Logger *slog.Logger
	// DrainTimeout bounds the drain after the context of Run has ended.
	DrainTimeout time.Duration
	// Probe follows the records, and disturbs stages; nil but in tests. It is for one run.
	Probe *Probe
}

// Plan is the stages of one run, added from the sinks upwards.
type Plan struct{ run *Run }

// burier is the sink of dead letters, as the stages see it.
type burier interface {
	// bury writes a failure and settles its duty: as put off, if the sink sees to it that it comes again.
	bury(f stage.Failure, d stage.Duty, again bool, then func(err error))
}

// Outlet is where a stage emits to: the next stage, the segment that it belongs to, and what
// lies downstream.
type Outlet[T any] struct {
	next   stage.Emitter[T]
	seg    *Segment
	stages []*Stage
}

// part is a stage as the run handles it.
type part interface {
	base() *Stage
	start(ctx context.Context) error
	drain(ctx context.Context) error
	close(ctx context.Context) error
}

// StageSpec names a stage and gives its policy.
type StageSpec struct {
	Name   string
	Policy *Policy
}

// NewPlan begins a plan.
func NewPlan(cfg Config) *Plan {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	return &Plan{run: newRun(cfg)}
}

// Check says what is wrong with the stages that were added, as far as that can be known before
// anything is opened.
func (p *Plan) Check() error { return p.run.check() }

// Run gives the run that the plan describes. Nothing may be added after it.
func (p *Plan) Run() *Run {
	for _, part := range p.run.parts {
		st := part.base()
		st.seg = st.seg.root()
	}
	p.run.segments = slices.DeleteFunc(p.run.segments, func(s *Segment) bool { return s.root() != s })
	return p.run
}

func (p *Plan) newSegment() *Segment {
	s := &Segment{lock: newDurableMutex()}
	p.run.segments = append(p.run.segments, s)
	return s
}

func (p *Plan) newStage(spec StageSpec, kind Kind, seg *Segment) *Stage {
	st := &Stage{
		Name: spec.Name, Kind: kind, run: p.run, seg: seg, policy: spec.Policy,
		log: p.run.cfg.Logger.With(slog.String("stage", spec.Name)),
	}
	if st.policy == nil {
		st.policy = &Policy{}
	}
	return st
}

// add registers a stage; its policy's dead-letter sink is added before it.
func (p *Plan) add(part part) {
	st := part.base()
	if dl := st.policy.DeadLetter; dl != nil && p.run.buriers[dl] == nil {
		name := "dead letters"
		if n := len(p.run.buriers); n > 0 {
			name = fmt.Sprintf("dead letters %d", n+1)
		}
		p.run.buriers[dl] = addSink(p, StageSpec{Name: name}, dl.Sink, SinkOptions{})
	}
	st.seg.stages = append(st.seg.stages, st)
	p.run.parts = append(p.run.parts, part)
}

// AddSink adds a sink.
func AddSink[T any](p *Plan, spec StageSpec, s stage.Sink[T], opts SinkOptions) Outlet[T] {
	k := addSink(p, spec, s, opts)
	return Outlet[T]{next: traced(p, k.stage, k), seg: k.stage.seg, stages: []*Stage{k.stage}}
}

func addSink[T any](p *Plan, spec StageSpec, s stage.Sink[T], opts SinkOptions) *sink[T] {
	seg := p.newSegment()
	k := &sink[T]{stage: p.newStage(spec, KindSink, seg), sink: s, opts: opts}
	if d, ok := s.(stage.SinkDescriber); ok {
		k.traits = d.SinkTraits()
	}
	k.stage.holds, k.stage.holdsFor, k.stage.holdsMost = opts.Count > 1, opts.Age, opts.Count
	p.add(k)
	seg.flushes = append(seg.flushes, k.flush)
	return k
}

// AddOperator adds an operator that emits to out, and gives where it is fed.
func AddOperator[I, O any](p *Plan, spec StageSpec, op stage.Operator[I, O], out Outlet[O]) Outlet[I] {
	desc := op.Describe()
	seg := out.seg
	if desc.Async {
		seg = p.newSegment()
	}
	st := p.newStage(spec, KindOperator, seg)
	st.Desc, st.next = desc, out.stages
	st.holds, st.holdsFor, st.holdsMost = desc.Holds, desc.HoldsFor, desc.HoldsMost
	if desc.Answers {
		st.frees = math.MaxInt32
	}
	o := &operator[I, O]{guard: guard[I]{stage: st, gates: gates{stage: st, down: out.seg}}, op: op, next: out.next}
	o.guard.op = o
	p.add(&o.guard)
	return Outlet[I]{next: traced(p, st, o), seg: seg, stages: []*Stage{st}}
}

// AddBroadcast adds a fan-out to several branches, which become one segment.
func AddBroadcast[T any](outs []Outlet[T]) Outlet[T] {
	b := &broadcast[T]{}
	joined := Outlet[T]{next: b, seg: outs[0].seg}
	for _, out := range outs {
		joined.seg.fuse(out.seg)
		b.branches = append(b.branches, out.next)
		joined.stages = append(joined.stages, out.stages...)
	}
	return joined
}

// AddInput adds one of several inputs of what lies below out.
func AddInput[T any](p *Plan, out Outlet[T]) Outlet[T] {
	c := &confluence[T]{down: out.seg, next: out.next}
	seg := p.newSegment()
	seg.flushes = append(seg.flushes, c.flush)
	return Outlet[T]{next: c, seg: seg, stages: out.stages}
}

// sequences is how many sequence numbers a source has, apart from those of others: one record may come from
// two sources, such as a topic and its retry topic, and its deliveries are told apart by them.
const sequences = 1 << 48

// AddSource adds a source that feeds out.
func AddSource[T any](p *Plan, spec StageSpec, src stage.Source[T], out Outlet[T]) {
	s := &source[T]{stage: p.newStage(spec, KindSource, out.seg), src: src, out: out.next, seq: uint64(len(p.run.sources)) * sequences}
	s.stage.next = out.stages
	if d, ok := src.(stage.SourceDescriber); ok {
		s.traits = d.SourceTraits()
	}
	p.add(s)
	p.run.sources = append(p.run.sources, s)
}
