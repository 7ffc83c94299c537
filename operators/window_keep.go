package operators

import (
	"context"
	"time"

	"github.com/rocketflow-io/rocketflow/flow/stage"
)

// holds is when panes have to give back what they hold, in the order in which they began to.
type holds[K comparable, A any] struct{ queue []holding[K, A] }

type holding[K comparable, A any] struct {
	until  time.Time
	pane   *pane[K, A]
	number int
}

// bound notes that a pane is given a duty, before it has it.
func (w *windower[K, T, A, O]) bound(p *pane[K, A], d stage.Duty) {
	if p.held.n > 0 || w.up.HoldFor == 0 || !w.up.Redelivers {
		return
	}
	more := p.detail()
	more.number++
	until := w.rt.Now().Add(w.up.HoldFor)
	// An eighth of the time to hold is a tenth of the lease, if the pane has all that it leaves.
	if last := d.Expires().Add(-w.up.HoldFor / 8); !d.Expires().IsZero() && last.Before(until) {
		until = last
	}
	w.holds.queue = append(w.holds.queue, holding[K, A]{until, p, more.number})
	w.setHold()
}

func (w *windower[K, T, A, O]) setHold() {
	if q := w.holds.queue; len(q) > 0 {
		w.alarms.set(w.rt, &w.alarms.hold, q[0].until.Sub(w.rt.Now()), w.onHold)
	}
}

// onHold hands back what has been held for as long as it may be. It comes again, with a new lease, is
// recognized, and held anew; so a window may take longer than a lease.
func (w *windower[K, T, A, O]) onHold(context.Context) {
	now := w.rt.Now()
	q := w.holds.queue
	for len(q) > 0 && !q[0].until.After(now) {
		if h := q[0]; h.pane.more.number == h.number {
			w.handBack(h.pane.resolve())
		}
		q[0] = holding[K, A]{}
		q = q[1:]
	}
	w.holds.queue = q
	w.setHold()
}

func (w *windower[K, T, A, O]) handBack(p *pane[K, A]) {
	if p.held.n == 0 {
		return
	}
	w.rt.Count("handed_back", int64(p.held.n))
	for _, d := range w.duties.take(&p.held, nil) {
		d.Fail(stage.ErrHandedBack)
	}
}

// handBackAll hands back what incomplete windows hold.
func (w *windower[K, T, A, O]) handBackAll() {
	for _, f := range w.agenda {
		for p := range f.panes.all() {
			w.handBack(p)
		}
	}
}

// drop lets frames go of which nothing can come any more.
func (w *windower[K, T, A, O]) drop(now instant) {
	for len(w.due) > 0 {
		f := w.due[0]
		if f.due && f.panes.n > 0 && !w.over(f, now) {
			return
		}
		w.due[0] = nil
		w.due = w.due[1:]
		if f.listed = false; f.due {
			w.forget(f)
		}
	}
}

func (w *windower[K, T, A, O]) over(f *frame[K, A], now instant) bool {
	counts := w.Windows.kind == counted
	if !counts && f.end.plus(w.Lateness) > now {
		return false
	}
	if f.fate != nil && (!counts && f.end > w.past.mark(w.rt) || !f.fate.sealed(instantOf(w.rt.Now().Add(-w.past.grace)))) {
		return false
	}
	for p := range f.panes.all() {
		if p.held.n > 0 { // it waits for a correction
			return false
		}
	}
	return true
}

// forget drops a frame with all that is known of its panes.
func (w *windower[K, T, A, O]) forget(f *frame[K, A]) {
	if w.Windows.kind == aligned {
		delete(w.frames, f.start)
		if w.latest == f {
			w.latest = nil
		}
	}
	for p := range f.panes.all() {
		for _, id := range p.members() {
			if k, ok := w.known[id]; ok {
				if k.forget(p) {
					w.known[id] = k
				} else {
					delete(w.known, id)
				}
			}
		}
		if w.Windows.kind == sessions {
			w.keys[p.key].remove(p)
			if len(w.keys[p.key].panes) == 0 {
				delete(w.keys, p.key)
			}
		}
	}
	// A pane that something still leads to keeps all of its block: what is over leads to nothing more.
	f.panes, f.index = panes[K, A]{}, nil
}

// past is where the watermark was a while ago: as long ago as records may take to come again.
type past struct {
	grace time.Duration // 0 if nothing comes again
	steps []pastStep
}

type pastStep struct {
	at   time.Time
	mark instant
}

// pastSteps is how many steps there are in that time, about. What is told of the past is late by one at most.
const pastSteps = 32

// note takes down where the watermark is.
func (p *past) note(rt stage.Runtime, mark instant) {
	if p.grace == 0 {
		return
	}
	switch n := len(p.steps); {
	case n > 0 && mark <= p.steps[n-1].mark:
	case n > 1 && rt.Now().Sub(p.steps[n-2].at) < p.grace/pastSteps:
		// The last is never left out: it may be long until the next, and who asked in between would be told
		// of the one before.
		p.steps[n-1] = pastStep{rt.Now(), mark}
	default:
		p.steps = append(p.steps, pastStep{rt.Now(), mark})
	}
}

// mark gives where the watermark was at least, then.
func (p *past) mark(rt stage.Runtime) instant {
	then := rt.Now().Add(-p.grace)
	for len(p.steps) > 1 && !p.steps[1].at.After(then) {
		p.steps = p.steps[1:]
	}
	if len(p.steps) == 0 || p.steps[0].at.After(then) {
		return never
	}
	return p.steps[0].mark
}
