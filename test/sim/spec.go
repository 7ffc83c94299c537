package sim

import (
	"fmt"
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
	opBatch // a batch, a fallible function of it, and a flat map that takes it apart
	opKinds
)

// op is an operator of a random pipeline.
type op struct {
	kind   opKind
	name   string
	salt   uint64
	share  uint64 // of a filter: percent kept
	n      int    // of a parallel map: goroutines; of a batch: values
	age    time.Duration
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

// designer makes a random pipeline.
type designer struct {
	dice
	w       *world
	ordered bool // the group is FIFO, so nothing may hold records
	stops   bool // a policy is to stop
	names   int
	outs    []string // topics of sinks
	lease   time.Duration
}

func (d *designer) name(kind string) string {
	d.names++
	return fmt.Sprintf("%s%d", kind, d.names)
}

func (d *designer) policy() policySpec {
	p := policySpec{retries: d.IntN(4), delay: d.between(time.Millisecond, 2*time.Second)}
	switch n := d.IntN(100); {
	case n < 40:
	case n < 60:
		p.final = skip
	case n < 97:
		p.final, p.grave = deadLetter, &grave{w: d.w, name: d.name("grave")}
	default:
		p.final, d.stops = stop, true
	}
	return p
}

func (d *designer) faults(name string, most int) *faults {
	f := &faults{w: d.w, stage: name, salt: d.Uint64(), calls: make(map[uint64]int), lease: d.lease}
	if d.chance(60) {
		f.percent = uint64(d.IntN(most))
	}
	return f
}

func (d *designer) op() op {
	o := op{kind: opKind(d.IntN(int(opKinds))), name: d.name("op"), salt: d.Uint64(), share: uint64(50 + d.IntN(50))}
	if o.kind == opBatch && d.ordered {
		o.kind = opTryMap
	}
	o.faults = d.faults(o.name, 25)
	switch o.kind {
	case opParMap, opParMapUnordered:
		o.n = 1 + d.IntN(5)
		o.faults.slow = d.between(time.Millisecond, 100*time.Millisecond)
	case opBatch:
		o.n, o.age = 1+d.IntN(6), d.between(time.Millisecond, 800*time.Millisecond)
	case opTryMap, opTryFilter:
		if d.chance(20) {
			o.faults.slow = d.between(time.Microsecond, 10*time.Millisecond)
		}
		if d.chance(15) {
			o.faults.stuck = 3
		}
	}
	return o
}

func (d *designer) chain(depth int) chain {
	var c chain
	for range d.IntN(3) {
		g := group{policy: d.policy()}
		for range 1 + d.IntN(3) {
			g.ops = append(g.ops, d.op())
		}
		c.groups = append(c.groups, g)
	}
	return d.finish(c, depth)
}

// finish gives a chain its end.
func (d *designer) finish(c chain, depth int) chain {
	if depth >= 2 || !d.chance(35) {
		c.sink = d.sink()
		return c
	}
	c.fan = &fan{salt: d.Uint64()}
	merged := d.chance(30)
	for range 1 + d.IntN(3) {
		branch := d.chain(depth + 1)
		if merged {
			d.drop(branch)
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

// drop takes away the topics of sinks that are not to be.
func (d *designer) drop(c chain) {
	if c.fan != nil {
		for _, b := range c.fan.branches {
			d.drop(b)
		}
		if c.fan.rest != nil {
			d.drop(*c.fan.rest)
		}
	}
	if c.sink != nil && c.sink.topic != "" {
		for i, out := range d.outs {
			if out == c.sink.topic {
				d.outs = append(d.outs[:i:i], d.outs[i+1:]...)
				return
			}
		}
	}
}

func (d *designer) sink() *sinkSpec {
	s := &sinkSpec{w: d.w, name: d.name("sink")}
	if d.chance(50) {
		p := d.policy()
		s.own = &p
	}
	if d.chance(40) {
		s.count, s.age = 1+d.IntN(8), d.between(time.Millisecond, 800*time.Millisecond)
	}
	s.concurrency, s.maxBatch, s.orderedKeys, s.immediate = d.IntN(4), d.IntN(10), d.chance(40), d.chance(30)
	s.vague = d.chance(50)
	s.faults = d.faults(s.name, 25)
	switch {
	case d.chance(40):
		s.topic = fmt.Sprintf("out-%d", len(d.outs)+1)
		s.name = s.topic
		s.concurrency = 1 + d.IntN(3)
		d.outs = append(d.outs, s.topic)
	case !s.immediate && d.chance(70):
		s.faults.slow = d.between(time.Millisecond, 200*time.Millisecond)
	}
	return s
}
