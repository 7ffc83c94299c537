package operators

import (
	"slices"
	"strconv"

	"github.com/rocketflow-io/rocketflow/flow/stage"
	"github.com/rocketflow-io/rocketflow/state"
)

// keptValue is a record on its way into windows in a store.
type keptValue[K comparable, T any] struct {
	stage.Record[T]
	key     K
	encoded string // the key
	at      instant
	info    stage.Info

	known bool   // it is recognized when it comes again:
	name  string // by this text, that of its record or its own,
	id    keptID // and by this in the store
	place keptPlace
	asked bool // the store was asked whether it has counted it
	again bool // it has
}

// keptOutcome is what became of a value in a commit.
type keptOutcome int

const (
	keptCounted keptOutcome = iota
	keptAgain               // it was counted before
	keptLate
	keptFailed
)

// keptKey is a key that a commit is about: what the store has, and what it is to have.
type keptKey[K comparable, A any] struct {
	key     K
	encoded string
	cached  *keptInMemory[A] // nil if the store was asked
	before  *keptKey[K, A]   // of the turn whose commit was under way; nil if it was not of that key
	version state.Version    // of the row, as the store has it
	size    int              // of row as it is written, in bytes
	wasDue  instant          // the time of its entry in the due table
	row     keptRow[A]
	pane    [1]keptPane[A] // memory for that of row
	touched bool           // row is to be written
	settled bool           // the entry of the due table is to be exact; else it may be early

	asksPast bool
	past     []keptPane[A] // closed panes, if they were asked for
	unpast   []instant     // of these, those that are open again, by start
	toPast   []keptPane[A] // panes that are closed now

	early []int             // panes that have an early result
	given *keptFlight[K, A] // results to be given when the row is written
	err   error             // the row cannot be written
}

// placing puts values into rows. Until all functions of the user have been called for a value, it changes
// nothing.
type placing[K comparable, T, A, O any] struct {
	*keptWindowing[K, T, A, O]
	mark instant                         // the watermark
	past instant                         // where it was, as long ago as records may take to come again
	into func(key string, start instant) // told of each pane that has changed; nil if no one asks

	panes []keptPane[A] // memory for those of a value
}

// closed tells whether a window that ends at a time takes no value any more that comes for the first
// time.
func (p *placing[K, T, A, O]) closed(row *keptRow[A], end instant) bool {
	return p.CanBeLate() && end.plus(p.Lateness) <= max(p.mark, row.closed)
}

// over tells whether nothing is known any more of a window that ends at a time, so that a value may not
// begin it anew, although it comes again.
func (p *placing[K, T, A, O]) over(v *keptValue[K, T], end instant) bool {
	return v.info.Attempt <= 1 || end <= p.past
}

// place counts a value in its row, and tells what became of it.
func (p *placing[K, T, A, O]) place(k *keptKey[K, A], v *keptValue[K, T]) (became keptOutcome, inPart bool) {
	if !p.Clock.event {
		v.at = max(v.at, p.mark, k.row.closed) // by the clock, it comes when it is counted
	}
	switch p.Windows.kind {
	case aligned:
		return p.align(k, v)
	case sessions:
		return p.session(k, v), false
	default:
		p.countUp(k, v)
		return keptCounted, false
	}
}

// align puts a value into the aligned windows that its time is in.
func (p *placing[K, T, A, O]) align(k *keptKey[K, A], v *keptValue[K, T]) (became keptOutcome, inPart bool) {
	panes := p.panes[:0]
	start := p.Windows.lastStart(v.at)
	for end := start.plus(p.Windows.size); end > v.at; end = start.plus(p.Windows.size) {
		pane, ok := p.aligned(k, v, start, end)
		if ok {
			panes = append(panes, pane)
		} else {
			inPart = true
		}
		start = start.plus(-p.Windows.every)
	}
	p.panes = panes
	if len(panes) == 0 {
		return keptLate, false
	}
	for i := range panes {
		panes[i].value = p.agg.Add(panes[i].value, v.Value)
	}
	for _, pane := range panes {
		p.put(k, pane, nil)
	}
	return keptCounted, inPart
}

