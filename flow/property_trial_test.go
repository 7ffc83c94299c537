package flow_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cenkalti/backoff/v4"

	"github.com/rocketflow-io/rocketflow/flow"
	"github.com/rocketflow-io/rocketflow/flow/stage"
	"github.com/rocketflow-io/rocketflow/internal/randpipe"
	"github.com/rocketflow-io/rocketflow/state"
)

// trial is one random pipeline with all that happens to it.
type trial struct {
	randpipe.Dice
	ledger   *ledger
	seed     uint64
	design   *randpipe.Design
	sources  []*testSource
	pipeline *flow.Pipeline
	leased   bool
	keyed    bool
	once     bool // no source redelivers
	probed   bool // each run has a probe
}

// maxRuns is how many runs a trial may take to finish its inputs: each that a policy or an operator ends
// gets at least one input further.
const maxRuns = 400

func newTrial(seed uint64) *trial {
	t := &trial{Dice: randpipe.NewDice(seed, "trial"), seed: seed, ledger: newLedger(), probed: seed%2 == 0}
	t.keyed, t.leased = t.Chance(40), t.Chance(25)
	t.once = !t.keyed && !t.leased && t.Chance(30)
	keeps := randpipe.NewDice(seed, "keeps").Chance(30)
	t.design = randpipe.Draw(t.Dice, t, randpipe.Options{
		Keyed: t.keyed, Leased: t.leased, Mild: t.Chance(50), Positions: t.once,
		Keeps: keeps, Joins: randpipe.NewDice(seed, "joins").Chance(40), Tables: randpipe.NewDice(seed, "tables").Chance(20),
	})
	t.ledger.joint = t.design.Joint
	n := 1 + t.IntN(5)/4
	var streams []flow.Stream[randpipe.Item]
	for i := range n {
		src := t.source(i)
		t.sources = append(t.sources, src)
		streams = append(streams, flow.From(src).Named(src.name))
		for _, in := range src.waiting {
			t.ledger.expect(in.Item, t.design.Effects(in.Item, src.name, n == 1))
		}
	}
	stream := streams[0]
	if n > 1 {
		stream = flow.Merge(streams...)
	}
	t.pipeline = t.design.Build(stream, t)
	return t
}

// What the random pipeline asks of its world.

func (t *trial) Sleep(_ string, _ randpipe.Item, d time.Duration) { sleep(d) }

func (t *trial) Stall(string, randpipe.Item) {} // leases end here by what is slow

func (t *trial) Failed(stage string, kind randpipe.Fault, items []randpipe.Item) {
	t.ledger.failed(stage, kind == randpipe.Permanent, items...)
}

func (t *trial) Dropped(at randpipe.Place) { t.ledger.dropped(at) }

func (t *trial) Kept(at randpipe.Place) { t.ledger.kept(at) }

func (t *trial) Arrived(where string, it randpipe.Item) { t.ledger.arrives(where, it) }

func (t *trial) Copies(int) int { return 1 }

func (t *trial) Repeated(randpipe.Place) {} // duplicates are not counted here

func (t *trial) Wrong(format string, args ...any) { t.ledger.report(format, args...) }

func (t *trial) Sink(spec *randpipe.Sink) stage.Sink[randpipe.Item] {
	return &testSink{spec: spec, ledger: t.ledger, keys: make(map[string]bool)}
}

// Store gives the store itself: the process outlives the trial.
func (t *trial) Store(s state.Store) state.Store { return s }

func (t *trial) FaultyStore(name string, s state.Store) state.Store {
	return &testStore{Store: s, dice: randpipe.NewDice(t.seed, name)}
}

func (t *trial) Grave(spec *randpipe.Grave) stage.Sink[flow.Failure] {
	return &grave{spec.Faults, t.ledger}
}

func (t *trial) BackOff(d time.Duration) backoff.BackOff { return backoff.NewConstantBackOff(d) }

func (t *trial) source(number int) *testSource {
	s := &testSource{
		name: fmt.Sprint("source", number+1), salt: t.Uint64(), chunk: 1 + t.IntN(9), attempts: 1 + t.IntN(6),
		backoff: t.Between(0, 5*time.Second), ledger: t.ledger,
		keys: make(map[string]*lane), wake: make(chan struct{}, 1),
	}
	s.traits = stage.SourceTraits{Name: s.name, Redelivers: !t.once && t.Chance(90), Immediate: t.Chance(50)}
	if t.keyed && (number == 0 || t.Chance(50)) {
		s.traits.Keyed = true
	}
	if t.leased {
		s.traits.Redelivers = true
		s.traits.Lease = t.Between(15*time.Second, 75*time.Second)
	}
	if t.Chance(60) {
		s.slow = t.Between(time.Millisecond, 101*time.Millisecond)
	}
	if t.Chance(30) {
		s.faulty = uint64(t.IntN(20))
	}
	if t.Chance(30) {
		s.lossy = uint64(t.IntN(20))
	}
	keys := 1 + t.IntN(4)
	for i := range 1 + t.IntN(40) {
		src := number*1000 + i
		in := &input{Item: randpipe.Item{Src: src, ID: randpipe.Mix(s.salt, uint64(src))}}
		if s.traits.Keyed && in.ID%10 > 0 { // some have no key
			in.Key = s.name + string(rune('a'+in.ID%uint64(keys)))
		}
		s.waiting = append(s.waiting, in)
	}
	return s
}

// run runs the pipeline until its inputs are over, the first times perhaps with a cancellation.
func (t *trial) run(ctx context.Context) (problems []string) {
	for n := 0; ; n++ {
		cancelled := n < 2 && t.Chance(40)
		t.runOnce(ctx, cancelled)
		if len(t.ledger.problems) > 0 || t.finished() {
			return t.ledger.problems
		}
		if !cancelled && !t.design.Stops && !t.design.Ends || n > maxRuns {
			t.ledger.report("the run ended, but not all inputs are over, or not all that stores have is given")
			return t.ledger.problems
		}
	}
}

// finished tells whether all inputs are over, and nothing is left in a store: the end of the input has
// that given.
func (t *trial) finished() bool {
	for _, s := range t.sources {
		if !s.finished() {
			return false
		}
	}
	return !t.design.Keeps || t.ledger.owed() == 0
}

// runOnce is one run, and what its error must be.
func (t *trial) runOnce(ctx context.Context, cancelled bool) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	opts := []flow.RunOption{flow.WithDrainTimeout(1000 * time.Hour)}
	hard := false
	if cancelled {
		at := t.Between(0, 3*time.Second)
		defer time.AfterFunc(at, cancel).Stop()
		switch t.IntN(3) {
		case 0:
			hard = true
			opts = []flow.RunOption{flow.WithDrainTimeout(t.Between(0, 2*time.Second))}
		case 1:
			hard = true
			cut, cutShort := context.WithCancel(context.WithoutCancel(ctx))
			defer cutShort()
			defer time.AfterFunc(at+t.Between(0, time.Second), cutShort).Stop()
			opts = append(opts, flow.WithCut(cut))
		}
	}
	probe := &flow.Probe{}
	if t.probed {
		opts = append(opts, flow.WithProbe(probe))
	}
	t.ledger.begins(hard || t.leased || t.keyed || t.design.Ends || t.design.Waits)
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
	case isDrain && (drained.HandedBack < handedBack || drained.HandedBack > handedBack && !t.once): // there may be other sources
		t.ledger.report("run: %v, but %d were handed back", err, handedBack)
	case isStop && !t.design.Stops:
		t.ledger.report("run: %v, without such a policy", err)
	}
}
