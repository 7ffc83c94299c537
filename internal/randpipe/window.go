package randpipe

import (
	"context"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/rocketflow-io/rocketflow/flow"
	"github.com/rocketflow-io/rocketflow/flow/stage"
)

// windowing is the arguments of an operator of windows.
type windowing struct {
	windows    flow.Windows
	size       time.Duration // of a window in time; of sessions, the gap
	every      time.Duration // of sliding ones
	count      int           // of windows by number
	event      bool          // by event time, in which values can be late
	outOfOrder time.Duration
	lateness   time.Duration
	early      time.Duration
	identify   bool     // values are known by what they are, not by their records
	again      bool     // what comes again is known to be of another delivery
	twins      bool     // an input may be stored twice, as two records
	lone       bool     // no source redelivers: what waits in the stage for another try can become late
	lates      *Faults  // of the sink of the late; nil if they are dropped
	kept       *keeping // of windows in a store; nil if they are held

	mu    sync.Mutex
	given map[Place]int // how often a value was in a result
}

// windowKinds are the operators of windows. Their results are taken apart, so that each value that is in
// one is an effect: it is lost if its window does not give a result, and done too soon if that is not
// safe. A result that comes again is told, since its values are then in the sinks once more.
func windowKinds() []kind {
	holds := func(o Options) bool { return !o.Keyed }
	ends := func(o Options) bool { return holds(o) && !o.Endless } // else the last would wait for ever
	return []kind{
		{name: "Tumbling", fits: holds, joint: true, once: true, gathers: true, gives: mapped, draw: func(a *artist, o *op) {
			w := o.drawWindowing(a)
			w.windows = flow.Tumbling(w.size)
		}, add: (*op).windowed},
		{name: "Sessions", fits: holds, joint: true, once: true, gathers: true, gives: mapped, draw: func(a *artist, o *op) {
			w := o.drawWindowing(a)
			w.size /= 2
			w.windows = flow.Sessions(w.size)
		}, add: (*op).windowed},
		{name: "Counts", fits: ends, joint: true, once: true, gathers: true, gives: mapped, draw: func(a *artist, o *op) {
			w := o.drawWindowing(a)
			w.event, w.early, w.lates = false, 0, nil
			w.count = 1 + a.IntN(5)
			w.windows = flow.Counts(w.count)
		}, add: (*op).windowed},
		{name: "Sliding", fits: ends, joint: true, once: true, gathers: true, gives: (*op).inEach, draw: func(a *artist, o *op) {
			w := o.drawWindowing(a)
			w.event, w.every = true, w.size/time.Duration(2+a.IntN(2))
			w.size = 2 * w.every
			w.windows = flow.Sliding(w.size, w.every)
		}, add: (*op).windowed},
	}
}

func (o *op) drawWindowing(a *artist) *windowing {
	w := &windowing{
		event: !a.opts.Endless && a.Chance(70), size: a.Between(time.Second, 8*time.Second),
		identify: a.design.Joint || a.width > 1 || a.Chance(30), again: !a.design.Joint, twins: a.opts.Endless, lone: a.opts.Positions, given: make(map[Place]int),
	}
	if a.opts.Endless {
		w.size = a.Between(50*time.Millisecond, 3*time.Second)
	}
	if a.Chance(60) {
		w.outOfOrder = a.Between(0, 8*time.Second)
	}
	if a.Chance(50) {
		w.lateness = a.Between(0, 5*time.Second)
	}
	if a.Chance(30) {
		w.early = a.Between(100*time.Millisecond, time.Second)
	}
	if a.Chance(50) {
		w.lates = a.faults(o.name+" late", 25)
	}
	o.window = w
	return w
}

// happened is the event time of a value: inputs follow each other, out of order by a few seconds.
func (o *op) happened(it Item) time.Time {
	return time.Unix(int64(it.Src%1000), int64(Mix(it.ID, o.salt, 2)%uint64(6*time.Second)))
}

