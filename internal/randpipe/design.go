package randpipe

import (
	"fmt"
	"time"
)

// Options say what may be drawn.
type Options struct {
	Keyed     bool // the source orders by key: no operator may hold records
	Leased    bool // the source has leases: what holds records needs a bound in time
	Endless   bool // the source has no end
	Topics    bool // some sinks are topics
	Mild      bool // no function fails for ever
	Stalls    bool // some functions take longer than the lease
	Positions bool // no source redelivers: what comes has a position
	Returns   bool // what a policy buries may come again first: most do
	Joins     bool // streams may be joined
	Tables    bool // streams may be joined with tables
	Keeps     bool // windows may be in stores; then no function fails for ever, since what they give is given until it is safe
}

// Design is a random pipeline as a description, from behind its sources on.
type Design struct {
	Stops  bool     // a policy is to stop
	Ends   bool     // an operator ends the run, so that another has to follow
	Joint  bool     // an operator joins duties, so that one's failure is another's
	Keeps  bool     // an operator answers for values when a store has them
	Waits  bool     // an operator hands back what waits when the run ends before its input
	Topics []string // of sinks
	chain  chain
}

// chain is a stretch of a pipeline: groups, and then a sink or a fan; nothing, if it is to be merged.
type chain struct {
	groups []group
	sink   *Sink
	fan    *fan
}

// group is operators with one policy.
type group struct {
	ops    []*op
	policy policy
}

// fan is a broadcast or a split: to branches that end in sinks, or, if rest is set, that are merged
// again.
type fan struct {
	salt     uint64
	split    bool
	optional int // the branch that is not required; 0 for none
	branches []chain
	rest     *chain
}

// policy is an error policy, as the evaluation knows it.
type policy struct {
	retries int
	delay   time.Duration
	final   finalAction
	grave   *Grave // of deadLetter
}

type finalAction int

const (
	nack finalAction = iota
	skip
	deadLetter
	stop
)

// Grave is where a policy puts dead letters.
type Grave struct {
	Name   string
	Faults *Faults
}

// Sink is a sink, which the test makes.
type Sink struct {
	Name   string
	Topic  string // "" for one that is no topic
	Faults *Faults

	Concurrency, MaxBatch  int
	OrderedKeys, Immediate bool
	Vague                  bool // errors name no values

	own   *policy // of OnWriteError; nil for the policy above
	count int     // of Batched; 0 for none
	age   time.Duration
}

// Draw draws a pipeline.
func Draw(d Dice, env Env, opts Options) *Design {
	opts.Mild = opts.Mild || opts.Keeps
	a := &artist{Dice: d, env: env, opts: opts, design: &Design{}, width: 1}
	for _, k := range kinds() {
		switch {
		case k.fits != nil && !k.fits(opts):
		case k.stores:
			a.keeping = append(a.keeping, k)
		case k.joins:
			a.joining = append(a.joining, k)
		case k.tables:
			a.tabling = append(a.tabling, k)
		default:
			a.kinds = append(a.kinds, k)
		}
	}
	a.design.chain = a.chain(0)
	return a.design
}

const (
	maxChildren = 3  // that a value is taken apart into
	maxWidth    = 27 // above it no value is taken apart any more
)

// artist draws a pipeline.
type artist struct {
	Dice
	env     Env
	opts    Options
	design  *Design
	kinds   []kind
	keeping []kind // those that keep what they hold in a store
	joining []kind // joins
	tabling []kind // joins with tables
	joins   int    // so far
	names   int
	width   int // the most values that an input is here
	unbound int // operators so far that hold any number of values
}

func (a *artist) name(what string) string {
	a.names++
	return fmt.Sprintf("%s%d", what, a.names)
}

func (a *artist) policy() policy {
	p := policy{retries: a.IntN(4), delay: a.Between(time.Millisecond, 2*time.Second)}
	n := a.IntN(100)
	if a.opts.Returns && a.Chance(70) {
		p.retries, n = a.IntN(2), 60
	}
	switch {
	case n < 40:
	case n < 60:
		p.final = skip
	case n < 97:
		name := a.name("grave")
		p.final, p.grave = deadLetter, &Grave{name, a.faults(name, 20)}
	default:
		p.final, a.design.Stops = stop, true
	}
	if a.Chance(30) {
		p.delay = 0
	}
	return p
}

