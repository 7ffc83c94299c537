package operators

import (
	"context"
	"slices"
	"strconv"

	"github.com/rocketflow-io/rocketflow/flow/stage"
)

// align puts a value into the aligned windows that its time is in. The pane of one of them may be known.
func (w *windower[K, T, A, O]) align(v *value[K, T], known *pane[K, A]) {
	w.into = w.into[:0]
	missed := int64(0)
	start := w.Windows.lastStart(v.at)
	for end := start.plus(w.Windows.size); end > v.at; end = start.plus(w.Windows.size) {
		f := w.latest
		if f == nil || f.start != start {
			if f = w.frames[start]; f != nil {
				w.latest = f
			}
		}
		if w.closed(v, end) && (f == nil || v.info.Attempt <= 1) {
			missed = 1
		} else if known != nil && known.frame == f {
			w.into = append(w.into, known)
		} else {
			w.into = append(w.into, w.paneOf(v, f, start, end))
		}
		start = start.plus(-w.Windows.every)
	}
	if len(w.into) == 0 {
		w.tooLate(v)
		return
	}
	if missed > 0 {
		w.rt.Count("late_in_part", missed)
	}
	w.sum(v)
	w.commit(v)
}

// paneOf gives the pane of a value in a frame. One that is new is not yet in the frame, nor is a new frame
// among the others, until the value is committed.
func (w *windower[K, T, A, O]) paneOf(v *value[K, T], f *frame[K, A], start, end instant) *pane[K, A] {
	if f != nil {
		if p := f.paneOf(v.hash, v.key); p != nil {
			return p
		}
	} else {
		f = w.newFrame(start, end)
		most := 0
		if w.latest != nil {
			most = w.latest.panes.n
		}
		f.index = newIndex(most)
	}
	return w.newPane(v.key, f)
}

func (w *windower[K, T, A, O]) newFrame(start, end instant) *frame[K, A] {
	f := &frame[K, A]{start: start, end: end, until: end, place: -1}
	if w.up.Redelivers {
		f.fate = &fate{}
	}
	return f
}

// newPane gives a pane that has not begun. If it never does, the next one is in its place.
func (w *windower[K, T, A, O]) newPane(key K, f *frame[K, A]) *pane[K, A] {
	p := f.panes.blank(w.Windows.kind != aligned)
	p.key, p.frame, p.value = key, f, w.agg.Init()
	return p
}

// sum works out what the panes of a value become.
func (w *windower[K, T, A, O]) sum(v *value[K, T]) {
	w.sums = w.sums[:0]
	for _, p := range w.into {
		w.sums = append(w.sums, w.agg.Add(p.value, v.Value))
	}
}

// commit adds a value to its panes. No function of the user is called any more.
func (w *windower[K, T, A, O]) commit(v *value[K, T]) {
	for i, p := range w.into {
		p.value = w.sums[i]
		if !p.begun {
			w.begin(p, v.hash)
		}
		if w.known != nil {
			w.about.put(p)
			more := p.detail()
			more.members = append(more.members, v.id)
		}
		if w.Early > 0 && !p.changed && !p.frame.due {
			p.changed = true
			w.changed = append(w.changed, p)
			w.alarms.set(w.rt, &w.alarms.early, w.Early, w.onEarly)
		}
	}
	if w.known != nil {
		w.remember(v.id)
	}
	w.hold(v)
	if !w.Clock.event {
		w.setClock()
	}
}

// begin puts a new pane in its place.
func (w *windower[K, T, A, O]) begin(p *pane[K, A], hash uint32) {
	p.begun = true
	f := p.frame
	place := f.panes.begin()
	if w.Windows.kind == aligned {
		f.index.add(hash, place)
	} else {
		s := w.keys[p.key]
		if s == nil {
			s = &series[K, A]{}
			w.keys[p.key] = s
		}
		s.add(p)
	}
	if place > 0 {
		return
	}
	if w.Windows.kind == aligned {
		w.frames[f.start], w.latest = f, f
	}
	w.agenda.add(f)
}

// series is the panes of one key: its sessions in the order of time, or the count window that is open.
type series[K comparable, A any] struct {
	panes []*pane[K, A]
	begun int // panes so far
}

func (s *series[K, A]) add(p *pane[K, A]) {
	s.begun++
	i := 0
	for i < len(s.panes) && s.panes[i].frame.start <= p.frame.start {
		i++
	}
	s.panes = slices.Insert(s.panes, i, p)
}

