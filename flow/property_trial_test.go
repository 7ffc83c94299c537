package flow_test

import (
	"context"
	"errors"
	"time"

	"github.com/rocketflow-io/rocketflow/flow"
	"github.com/rocketflow-io/rocketflow/flow/stage"
)

// trial is one random pipeline with all that happens to it.
type trial struct {
	*dice
	sources  []*testSource
	pipeline *flow.Pipeline
	leased   bool
	keyed    bool
	probed   bool // each run has a probe
}

// maxRuns is how many runs a trial may take to finish its inputs: each that a policy stops gets at
// least one input further.
const maxRuns = 400

func newTrial(seed uint64) *trial {
	t := &trial{dice: newDice(seed, newLedger()), probed: seed%2 == 0}
	t.keyed, t.leased, t.mild = t.chance(40), t.chance(25), t.chance(50)
	t.holds, t.aged = !t.keyed, t.keyed || t.leased
	c := t.chain(0)
	var streams []flow.Stream[item]
	for i := range 1 + t.IntN(5)/4 {
		src := t.source(i)
		t.sources = append(t.sources, src)
		streams = append(streams, flow.From(src).Named(src.name))
	}
	stream, above := streams[0], policySpec{}
	if len(streams) > 1 {
		stream = flow.Merge(streams...)
	}
	own := policySpec{} // of the sources' stages
	if len(c.groups) > 0 && len(streams) == 1 {
		own = c.groups[0].policy
	}
	for _, src := range t.sources {
		for _, in := range src.waiting {
			t.ledger.expect(in.item, evaluate(c, in.item, []hop{{stage: src.name, policy: own, id: in.id}}, above))
		}
	}
	t.ledger.joint = hasBatch(c)
	t.pipeline = flow.Join(build(stream, c)...)
	return t
}

func (t *trial) source(number int) *testSource {
	s := &testSource{
		name: t.name("source"), salt: t.Uint64(), chunk: 1 + t.IntN(9), attempts: 1 + t.IntN(6),
		backoff: t.span(5 * time.Second), ledger: t.ledger,
		keys: make(map[string]*lane), wake: make(chan struct{}, 1),
	}
	s.traits = stage.SourceTraits{Name: s.name, Redelivers: t.chance(80), Immediate: t.chance(50)}
	if t.keyed && (number == 0 || t.chance(50)) {
		s.traits.Keyed = true
	}
	if t.leased {
		s.traits.Redelivers = true
		s.traits.Lease = 15*time.Second + t.span(time.Minute)
	}
	if t.chance(60) {
		s.slow = time.Millisecond + t.span(100*time.Millisecond)
	}
	if t.chance(30) {
		s.faulty = uint64(t.IntN(20))
	}
	if t.chance(30) {
		s.lossy = uint64(t.IntN(20))
	}
	keys := 1 + t.IntN(4)
	for i := range 1 + t.IntN(40) {
		src := number*1000 + i
		in := &input{item: item{src: src, id: mix(s.salt, uint64(src))}}
		if s.traits.Keyed && in.id%10 > 0 { // some have no key
			in.key = s.name + string(rune('a'+in.id%uint64(keys)))
		}
		s.waiting = append(s.waiting, in)
	}
	return s
}

func hasBatch(c chain) bool {
	for _, g := range c.groups {
		for _, o := range g.ops {
			if o.kind == opBatch {
				return true
			}
		}
	}
	if c.fan == nil {
		return false
	}
	for _, b := range c.fan.branches {
		if hasBatch(b) {
			return true
		}
	}
	return c.fan.rest != nil && hasBatch(*c.fan.rest)
}

// run runs the pipeline until its inputs are over, the first times perhaps with a cancellation.
func (t *trial) run(ctx context.Context) (problems []string) {
	for n := 0; ; n++ {
		cancelled := n < 2 && t.chance(40)
		t.runOnce(ctx, cancelled)
		if len(t.ledger.problems) > 0 || t.finished() {
			return t.ledger.problems
		}
		if !cancelled && !t.stops || n > maxRuns {
			t.ledger.report("the run ended, but not all inputs are over")
			return t.ledger.problems
		}
	}
}

func (t *trial) finished() bool {
	for _, s := range t.sources {
		if !s.finished() {
			return false
		}
	}
	return true
}

// runOnce is one run, and what its error must be.
func (t *trial) runOnce(ctx context.Context, cancelled bool) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	opts := []flow.RunOption{flow.WithDrainTimeout(1000 * time.Hour)}
	hard := false
	if cancelled {
		at := t.span(3 * time.Second)
		defer time.AfterFunc(at, cancel).Stop()
		switch t.IntN(3) {
		case 0:
			hard = true
			opts = []flow.RunOption{flow.WithDrainTimeout(t.span(2 * time.Second))}
		case 1:
			hard = true
			cut, cutShort := context.WithCancel(context.WithoutCancel(ctx))
			defer cutShort()
			defer time.AfterFunc(at+t.span(time.Second), cutShort).Stop()
			opts = append(opts, flow.WithCut(cut))
		}
	}
	probe := &flow.Probe{}
	if t.probed {
		opts = append(opts, flow.WithProbe(probe))
	}
	t.ledger.begins(hard || t.leased || t.keyed)
	err := t.pipeline.Run(ctx, opts...)
	t.judge(err, hard, t.ledger.ended())
	for _, h := range probe.SettledTwice() {
		t.ledger.report("stage %s settled record %s twice", h.Stage, h.Info.ID)
	}
	for _, h := range probe.Held() {
		if !hard {
			t.ledger.report("stage %s ends with record %s", h.Stage, h.Info.ID)
		}
	}
	for _, st := range t.pipeline.Snapshot().Stages {
		if st.Waiting != 0 {
			t.ledger.report("stage %s ends with %d records waiting", st.Name, st.Waiting)
		}
		if st.Source != nil && st.Source.InFlight != 0 {
			t.ledger.report("source %s ends with %d records in flight", st.Name, st.Source.InFlight)
		}
	}
}

// judge checks the error of a run.
func (t *trial) judge(err error, hard bool, handedBack int) {
	var drained *flow.DrainError
	var stopped *flow.PolicyError
	var failed *flow.FailedError
	isDrain, isStop, isFail := errors.As(err, &drained), errors.As(err, &stopped), errors.As(err, &failed)
	switch {
	case err != nil && !isDrain && !isStop && !isFail:
		t.ledger.report("run: %v", err)
	case isDrain && !hard:
		t.ledger.report("run: a drain that nothing cut short: %v", err)
	case isDrain && drained.HandedBack != handedBack:
		t.ledger.report("run: %v, but %d were handed back", err, handedBack)
	case isStop && !t.stops:
		t.ledger.report("run: %v, without such a policy", err)
	}
}
