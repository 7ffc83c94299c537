package flow_test

import (
	"fmt"
	"math/rand/v2"
	"time"
)

// opKind is what an operator of a random pipeline does.
type opKind int

const (
	opMap opKind = iota
	opFilter
	opFlatMap
	opTryMap
	opTryFilter
	opTryFlatMap
	opParMap
	opParMapUnordered
	opBatch    // a batch, a fallible function of it, and a flatten that takes it apart
	opThrottle // and a map behind it
	opKinds
)

// op is an operator of a random pipeline.
type op struct {
	kind   opKind
	name   string
	salt   uint64
	share  uint64  // of a filter: percent kept
	n      int     // of a parallel map: goroutines; of a batch: values; of a throttle: the burst
	rate   float64 // of a throttle
	age    time.Duration
	bytes  bool // batch by bytes too
	faults *faults
}

type finalAction int

const (
	nack finalAction = iota
	skip
	deadLetter
	stop
)

// policySpec is the error policy of a group of stages, as the ledger knows it.
type policySpec struct {
	retries int
	delay   time.Duration
	final   finalAction
	grave   *grave // of deadLetter
}

// group is operators with one policy.
type group struct {
	ops    []op
	policy policySpec
}

// chain is a stretch of a random pipeline: groups, and then a sink or a fan.
type chain struct {
	groups []group
	sink   *sinkSpec
	fan    *fan
}

// fan is a broadcast: to branches that end in sinks, or, if rest is set, that are merged again.
type fan struct {
	salt     uint64
	branches []chain
	rest     *chain
}

// sinkSpec is a sink of a random pipeline, with what To is told.
type sinkSpec struct {
	*testSink
	own   *policySpec // of OnWriteError; nil for the policy above
	count int         // of Batched; 0 for none
	age   time.Duration
}

// dice makes the random choices of a seed.
type dice struct {
	*rand.Rand
	ledger *ledger
	names  int
	holds  bool // operators may hold records
	aged   bool // what holds needs an age
	mild   bool // no fault is for ever
	stops  bool // a policy is to stop
}

func newDice(seed uint64, l *ledger) *dice {
	return &dice{Rand: rand.New(rand.NewPCG(splitmix(seed), splitmix(seed+1<<32))), ledger: l}
}

// chance is true n times of 100.
func (d *dice) chance(n int) bool { return d.IntN(100) < n }

// span gives a duration below limit; no two are alike.
func (d *dice) span(limit time.Duration) time.Duration { return time.Duration(d.Int64N(int64(limit))) }

func (d *dice) name(kind string) string {
	d.names++
	return fmt.Sprintf("%s%d", kind, d.names)
}

func (d *dice) policy() policySpec {
	p := policySpec{retries: d.IntN(4), delay: d.span(2 * time.Second)}
	switch n := d.IntN(100); {
	case n < 40:
	case n < 60:
		p.final = skip
	case n < 96:
		p.final, p.grave = deadLetter, newGrave(d)
	default:
		p.final, d.stops = stop, true
	}
	if d.chance(30) {
		p.delay = 0
	}
	return p
}

func (d *dice) faults(name string, percent int) *faults {
	f := &faults{stage: name, salt: d.Uint64(), mild: d.mild, ledger: d.ledger, calls: make(map[uint64]int)}
	if d.chance(60) {
		f.percent = uint64(d.IntN(percent))
	}
	return f
}

func (d *dice) op() op {
	o := op{kind: opKind(d.IntN(int(opKinds))), name: d.name("op"), salt: d.Uint64(), share: uint64(50 + d.IntN(50))}
	if o.kind == opBatch && !d.holds {
		o.kind = opTryMap
	}
	o.faults = d.faults(o.name, 25)
	switch o.kind {
	case opParMap, opParMapUnordered:
		o.n = 1 + d.IntN(5)
		o.faults.slow = 100 * time.Millisecond
	case opBatch:
		o.n, o.bytes = 1+d.IntN(6), d.chance(30)
		if d.aged || d.chance(50) {
			o.age = time.Millisecond + d.span(800*time.Millisecond)
		}
	case opThrottle:
		o.n, o.rate = 1+d.IntN(4), 10+200*d.Float64()
	case opTryMap, opTryFilter:
		if d.chance(20) {
			o.faults.slow = 10 * time.Millisecond
		}
	}
	return o
}

func (d *dice) chain(depth int) chain {
	var c chain
	for range d.IntN(3) {
		g := group{policy: d.policy()}
		for range 1 + d.IntN(3) {
			g.ops = append(g.ops, d.op())
		}
		c.groups = append(c.groups, g)
	}
	return c.finish(d, depth)
}

// finish gives a chain its end.
func (c chain) finish(d *dice, depth int) chain {
	if depth >= 2 || !d.chance(35) {
		c.sink = d.sink()
		return c
	}
	c.fan = &fan{salt: d.Uint64()}
	merged := d.chance(30)
	for range 1 + d.IntN(3) {
		branch := d.chain(depth + 1)
		if merged {
			branch.sink, branch.fan = nil, nil
		}
		c.fan.branches = append(c.fan.branches, branch)
	}
	if merged {
		rest := d.chain(depth + 1)
		c.fan.rest = &rest
	}
	return c
}

func (d *dice) sink() *sinkSpec {
	s := &sinkSpec{testSink: newTestSink(d)}
	if d.chance(50) {
		p := d.policy()
		s.own = &p
	}
	if d.chance(40) {
		s.count = 1 + d.IntN(8)
		if d.aged || d.chance(50) {
			s.age = time.Millisecond + d.span(800*time.Millisecond)
		}
	}
	return s
}