func (s *series[K, A]) remove(p *pane[K, A]) {
	if i := slices.Index(s.panes, p); i >= 0 {
		s.panes = slices.Delete(s.panes, i, i+1)
	}
}

// session puts a value into a session of its own, or makes one of all those that it is close to.
func (w *windower[K, T, A, O]) session(v *value[K, T]) {
	start, end := v.at, v.at.plus(w.Windows.size)
	w.into = w.into[:0]
	if s := w.keys[v.key]; s != nil {
		for _, p := range s.panes {
			if p.frame.start < v.at.plus(w.Windows.size) && v.at < p.frame.end {
				w.into = append(w.into, p)
				start, end = min(start, p.frame.start), max(end, p.frame.end)
			}
		}
	}
	if w.closed(v, end) && (len(w.into) == 0 || v.info.Attempt <= 1) {
		w.tooLate(v)
		return
	}
	if len(w.into) == 0 {
		w.into = append(w.into, w.newPane(v.key, w.newFrame(start, end)))
	}
	sum := w.into[0].value
	for _, p := range w.into[1:] {
		sum = w.agg.Merge(sum, p.value)
	}
	w.sums = append(w.sums[:0], w.agg.Add(sum, v.Value))
	for _, p := range w.into[1:] {
		w.absorb(w.into[0], p)
	}
	w.into = w.into[:1]
	if w.into[0].begun {
		w.stretch(w.into[0], start, end)
	}
	w.commit(v)
}

// absorb makes a session part of another of its key.
func (w *windower[K, T, A, O]) absorb(p, other *pane[K, A]) {
	f := other.frame
	more := p.detail()
	if other.results > 0 {
		more.former = append(more.former, former{f.start, f.end, other.results})
	}
	more.former = append(more.former, other.former()...)
	more.members = append(more.members, other.members()...)
	w.duties.join(&p.held, other.held)
	if f.fate != nil {
		p.frame.fate.also = append(p.frame.fate.also, f.fate)
	}
	w.agenda.remove(f)
	w.keys[p.key].remove(other)
	gone := other.detail() // its hold stands: what it held is p's
	gone.into, gone.members, gone.former, other.held, f.panes = p, nil, nil, chain{}, panes[K, A]{}
}

// stretch gives a session new bounds. One that was complete may be open again by that.
func (w *windower[K, T, A, O]) stretch(p *pane[K, A], start, end instant) {
	f := p.frame
	if start < f.start && p.results > 0 {
		more := p.detail()
		more.former = append(more.former, former{f.start, f.end, p.results})
	}
	open := !f.due || end > w.now()
	f.start, f.end, f.until = start, end, end
	if !open {
		return
	}
	w.agenda.remove(f)
	f.due = false
	w.agenda.add(f)
}

// countUp puts a value into the open count window of its key.
func (w *windower[K, T, A, O]) countUp(ctx context.Context, v *value[K, T]) {
	w.into = w.into[:0]
	s := w.keys[v.key]
	if s != nil && len(s.panes) > 0 {
		w.into = append(w.into, s.panes[0])
	} else {
		f := w.newFrame(v.at, v.at)
		f.until = always
		if f.first = v.Info().ID; f.first == "" {
			number := 0
			if s != nil {
				number = s.begun
			}
			f.first = strconv.Itoa(number)
		}
		w.into = append(w.into, w.newPane(v.key, f))
	}
	p := w.into[0]
	w.sum(v)
	w.commit(v)
	f := p.frame
	f.start, f.end, f.size = min(f.start, v.at), max(f.end, v.at), f.size+1
	if f.size == w.Windows.count {
		w.agenda.remove(f)
		w.keys[p.key].remove(p)
		w.complete(ctx, f)
		w.drop(never)
	}
}

// hold gives the panes of a value its duty (rule 3).
func (w *windower[K, T, A, O]) hold(v *value[K, T]) {
	v.Retain(len(w.into) - 1)
	for _, p := range w.into {
		w.bound(p, v.Duty)
		w.duties.add(&p.held, v.Duty)
		if p.frame.due && !p.dirty {
			p.dirty = true
			w.dirty = append(w.dirty, p)
			w.alarms.set(w.rt, &w.alarms.correct, correctAfter, w.onCorrect)
		}
	}
}

var _ stage.Processor[int] = (*windower[int, int, int, int])(nil)