// starts gives where the aligned windows of a value begin, the earliest first.
func (o *op) starts(it Item) (all []time.Time) {
	w, at := o.window, o.happened(it)
	for start := aligned(at, w.every); start.Add(w.size).After(at); start = start.Add(-w.every) {
		all = append(all, start)
	}
	slices.Reverse(all)
	return all
}

// aligned gives the last multiple of a duration since 1970 up to a time.
func aligned(at time.Time, d time.Duration) time.Time {
	return at.Add(-time.Duration(at.UnixNano() % int64(d)))
}

// inEach gives a value for each of the sliding windows that an item is in.
func (o *op) inEach(it Item) (all []Item) {
	for _, start := range o.starts(it) {
		all = append(all, o.inOne(it, start))
	}
	return all
}

func (o *op) inOne(it Item, start time.Time) Item {
	it.ID = Mix(it.ID, o.salt, uint64(start.UnixNano()))
	return it
}

// windowed adds windows, held to their values.
func (o *op) windowed(s stream) stream {
	w, run := o.window, &windowRun{o: o}
	clock := flow.ProcessingTime[Item]()
	if w.event {
		clock = flow.EventTime(o.happened, w.outOfOrder)
	}
	windows := s.Via(watch{begin: run.begin, enter: run.enter}).
		KeyBy(func(it Item) uint64 { return it.ID % 3 }).Window(w.windows, clock).Early(w.early)
	if w.identify {
		windows = windows.Identify(func(it Item) string { return strconv.FormatUint(it.ID, 16) })
	}
	switch {
	case w.event && w.lates != nil:
		windows = windows.AllowedLateness(w.lateness).Late(func(late stream) *flow.Pipeline {
			return late.Tap(run.late).To(lates{o, w.lates}, flow.As(o.name+" late"), flow.OnWriteError(flow.Nack()))
		})
	case w.event:
		windows = windows.AllowedLateness(w.lateness).DropLate()
	}
	if w.kept != nil {
		windows = windows.KeptIn(noticing{o.store, run}, o.name, flow.ValueCodec(itemCodec{}), flow.Heartbeat(w.kept.heartbeat)).
			Named(o.storing())
	}
	results := windows.Collect()
	if w.every > 0 {
		return results.FlatMap(func(r flow.Window[uint64, []Item]) (all []Item) {
			for _, it := range run.members(r) {
				all = append(all, o.inOne(it, r.Start))
			}
			return all
		}).Named(o.name)
	}
	return o.takeApart(results.Map(run.members).Filter(func(items []Item) bool { return len(items) > 0 }))
}

// members gives the values of a result, which have to be those of its window, and each once; none of an
// early one, which proves nothing.
func (r *windowRun) members(w flow.Window[uint64, []Item]) []Item {
	o := r.o
	known := make(map[uint64]bool)
	for _, it := range w.Value {
		at := o.happened(it)
		switch {
		case known[it.ID] && (o.window.identify || !o.window.twins):
			o.env.Wrong("%s counts %v twice in %s", o.name, it, w.Pane())
		case it.ID%3 != w.Key:
			o.env.Wrong("%s has %v in %s, of another key", o.name, it, w.Pane())
		case o.window.event && (at.Before(w.Start) || !at.Before(w.End)):
			o.env.Wrong("%s has %v of %v in %s, which ends at %v", o.name, it, at, w.Pane(), w.End)
		}
		known[it.ID] = true
	}
	if o.window.kept != nil && !w.Withdrawn {
		o.window.kept.check(o, w)
		r.upwards(w)
	}
	switch {
	case w.Withdrawn && len(w.Value) > 0:
		o.env.Wrong("%s withdraws %s with values", o.name, w.Pane())
	case w.Withdrawn || w.Early:
		return nil
	case len(w.Value) == 0:
		o.env.Wrong("%s gives %s without values", o.name, w.Pane())
	}
	o.window.mu.Lock()
	defer o.window.mu.Unlock()
	for _, it := range w.Value {
		at := it.At(o.name)
		if o.window.given[at]++; o.window.given[at] > 1 {
			o.env.Repeated(at)
		}
	}
	return w.Value
}

