package operators

import (
	"context"
	"slices"
	"time"

	"github.com/rocketflow-io/rocketflow/flow/stage"
)

// turn does what is due for a joinee at its end, and at its release.
func (j *joiner[K, L, R, O]) turn(e *joinee[K, L, R], now instant) {
	if !e.over {
		e.over = true
		if j.Kind.keeps(e.side) && len(e.matches) == 0 {
			j.giveAlone(e)
		}
		if j.known[e.side] == nil {
			j.remove(e)
		}
	}
	if e.release > now {
		e.until = e.release
		j.agenda.add(e)
		return
	}
	e.free = true
	j.mu.Lock()
	e.touched = instantOf(j.rt.Now())
	if e.held {
		j.done = append(j.done, e.letGo())
	}
	j.mu.Unlock()
	if j.known[e.side] != nil {
		j.leaving = append(j.leaving, e)
	}
}

// giveAlone gives a value without a partner. One that is not held is away, and given when it comes again;
// so is one that the user's function panics for, which is blamed on it then.
func (j *joiner[K, L, R, O]) giveAlone(e *joinee[K, L, R]) {
	v, err := j.result(e.left, e.right)
	var d stage.Duty
	j.mu.Lock()
	held := e.held
	switch {
	case held && err != nil:
		d = e.letGo()
	case held:
		d = e.duty
		d.Retain(1)
	}
	j.mu.Unlock()
	switch {
	case !held:
		return
	case err != nil:
		d.Fail(err)
		return
	}
	m := &match[K, L, R]{}
	m.ends[e.side] = e
	e.matches = append(e.matches, m)
	j.give(m, e, d, v)
}

// letGo gives the duty that is held, and holds it no more. The joiner's mu is held.
func (e *joinee[K, L, R]) letGo() stage.Duty {
	d := e.duty
	e.duty, e.held = stage.Duty{}, false
	e.holding++
	return d
}

// holdup is when a joinee has to give back what it holds.
type holdup[K comparable, L, R any] struct {
	until  time.Time
	joinee *joinee[K, L, R]
	number int
}

// hold keeps the duty of a joinee until its release. One from before is of a lease that is over, or of
// another value with its identity, with which it is joined.
func (j *joiner[K, L, R, O]) hold(e *joinee[K, L, R], d stage.Duty) {
	var old stage.Duty
	j.mu.Lock()
	if e.held && j.IdentifyLeft != nil {
		d = stage.Join(0, []stage.Duty{e.duty, d}).Duty
	} else {
		old = e.duty
	}
	e.duty, e.held = d, true
	e.holding++
	number := e.holding
	j.mu.Unlock()
	old.Fail(stage.ErrHandedBack)
	if j.up.HoldFor == 0 || !j.up.Redelivers {
		return
	}
	until := j.rt.Now().Add(j.up.HoldFor)
	// An eighth of the time to hold is a tenth of the lease, if the join has all that it leaves.
	if last := d.Expires().Add(-j.up.HoldFor / 8); !d.Expires().IsZero() && last.Before(until) {
		until = last
	}
	i := len(j.holds)
	for i > 0 && j.holds[i-1].until.After(until) {
		i--
	}
	j.holds = slices.Insert(j.holds, i, holdup[K, L, R]{until, e, number})
	j.setHold()
}

func (j *joiner[K, L, R, O]) setHold() {
	if len(j.holds) > 0 {
		j.holdAlarm.set(j.rt, j.holds[0].until, j.onHold)
	}
}

// onHold hands back what has been held for as long as it may be. It comes again, with a new lease, is
// known, and held anew; so an interval may be longer than a lease.
func (j *joiner[K, L, R, O]) onHold(context.Context) {
	now := j.rt.Now()
	for len(j.holds) > 0 && !j.holds[0].until.After(now) {
		h := j.holds[0]
		j.holds[0] = holdup[K, L, R]{}
		j.holds = j.holds[1:]
		j.mu.Lock()
		current := h.joinee.held && h.joinee.holding == h.number
		j.mu.Unlock()
		if current {
			j.handBack(h.joinee)
		}
	}
	j.setHold()
}

func (j *joiner[K, L, R, O]) handBack(e *joinee[K, L, R]) {
	j.mu.Lock()
	held, d := e.held, e.duty
	if held {
		e.letGo()
		e.touched = instantOf(j.rt.Now())
	}
	j.mu.Unlock()
	if held {
		j.rt.Count("handed_back", 1)
		d.Fail(stage.ErrHandedBack)
	}
}

// forget lets go of joinees that cannot come again, nor a partner of them for the first time.
func (j *joiner[K, L, R, O]) forget() {
	if len(j.leaving) == 0 {
		return
	}
	mark, then := j.past.mark(j.rt), instantOf(j.rt.Now().Add(-j.past.grace))
	for len(j.leaving) > 0 {
		e := j.leaving[0]
		j.mu.Lock()
		over := e.pending == 0 && !e.held && e.touched <= then
		j.mu.Unlock()
		if !over || j.up.Redelivers && e.end > mark {
			return
		}
		j.leaving[0] = nil
		j.leaving = j.leaving[1:]
		j.remove(e)
		j.unknow(e)
		e.left, e.right, e.matches = nil, nil, nil
	}
}

// remove takes a joinee out of its bucket.
func (j *joiner[K, L, R, O]) remove(e *joinee[K, L, R]) {
	b := j.buckets[e.key]
	b.lanes[e.side].remove(e)
	if len(b.lanes[leftSide].all)+len(b.lanes[rightSide].all) == 0 {
		delete(j.buckets, e.key)
	}
}

// names is what the values of a record are known by: their order within a delivery.
type names[K comparable, L, R any] struct {
	delivery uint64 // the record's place in the order in which it was read; tells deliveries apart
	came     int    // values of this delivery
	of       []*joinee[K, L, R]
}

// recognize finds out whether a value came before. What it finds is kept when the value has found its
// place, and not sooner: it may be tried again.
func (j *joiner[K, L, R, O]) recognize(a *arrival[K, L, R], by name) {
	at := a.at
	if j.mark == nil || j.IdentifyLeft != nil {
		at = 0
	}
	a.id = j.ids[a.side].of(a.key, by, at)
	n := j.known[a.side][a.id]
	if n == nil {
		return
	}
	if n.delivery == a.Sequence() && j.IdentifyLeft == nil {
		a.number = n.came
	}
	if a.number < len(n.of) {
		a.old = n.of[a.number]
		a.gone = a.old == nil
	}
}

// remember keeps what recognize found, and of a new value where it is.
func (j *joiner[K, L, R, O]) remember(a *arrival[K, L, R], e *joinee[K, L, R]) {
	known := j.known[a.side]
	if known == nil {
		return
	}
	n := known[a.id]
	if n == nil {
		n = &names[K, L, R]{}
		known[a.id] = n
	}
	n.delivery, n.came = a.Sequence(), a.number+1
	if a.number == len(n.of) {
		n.of = append(n.of, e)
	}
}

func (j *joiner[K, L, R, O]) unknow(e *joinee[K, L, R]) {
	n := j.known[e.side][e.id]
	n.of[e.number] = nil
	if !slices.ContainsFunc(n.of, func(e *joinee[K, L, R]) bool { return e != nil }) {
		delete(j.known[e.side], e.id)
	}
}