func (a *artist) faults(name string, most int) *Faults {
	f := &Faults{
		env: a.env, stage: name, salt: a.Uint64(), mild: a.opts.Mild, calls: make(map[uint64]int), seen: make(map[uint64]bool),
	}
	if a.Chance(60) {
		f.percent = uint64(a.IntN(most))
	}
	return f
}

func (a *artist) op() *op {
	k := a.kinds[a.IntN(len(a.kinds))]
	stores, joins := 12, 20
	if a.opts.Returns { // what is asked whether it comes again
		stores, joins = 30, 40
	}
	if len(a.keeping) > 0 && a.Chance(stores) {
		k = a.keeping[a.IntN(len(a.keeping))]
	}
	if len(a.joining) > 0 && a.joins < maxJoins && a.Chance(joins) {
		k = a.joining[a.IntN(len(a.joining))]
		a.joins++
	}
	if len(a.tabling) > 0 && a.Chance(25) {
		k = a.tabling[a.IntN(len(a.tabling))]
	}
	for k.single && a.width > 1 || k.many && a.width > maxWidth {
		k = a.kinds[a.IntN(len(a.kinds))]
	}
	o := &op{kind: k, name: a.name("op"), env: a.env, salt: a.Uint64(), share: uint64(50 + a.IntN(50))}
	o.faults = a.faults(o.name, 25)
	if k.draw != nil {
		k.draw(a, o)
	}
	if k.many {
		a.width *= maxChildren
	}
	if k.gathers {
		a.width = max(a.width, 2)
		a.unbound++
	}
	a.design.Ends = a.design.Ends || k.ends
	a.design.Joint = a.design.Joint || k.joint
	a.design.Keeps = a.design.Keeps || k.stores
	return o
}

func (a *artist) groups() (all []group) {
	for range a.IntN(3) {
		g := group{policy: a.policy()}
		for range 1 + a.IntN(3) {
			g.ops = append(g.ops, a.op())
		}
		all = append(all, g)
	}
	return all
}

func (a *artist) chain(depth int) chain {
	c := chain{groups: a.groups()}
	if depth >= 2 || !a.Chance(35) {
		c.sink = a.sink()
		return c
	}
	width, sum, unbound := a.width, 0, 0
	c.fan = &fan{salt: a.Uint64(), split: a.Chance(40)}
	merged := a.Chance(30)
	for range 1 + a.IntN(3) {
		a.width, unbound = width, a.unbound
		if merged {
			c.fan.branches = append(c.fan.branches, chain{groups: a.groups()})
		} else {
			c.fan.branches = append(c.fan.branches, a.chain(depth+1))
		}
		sum += a.width
	}
	// With leases nothing but windows holds without a bound.
	if !merged && !c.fan.split && !a.opts.Keyed && a.opts.Leased && a.unbound == unbound && a.Chance(30) {
		c.fan.optional = len(c.fan.branches) - 1
	}
	if merged {
		a.width = sum
		rest := a.chain(depth + 1)
		c.fan.rest = &rest
	}
	return c
}

func (a *artist) sink() *Sink {
	s := &Sink{Name: a.name("sink")}
	if a.Chance(50) {
		p := a.policy()
		s.own = &p
	}
	if a.Chance(40) {
		s.count, s.age = 1+a.IntN(8), a.age()
	}
	s.Concurrency, s.MaxBatch, s.OrderedKeys, s.Immediate = a.IntN(4), a.IntN(10), a.Chance(40), a.Chance(30)
	s.Vague = a.Chance(50)
	s.Faults = a.faults(s.Name, 25)
	switch {
	case a.opts.Topics && a.Chance(40):
		s.Topic = fmt.Sprintf("out-%d", len(a.design.Topics)+1)
		s.Name = s.Topic
		s.Concurrency = 1 + a.IntN(3)
		a.design.Topics = append(a.design.Topics, s.Topic)
	case !s.Immediate && a.Chance(70):
		s.Faults.slow = a.Between(time.Millisecond, 200*time.Millisecond)
	}
	return s
}

// age is how old what is gathered may get; 0, where that may be, for no bound.
func (a *artist) age() time.Duration {
	if !a.opts.Leased && !a.opts.Keyed && !a.opts.Endless && a.Chance(50) {
		return 0
	}
	return a.Between(time.Millisecond, 800*time.Millisecond)
}