// windowRun is one run of windows, held to what may be late in it.
type windowRun struct {
	o *op

	mu      sync.Mutex
	newest  time.Time    // event time of what has come
	entered map[Item]int // how often
	lates   map[Item]bool
	put     []Item         // into a store
	given   map[string]int // the latest revision of a pane
}

func (r *windowRun) begin() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.newest, r.entered, r.lates = time.Time{}, make(map[Item]int), make(map[Item]bool)
	r.put, r.given = nil, make(map[string]int)
}

// whatever is an item, in any delivery.
func whatever(it Item) Item {
	it.Delivery = 0
	return it
}

func (r *windowRun) enter(it Item) {
	r.mu.Lock()
	defer r.mu.Unlock()
	w := r.o.window
	if w.event && (w.lates == nil || w.every > 0) && r.mayBeLateLocked(it, false) {
		r.o.env.Dropped(it.At(r.o.name)) // nothing tells which
	}
	r.entered[whatever(it)]++
	at := r.o.happened(it)
	if at.After(r.newest) {
		r.newest = at
	}
	if w.kept != nil {
		w.kept.came(at)
		r.put = append(r.put, it)
	}
}

// upwards holds the revisions of a pane to their order.
func (r *windowRun) upwards(w flow.Window[uint64, []Item]) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if last, ok := r.given[w.Pane()]; ok && w.Revision < last {
		r.o.env.Wrong("%s gives revision %d of %s behind revision %d", r.o.name, w.Revision, w.Pane(), last)
	}
	r.given[w.Pane()] = w.Revision
}

// mayBeLateLocked tells whether the watermark can have passed the window of a value: the first of them, or
// all.
func (r *windowRun) mayBeLateLocked(it Item, all bool) bool {
	w := r.o.window
	end := r.o.happened(it).Add(w.size) // of a session of its own
	switch {
	case w.every > 0:
		starts := r.o.starts(it)
		if !all {
			starts = starts[:1]
		}
		end = starts[len(starts)-1].Add(w.size)
	case w.windows == flow.Tumbling(w.size):
		end = aligned(r.o.happened(it), w.size).Add(w.size)
	}
	newest := r.newest
	if w.kept != nil {
		newest = w.kept.newestYet() // the watermark of all, over restarts
	}
	return !newest.IsZero() && !end.Add(w.lateness).After(newest.Add(-w.outOfOrder))
}

// late holds a late value to being late by itself.
func (r *windowRun) late(it Item) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.mayBeLateLocked(it, true) {
		r.o.env.Wrong("%s takes %v for late, though its windows cannot be over", r.o.name, it)
	}
	if r.o.window.again && r.entered[whatever(it)] > 1 && !r.lates[whatever(it)] {
		r.o.env.Wrong("%s takes %v for late, which comes again", r.o.name, it)
	}
	r.lates[whatever(it)] = true
}

// lates is the sink of late values: what is there was dropped by right.
type lates struct {
	o      *op
	faults *Faults
}

var _ stage.Sink[Item] = lates{}

// Open gives a writer.
func (l lates) Open(context.Context) (stage.Writer[Item], error) { return l, nil }

// Close has nothing to close.
func (lates) Close(context.Context) error { return nil }

// Write writes what does not fail.
func (l lates) Write(_ context.Context, b stage.Batch[Item]) error {
	var failed stage.BatchError
	for i, it := range b.Values {
		kind := l.faults.Next(it.ID)
		if kind == NoFault {
			l.o.env.Dropped(it.At(l.o.name))
			continue
		}
		l.o.env.Failed(l.o.name+" late", kind, []Item{it})
		failed.Fail(i, ErrFault)
	}
	return failed.OrNil()
}
