package operators

import (
	"context"
	"hash/maphash"
	"time"

	"github.com/rocketflow-io/rocketflow/flow/stage"
)

// windower is a running operator of windows.
type windower[K comparable, T, A, O any] struct {
	windowing[K, T, A, O]
	rt   stage.Runtime
	next stage.Emitter[O]
	up   stage.Upstream

	mark   *watermark // nil if time is that of the clock
	past   past       // where the watermark was
	agenda agenda[K, A]
	frames map[instant]*frame[K, A] // aligned ones, by their start
	seed   maphash.Seed             // of their indexes
	latest *frame[K, A]             // of them, the one of the last value
	keys   map[K]*series[K, A]      // of sessions and count windows
	due    []*frame[K, A]           // those that are complete, to be dropped one day

	duties arena
	joiner stage.Joiner
	holds  holds[K, A]
	ids    identities[K]
	known  map[ident]known[K, A] // nil if nothing comes again
	about  known[K, A]           // see recognize

	dirty   []*pane[K, A] // to be corrected
	changed []*pane[K, A] // for early results
	alarms  alarms
	out     []stage.Record[O] // to be emitted
	into    []*pane[K, A]     // those of the value that is being dealt with,
	sums    []A               // and what they become by it
	group   []*pane[K, A]     // see results

	ahead      [aheadMost]ahead[K, A] // of the records that are being dealt with
	unburdened []unburdened[K, A]     // of the results that are being given
}

// value is a record on its way into windows.
type value[K comparable, T any] struct {
	stage.Record[T]
	key   K
	hash  uint32 // of the key, if windows are aligned
	at    instant
	info  stage.Info // as far as it is needed
	id    ident
	again bool // it was counted before
}

const (
	// correctAfter is how long a correction waits for others of its pane.
	correctAfter = 100 * time.Millisecond
	// emitMost is how many results are emitted at once.
	emitMost = 256
	// fireMost is of how many panes the duties are taken together: they lie all over, and a processor
	// waits for several places in memory at a time.
	fireMost = 64
)

func (w windowing[K, T, A, O]) Start(rt stage.Runtime, next stage.Emitter[O]) (stage.Processor[T], error) {
	r := &windower[K, T, A, O]{windowing: w, rt: rt, next: next, up: rt.Upstream()}
	r.joiner.Reuse = !stage.Followed(rt)
	r.past.grace = r.up.Redelivery + r.up.Redelivery/4 + time.Minute
	if !r.up.Redelivers {
		r.past.grace = 0
	}
	if w.Windows.kind == aligned {
		r.frames, r.seed = make(map[instant]*frame[K, A]), maphash.MakeSeed()
	} else {
		r.keys = make(map[K]*series[K, A])
	}
	if r.up.Redelivers || w.Identify != nil {
		r.ids, r.known = newIdentities[K](), make(map[ident]known[K, A])
	}
	if w.Clock.event && w.Windows.kind != counted {
		r.mark = newWatermark(rt, w.Clock.outOfOrder, w.Clock.idle, r.onTime)
		stage.Steps(rt, func(ctx context.Context, to time.Time) {
			r.mark.reach(instantOf(to))
			r.onTime(ctx)
		})
	}
	return r, nil
}

// Process puts a value in its windows. Until it has called all functions of the user it changes
// nothing: a panic of one leaves the record to be tried again.
func (w *windower[K, T, A, O]) Process(ctx context.Context, r stage.Record[T]) error {
	v := &value[K, T]{Record: r, key: w.Key(r.Value)}
	if w.Windows.kind == aligned {
		v.hash = hashOf(w.seed, v.key)
	}
	return w.take(ctx, v, nil)
}

// take is Process for a value with a key and its hash, whose pane may be known.
func (w *windower[K, T, A, O]) take(ctx context.Context, v *value[K, T], p *pane[K, A]) error {
	partition := w.up.Partition
	if w.up.Redelivers || partition == "" || w.Clock.event && w.Clock.at == nil {
		v.info = v.Info()
		partition = v.info.Partition
	}
	switch {
	case !w.Clock.event:
		v.at = instantOf(w.rt.Now())
	case w.Clock.at != nil:
		v.at = instantOf(w.Clock.at(v.Value))
	default:
		v.at = instantOf(v.info.EventTime)
	}
	if w.mark != nil && !v.at.counts() {
		return noEventTime("window")
	}
	if w.known != nil {
		w.recognize(v)
	}
	switch {
	case v.again:
		w.holdAgain(v)
	case w.Windows.kind == aligned:
		w.align(v, p)
	case w.Windows.kind == sessions:
		w.session(v)
	default:
		w.countUp(ctx, v)
	}
	if w.mark != nil && v.info.Attempt <= 1 && !v.again { // another attempt comes out of order, and from elsewhere
		w.mark.see(partition, v.at)
	}
	if w.agenda.next() <= w.reach() {
		w.onTime(ctx)
	}
	w.emit(ctx)
	return nil
}

// reach gives how far the watermark may be.
func (w *windower[K, T, A, O]) reach() instant {
	if w.mark == nil {
		return never // a timer tells
	}
	return w.mark.high
}

// now gives the watermark.
func (w *windower[K, T, A, O]) now() instant {
	now := never
	switch {
	case w.mark != nil:
		now = w.mark.advance()
	case w.Windows.kind != counted:
		now = instantOf(w.rt.Now())
	}
	w.past.note(w.rt, now)
	return now
}

// closed tells whether a window that ends at a time takes no value any more that comes for the first
// time, or, if it is another attempt, none at all.
func (w *windower[K, T, A, O]) closed(v *value[K, T], end instant) bool {
	if w.mark == nil || end.plus(w.Lateness) > w.mark.high || end.plus(w.Lateness) > w.now() {
		return false
	}
	return v.info.Attempt <= 1 || end <= w.past.mark(w.rt)
}

// holdAgain takes the duty of a value that was counted before. Its windows are not changed, and those
// that have given a result give it again.
func (w *windower[K, T, A, O]) holdAgain(v *value[K, T]) {
	w.into = w.about.panes(w.into[:0])
	if len(w.into) == 0 { // its windows are over, and only others of its record are not
		w.tooLate(v)
		return
	}
	w.remember(v.id)
	w.rt.Count("again", 1)
	w.hold(v)
}

// tooLate deals with a value that none of its windows takes.
func (w *windower[K, T, A, O]) tooLate(v *value[K, T]) {
	w.rt.Count("late", 1)
	if w.late == nil {
		v.Done()
		return
	}
	w.out = append(w.out, v.With(w.late(v.Value)))
}

// Drain emits what is complete. At the end of the input all is; before, what is not is handed back.
func (w *windower[K, T, A, O]) Drain(ctx context.Context) error {
	if w.rt.Ended() {
		for len(w.agenda) > 0 {
			w.complete(ctx, w.agenda.take())
		}
	}
	w.correct(ctx)
	w.emit(ctx)
	w.handBackAll()
	return nil
}
