package randpipe

import (
	"strconv"
	"sync"
	"time"

	"github.com/rocketflow-io/rocketflow/flow"
	"github.com/rocketflow-io/rocketflow/operators"
)

// pairing is the arguments of a join.
type pairing struct {
	kind       operators.JoinKind
	self       bool // each value is on both sides; else on one of them
	before     time.Duration
	after      time.Duration
	event      bool             // by event time, in which values can be late
	outOfOrder [2]time.Duration // of the sides
	identify   bool             // values are known by what they are, not by their records
	once       bool             // a value comes once in a delivery
	stays      bool             // nothing is handed back on its way to the join
	lates      *Faults          // of the sinks of the late; nil if they are dropped

	mu    sync.Mutex
	given map[Place]int // how often a value was in a result
}

// maxJoins is how many joins a pipeline may have: each gives a value as often as it has partners.
const maxJoins = 2

// joinKind joins two streams that are made of one: by a split, so that a value is on one side, or by a
// broadcast, so that it is on both. Which pairs there are over crashes and failures for good is not told
// beforehand, but this is:
//
//   - By event time a value that is on both sides is its own partner: the effect is that pair.
//   - Else the effect is to be in a result at all, in a pair or alone, and only values that the join gives
//     alone have one for certain.
//   - The values of a pair have one key, and times that match. None is given alone behind a pair, nor, by
//     event time, when a partner had come in time.
func joinKind() kind {
	return kind{
		name: "Join", fits: func(o Options) bool { return o.Joins && !o.Keyed }, joint: true, once: true, gathers: true, fansIn: true, joins: true,
		gives: mapped, draw: func(a *artist, o *op) { o.drawPairing(a) }, add: (*op).join,
	}
}

func (o *op) drawPairing(a *artist) {
	p := &pairing{
		kind: []operators.JoinKind{operators.InnerJoin, operators.LeftJoin, operators.OuterJoin, operators.OuterJoin}[a.IntN(4)],
		self: a.Chance(40), event: !a.opts.Endless && a.Chance(70), before: a.Between(0, 4*time.Second), after: a.Between(0, 4*time.Second),
		identify: a.design.Joint || a.width > 1 || a.Chance(30), once: !a.design.Joint && a.width == 1, stays: !a.opts.Leased, given: make(map[Place]int),
	}
	for side := range p.outOfOrder {
		if a.Chance(60) {
			p.outOfOrder[side] = a.Between(0, 8*time.Second)
		}
	}
	if a.Chance(50) {
		p.lates = a.faults(o.name+" late", 25)
	}
	o.keys = 3 * a.width
	if !p.event { // values come at once
		p.before, p.after, o.keys = p.before/4, p.after/4, 4*o.keys
		if p.self && p.kind == operators.InnerJoin {
			p.kind = operators.LeftJoin
		}
	}
	if !p.self && a.Chance(20) {
		p.before = -p.after / 2 // partners are younger
	}
	a.width *= maxChildren // as many values come of one, if not different ones
	o.pairs = p
}

// joined is what a join gives.
type joined struct{ left, right *Item }

// join adds a join, held to its values.
func (o *op) join(s stream) stream {
	p, run := o.pairs, &joinRun{o: o}
	var sides []stream
	if p.self {
		sides = s.Broadcast(2)
	} else {
		sides = s.Split(2, func(it Item) int { return int(Mix(it.ID, o.salt, 3) % 2) })
	}
	var clocks [2]flow.Clock[Item]
	for i := range sides {
		sides[i] = sides[i].Via(watch{begin: func() { run.begin(i) }, enter: func(it Item) { run.enter(i, it) }})
		clocks[i] = flow.ProcessingTime[Item]()
		if p.event {
			clocks[i] = flow.EventTime(o.happened, p.outOfOrder[i])
		}
	}
	both := sides[0].KeyBy(o.joinKey).Join(sides[1].KeyBy(o.joinKey), flow.Within(p.before, p.after), clocks[0], clocks[1]).
		Named(o.name + " join")
	if p.identify {
		id := func(it Item) string { return strconv.FormatUint(it.ID, 16) }
		both = both.Identify(id, id)
	}
	switch {
	case p.event && p.lates != nil:
		both = both.LateLeft(func(late stream) *flow.Pipeline { return run.ofLate(0, late) }).
			LateRight(func(late stream) *flow.Pipeline { return run.ofLate(1, late) })
	case p.event:
		both = both.DropLate()
	}
	var results flow.Stream[joined]
	switch p.kind {
	case operators.InnerJoin:
		results = both.Inner(func(l, r Item) joined { return joined{&l, &r} })
	case operators.LeftJoin:
		results = both.Left(func(l Item, r *Item) joined { return joined{&l, r} })
	default:
		results = both.Outer(func(l, r *Item) joined { return joined{l, r} })
	}
	return o.takeApart(results.Map(run.members).Filter(func(items []Item) bool { return len(items) > 0 }))
}