// aligned gives a pane of a row as it is, or reopened, or new; false if the value is late for it.
func (p *placing[K, T, A, O]) aligned(k *keptKey[K, A], v *keptValue[K, T], start, end instant) (pane keptPane[A], ok bool) {
	i := k.row.find(start, "")
	if p.closed(&k.row, end) {
		if i >= 0 && v.info.Attempt > 1 {
			return k.row.panes[i], true
		}
		if at := slices.IndexFunc(k.past, func(q keptPane[A]) bool { return q.start == start }); at >= 0 && v.info.Attempt > 1 {
			return k.past[at], true
		}
		if p.over(v, end) {
			return pane, false
		}
	}
	if i >= 0 {
		return k.row.panes[i], true
	}
	return keptPane[A]{start: start, end: end, value: p.agg.Init()}, true
}

// put writes a pane into a row, in the place of another or of several that it has come from.
func (p *placing[K, T, A, O]) put(k *keptKey[K, A], pane keptPane[A], from []instant) {
	pane.dirty = true
	row := &k.row
	if p.Windows.kind == sessions {
		row.panes = slices.DeleteFunc(row.panes, func(q keptPane[A]) bool { return slices.Contains(from, q.start) })
	}
	if i := row.find(pane.start, pane.first); i >= 0 {
		row.panes[i] = pane
	} else {
		row.panes = append(row.panes, pane)
	}
	for _, start := range append(from, pane.start) {
		if at := slices.IndexFunc(k.past, func(q keptPane[A]) bool { return q.start == start }); at >= 0 {
			k.past = slices.Delete(k.past, at, at+1)
			k.unpast = append(k.unpast, start)
			k.toPast = slices.DeleteFunc(k.toPast, func(q keptPane[A]) bool { return q.start == start })
		}
	}
	k.touched = true
	if p.into != nil {
		p.into(k.encoded, pane.start)
	}
}

// session puts a value into a session of its own, or makes one of all those that it is close to.
func (p *placing[K, T, A, O]) session(k *keptKey[K, A], v *keptValue[K, T]) keptOutcome {
	gap := p.Windows.size
	near := func(q keptPane[A]) bool { return q.start < v.at.plus(gap) && v.at < q.end }
	var with []keptPane[A]
	all := k.row.panes
	if v.info.Attempt > 1 {
		all = slices.Concat(all, k.past)
	}
	start, end := v.at, v.at.plus(gap)
	for _, q := range all {
		if near(q) {
			with = append(with, q)
			start, end = min(start, q.start), max(end, q.end)
		}
	}
	if p.closed(&k.row, end) && (v.info.Attempt <= 1 || len(with) == 0 && p.over(v, end)) {
		return keptLate
	}
	if len(with) == 0 {
		p.put(k, keptPane[A]{start: start, end: end, value: p.agg.Add(p.agg.Init(), v.Value)}, nil)
		return keptCounted
	}
	slices.SortFunc(with, func(a, b keptPane[A]) int { return int(min(1, max(-1, a.start-b.start))) })
	pane := with[0]
	from := []instant{pane.start}
	pane.former = slices.Clone(pane.former)
	if start < pane.start && pane.results > 0 {
		pane.former = append(pane.former, former{pane.start, pane.end, int32(pane.results)})
		pane.out = false // what is on its way is of the pane that was
	}
	for _, q := range with[1:] {
		pane.value = p.agg.Merge(pane.value, q.value)
		if q.results > 0 {
			pane.former = append(pane.former, former{q.start, q.end, int32(q.results)})
		}
		pane.former = append(pane.former, q.former...)
		from = append(from, q.start)
	}
	pane.value = p.agg.Add(pane.value, v.Value)
	pane.start, pane.end = start, end
	p.put(k, pane, from)
	return keptCounted
}

// countUp puts a value into the open count window of its key.
func (p *placing[K, T, A, O]) countUp(k *keptKey[K, A], v *keptValue[K, T]) {
	i := slices.IndexFunc(k.row.panes, func(q keptPane[A]) bool { return q.size < p.Windows.count && !q.out })
	pane, begun := keptPane[A]{start: v.at, end: v.at, first: v.name}, k.row.begun
	if i >= 0 {
		pane = k.row.panes[i]
	} else {
		pane.value = p.agg.Init()
		if pane.first == "" {
			pane.first = strconv.FormatUint(begun, 10)
			begun++
		}
	}
	pane.value = p.agg.Add(pane.value, v.Value)
	pane.start, pane.end, pane.size = min(pane.start, v.at), max(pane.end, v.at), pane.size+1
	k.row.begun = begun
	p.put(k, pane, nil)
}
