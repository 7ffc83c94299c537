package operators

import (
	"context"
	"iter"
	"time"

	"github.com/rocketflow-io/rocketflow/flow/stage"
)

// onTime completes what the watermark has passed.
func (w *windower[K, T, A, O]) onTime(ctx context.Context) {
	now := w.now()
	for len(w.agenda) > 0 && w.agenda.next() <= now {
		w.complete(ctx, w.agenda.take())
	}
	w.emit(ctx)
	w.drop(now)
	w.setClock()
}

// setClock has onTime called when the next window ends, if time is that of the clock.
func (w *windower[K, T, A, O]) setClock() {
	if w.Clock.event || w.agenda.next() == always {
		return
	}
	w.alarms.set(w.rt, &w.alarms.clock, w.agenda.next().time().Sub(w.rt.Now()), w.onTime)
}

// complete gives the results of a frame.
func (w *windower[K, T, A, O]) complete(ctx context.Context, f *frame[K, A]) {
	f.due = true
	if !f.listed {
		f.listed = true
		w.due = append(w.due, f)
	}
	w.results(ctx, f, f.panes.all())
}

// onCorrect corrects what has changed after it was complete.
func (w *windower[K, T, A, O]) onCorrect(ctx context.Context) {
	w.correct(ctx)
	w.emit(ctx)
	w.drop(w.now())
}

func (w *windower[K, T, A, O]) correct(ctx context.Context) {
	for i, p := range w.dirty {
		p.dirty = false
		if p = p.resolve(); p.frame.due {
			w.results(ctx, p.frame, func(yield func(*pane[K, A]) bool) { yield(p) })
		}
		w.dirty[i] = nil
	}
	w.dirty = w.dirty[:0]
}

// onEarly gives early results of what has changed and is not complete. They hold no duty: the result
// that follows does.
func (w *windower[K, T, A, O]) onEarly(ctx context.Context) {
	for i, p := range w.changed {
		w.changed[i] = nil
		if p.changed = false; !p.absorbed() && !p.frame.due {
			w.put(ctx, stage.Record[O]{Value: w.resultOf(p, true)})
		}
	}
	w.changed = w.changed[:0]
	w.emit(ctx)
}

// results gives the results of panes that hold duties; they take those along (rule 3). What holds none
// has nothing new: its members are on their way with a result, or to come again.
func (w *windower[K, T, A, O]) results(ctx context.Context, f *frame[K, A], panes iter.Seq[*pane[K, A]]) {
	n := 0
	for p := range panes {
		if p.held.n > 0 {
			n++
		}
	}
	if n == 0 {
		return
	}
	var told *stage.Slab
	if f.fate != nil {
		told = f.fate.send(n)
		defer told.Release()
	}
	for p := range panes {
		if p.held.n == 0 {
			continue
		}
		n--
		if w.group = append(w.group, p); n == 0 || len(w.group) == fireMost {
			w.fireGroup(ctx, told, n)
		}
	}
}

// fireGroup gives the results of the group, which tell what is told of them, by duties from the given one on.
func (w *windower[K, T, A, O]) fireGroup(ctx context.Context, told *stage.Slab, from int) {
	more := 0 // duties of a result besides those of its members
	if told != nil {
		more = 1
	}
	w.unburden(w.group, more)
	for i, u := range w.unburdened {
		duties := u.duties
		if told != nil {
			duties = append(duties, told.Duty(from+i))
		}
		w.fire(ctx, u.pane, duties)
	}
	clear(w.unburdened)
	clear(w.group)
	w.group = w.group[:0]
}

// unburdened is a pane with the duties that it held.
type unburdened[K comparable, A any] struct {
	pane   *pane[K, A]
	duties []stage.Duty
}

// unburden takes the duties of panes, for their results, with room for more of each.
func (w *windower[K, T, A, O]) unburden(panes []*pane[K, A], more int) {
	n := 0
	for _, p := range panes {
		n += int(p.held.n) + more
	}
	all := make([]stage.Duty, 0, n)
	w.unburdened = w.unburdened[:0]
	for _, p := range panes {
		from := len(all)
		all = w.duties.take(&p.held, all)
		to := len(all)
		all = all[:to+more]
		w.unburdened = append(w.unburdened, unburdened[K, A]{p, all[from : to : to+more]})
	}
}

// fire gives a result of a pane, and withdraws what it has given results as before: each time, since the
// last may not have been written.
func (w *windower[K, T, A, O]) fire(ctx context.Context, p *pane[K, A], duties []stage.Duty) {
	r := w.joiner.Join(w.resultOf(p, false), duties)
	former := p.former()
	r.Retain(len(former))
	for _, old := range former {
		gone := Window[K, A]{
			Key: p.key, Start: old.start.time(), End: old.end.time(), Revision: int(old.results), Withdrawn: true,
		}
		w.put(ctx, stage.Record[O]{Value: w.result(gone), Duty: r.Duty})
	}
	w.put(ctx, r)
}

func (w *windower[K, T, A, O]) resultOf(p *pane[K, A], early bool) O {
	value := p.value
	if w.agg.seal != nil {
		value = w.agg.seal(value)
	}
	p.results++
	return w.result(Window[K, A]{
		Key: p.key, Start: p.frame.start.time(), End: p.frame.end.time(), First: p.frame.first,
		Value: value, Revision: int(p.results) - 1, Early: early,
	})
}

// put has a record emitted, soon.
func (w *windower[K, T, A, O]) put(ctx context.Context, r stage.Record[O]) {
	if w.out = append(w.out, r); len(w.out) >= emitMost {
		w.emit(ctx)
	}
}

func (w *windower[K, T, A, O]) emit(ctx context.Context) {
	if len(w.out) == 0 {
		return
	}
	w.next.EmitAll(ctx, w.out)
	clear(w.out)
	w.out = w.out[:0]
}

// alarms are the timers that are set; one of each kind at a time.
type alarms struct{ clock, correct, early, hold bool }

// set has f called in a while, unless that is on its way already.
func (a *alarms) set(rt stage.Runtime, on *bool, d time.Duration, f func(ctx context.Context)) {
	if *on {
		return
	}
	*on = true
	rt.After(d, func(ctx context.Context) {
		*on = false
		f(ctx)
	})
}
