package operators

import (
	"errors"
	"slices"
	"time"

	"github.com/rocketflow-io/rocketflow/flow/stage"
)

// joinee is a value that was joined, or may be.
type joinee[K comparable, L, R any] struct {
	side    side
	key     K
	left    *L // its value, on
	right   *R // one of the sides
	at      instant
	end     instant // when it can have no more partners that come for the first time
	release instant // when it is held no more: the latest end of those that it must not outlive
	until   instant // when its turn is
	over    bool    // end has come,
	free    bool    // and release
	id      ident
	number  int // of the value in its record, from 0
	matches []*match[K, L, R]

	// These are guarded by the joiner's mu.
	held    bool // duty is
	duty    stage.Duty
	holding int // of the hold; tells a late deadline that there is another
	pending int // matches that are on their way
	touched instant
}

// match is a pair that was emitted, or a value without a partner.
type match[K comparable, L, R any] struct {
	ends [2]*joinee[K, L, R]

	// These are guarded by the joiner's mu.
	state     matchState
	followers []stage.Duty // of ends that came again meanwhile: settled with the pair
}

type matchState int

const (
	onItsWay matchState = iota
	safe
	failed // or put off: to be given again, when one of its ends comes again
)

func (m *match[K, L, R]) single() bool { return m.ends[leftSide] == nil || m.ends[rightSide] == nil }

// join pairs a new value with those that are there.
func (j *joiner[K, L, R, O]) join(a *arrival[K, L, R]) {
	e := &joinee[K, L, R]{side: a.side, key: a.key, at: a.at, id: a.id, number: a.number}
	from, to := a.at.plus(-j.Within.before), a.at.plus(j.Within.after)
	if e.side == rightSide {
		from, to = a.at.plus(-j.Within.after), a.at.plus(j.Within.before)
		v := a.Value.Right
		e.right = &v
	} else {
		v := a.Value.Left
		e.left = &v
	}
	e.end = to.plus(1)
	e.release = e.end
	b := j.buckets[a.key]
	j.found, j.made = j.found[:0], j.made[:0]
	if b != nil {
		j.found = b.lanes[a.side.other()].between(j.found, from, to)
	}
	for _, p := range j.found {
		j.made = append(j.made, j.of(e, p))
	}
	if b == nil { // no function of the user is called any more
		b = &bucket[K, L, R]{}
		j.buckets[a.key] = b
	}
	b.lanes[e.side].add(e)
	a.Retain(len(j.found))
	for i, p := range j.found {
		m := &match[K, L, R]{}
		m.ends[e.side], m.ends[p.side] = e, p
		if j.Kind.keeps(e.side) {
			p.release = max(p.release, e.end)
		}
		if j.Kind.keeps(p.side) {
			e.release = max(e.release, p.end)
			if len(p.matches) > 0 && p.matches[0].single() {
				j.rt.Count("premature", 1)
			}
		}
		e.matches, p.matches = append(e.matches, m), append(p.matches, m)
		j.give(m, e, a.Duty, j.made[i])
	}
	clear(j.found)
	clear(j.made)
	j.remember(a, e)
	j.hold(e, a.Duty)
	e.until = e.end
	j.agenda.add(e)
}

// of gives the result of two joinees.
func (j *joiner[K, L, R, O]) of(e, p *joinee[K, L, R]) O {
	if e.side == leftSide {
		return j.f(e.left, p.right)
	}
	return j.f(p.left, e.right)
}

// give emits a match with a duty of one of its ends, which was retained for it, and one of the other if
// that is held (rule 3).
func (j *joiner[K, L, R, O]) give(m *match[K, L, R], e *joinee[K, L, R], d stage.Duty, v O) {
	duties := []stage.Duty{d}
	j.mu.Lock()
	defer j.mu.Unlock()
	if p := m.ends[e.side.other()]; p != nil && p.held {
		p.duty.Retain(1)
		duties = append(duties, p.duty)
	}
	if j.known[e.side] != nil {
		m.state = onItsWay
		for _, end := range m.ends {
			if end != nil {
				end.pending++
			}
		}
		// First among the members: what comes again finds the state of the match as it is.
		partner := duties[len(duties)-1] // or d again
		duties[0] = d.StandIn(func(err error) { j.told(m, d, partner, err) })
	}
	j.out = append(j.out, stage.Join(v, duties))
}

// told is called when a match is settled, with the duties that it was given with. If it failed, its ends
// have failed: they are held no more, so that they come again soon. If it was put off, only what it was given
// with comes again by that; what came later is handed back.
func (j *joiner[K, L, R, O]) told(m *match[K, L, R], d, partner stage.Duty, err error) {
	now := instantOf(time.Now())
	j.mu.Lock()
	duties := append(m.followers, d)
	m.followers, m.state = nil, safe
	if err != nil {
		m.state = failed
	}
	for _, end := range m.ends {
		if end == nil {
			continue
		}
		end.pending--
		end.touched = now
		if err != nil && end.held {
			duties = append(duties, end.letGo())
		}
	}
	j.mu.Unlock()
	for _, other := range duties {
		if errors.Is(err, stage.ErrPutOff) && other != d && other != partner {
			other.Fail(stage.ErrHandedBack)
		} else {
			other.Settle(err)
		}
	}
}

// again takes the duty of a value that came before: it is held as before, gives again what failed, and is
// settled with what is on its way.
func (j *joiner[K, L, R, O]) again(a *arrival[K, L, R]) {
	e := a.old
	redo, values := j.failed(e), []O(nil)
	for _, m := range redo {
		if m.single() {
			values = append(values, j.f(e.left, e.right))
		} else {
			values = append(values, j.of(e, m.ends[e.side.other()]))
		}
	}
	if e.over && len(e.matches) == 0 && j.Kind.keeps(e.side) { // it was away when its time had come
		m := &match[K, L, R]{}
		m.ends[e.side] = e
		redo, values = append(redo, m), append(values, j.f(e.left, e.right))
		e.matches = append(e.matches, m)
	}
	j.rt.Count("again", 1)
	j.remember(a, e)
	a.Retain(len(redo))
	for i, m := range redo {
		j.give(m, e, a.Duty, values[i])
	}
	j.follow(e, a.Duty, redo)
	if e.free {
		j.done = append(j.done, a.Duty)
		return
	}
	j.hold(e, a.Duty)
}

// failed gives the matches that are to be given again. What was given without a partner is not, if there
// is one by now.
func (j *joiner[K, L, R, O]) failed(e *joinee[K, L, R]) []*match[K, L, R] {
	var all []*match[K, L, R]
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, m := range e.matches {
		if m.state == failed && (len(e.matches) == 1 || !m.single()) {
			all = append(all, m)
		}
	}
	return all
}

// follow has a duty settled with what is on its way, too, but for some.
func (j *joiner[K, L, R, O]) follow(e *joinee[K, L, R], d stage.Duty, but []*match[K, L, R]) {
	late := false
	j.mu.Lock()
	for _, m := range e.matches {
		switch {
		case slices.Contains(but, m) || m.single() && len(e.matches) > 1:
		case m.state == onItsWay:
			d.Retain(1)
			m.followers = append(m.followers, d)
		case m.state == failed: // just now
			late = true
		}
	}
	j.mu.Unlock()
	if late {
		d.Retain(1)
		d.Fail(stage.ErrHandedBack)
	}
}