func (o *op) joinKey(it Item) uint64 { return it.ID % uint64(o.keys) }

// owed tells whether a value of a side must be in a result, if it is not late.
func (p *pairing) owed(side int) bool {
	return p.self || p.kind == operators.OuterJoin || p.kind == operators.LeftJoin && side == 0
}

// match tells whether two values are partners by event time.
func (o *op) match(l, r Item) bool {
	apart := o.happened(r).Sub(o.happened(l))
	return o.joinKey(l) == o.joinKey(r) && -o.pairs.before <= apart && apart <= o.pairs.after
}

// joinRun is one run of a join, held to what it may give.
type joinRun struct {
	o *op

	mu    sync.Mutex
	sides [2]joinSide
}

// joinSide is what has come on a side.
type joinSide struct {
	newest time.Time     // event time
	inTime []Item        // what cannot have been late
	paired map[Item]bool // what was in a pair
}

func (r *joinRun) begin(side int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sides[side] = joinSide{paired: make(map[Item]bool)}
}

func (r *joinRun) enter(side int, it Item) {
	r.mu.Lock()
	defer r.mu.Unlock()
	o, s := r.o, &r.sides[side]
	late := o.pairs.event && r.mayBeLateLocked(side, it)
	if late && o.pairs.lates == nil || !o.pairs.owed(side) {
		o.env.Dropped(it.At(o.name)) // nothing tells which
	}
	if !late {
		s.inTime = append(s.inTime, it)
	}
	if at := o.happened(it); at.After(s.newest) {
		s.newest = at
	}
}

// mayBeLateLocked tells whether the watermark can have passed a value. It is never ahead of its side.
func (r *joinRun) mayBeLateLocked(side int, it Item) bool {
	newest := r.sides[side].newest
	return !newest.IsZero() && r.o.happened(it).Before(newest.Add(-r.o.pairs.outOfOrder[side]))
}

// ofLate ends the late values of a side, each held to being late by itself.
func (r *joinRun) ofLate(side int, late stream) *flow.Pipeline {
	return late.Tap(func(it Item) {
		r.mu.Lock()
		defer r.mu.Unlock()
		if !r.mayBeLateLocked(side, it) {
			r.o.env.Wrong("%s takes %v of side %d for late, though the watermark cannot have passed it", r.o.name, it, side)
		}
	}).To(lates{r.o, r.o.pairs.lates}, flow.As(r.o.name+" late"), flow.OnWriteError(flow.Nack()))
}

// members gives the values of a result that it is the effect of.
func (r *joinRun) members(v joined) (items []Item) {
	p := r.o.pairs
	r.check(v)
	switch {
	case p.self && p.event:
		if v.left == nil || v.right == nil || v.left.ID != v.right.ID {
			return nil
		}
		items = []Item{*v.left}
	case v.left != nil && v.right != nil && *v.left == *v.right:
		items = []Item{*v.left}
	default:
		for _, it := range []*Item{v.left, v.right} {
			if it != nil {
				items = append(items, *it)
			}
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, it := range items {
		at := it.At(r.o.name)
		if p.given[at]++; p.given[at] > 1 {
			r.o.env.Repeated(at)
		}
	}
	return items
}

// check holds a result to what the join promises.
func (r *joinRun) check(v joined) {
	o, p := r.o, r.o.pairs
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case v.left == nil && v.right == nil:
		o.env.Wrong("%s gives nothing at all", o.name)
	case v.left == nil:
		r.checkAloneLocked(1, *v.right)
	case v.right == nil:
		r.checkAloneLocked(0, *v.left)
	default:
		if o.joinKey(*v.left) != o.joinKey(*v.right) || p.event && !o.match(*v.left, *v.right) {
			o.env.Wrong("%s pairs %v of %v with %v of %v", o.name, *v.left, o.happened(*v.left), *v.right, o.happened(*v.right))
		}
		r.sides[0].paired[whatever(*v.left)] = true
		r.sides[1].paired[whatever(*v.right)] = true
	}
}

// checkAloneLocked holds a value that is given alone to having no partner. One that comes more than once of
// a delivery may be forgotten meanwhile.
func (r *joinRun) checkAloneLocked(side int, it Item) {
	o, p := r.o, r.o.pairs
	if p.once && r.sides[side].paired[whatever(it)] && o.env.Copies(it.Src) < 2 {
		o.env.Wrong("%s gives %v alone, which was in a pair", o.name, it)
	}
	if !p.event || !p.stays {
		return
	}
	for _, other := range r.sides[1-side].inTime {
		if side == 0 && o.match(it, other) || side == 1 && o.match(other, it) {
			o.env.Wrong("%s gives %v alone, though its partner %v had come", o.name, it, other)
		}
	}
}
