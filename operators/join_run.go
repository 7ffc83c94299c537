package operators

import (
	"context"
	"runtime/debug"
	"sync"
	"time"

	"github.com/rocketflow-io/rocketflow/flow/stage"
)

// joiner is a running join.
type joiner[K comparable, L, R, O any] struct {
	joining[K, L, R, O]
	rt   stage.Runtime
	next stage.Emitter[O]
	up   stage.Upstream

	mark    *watermark // nil if time is that of the clock
	past    past       // where the watermark was
	buckets map[K]*bucket[K, L, R]
	agenda  calendar[K, L, R]
	leaving []*joinee[K, L, R] // those that are held no more, to be forgotten one day
	holds   []holdup[K, L, R]
	ids     [2]identities[K]
	known   [2]map[ident]*names[K, L, R] // nil if nothing comes again

	clockAlarm, holdAlarm alarm

	out   []stage.Record[O]  // to be emitted
	done  []stage.Duty       // to be settled
	found []*joinee[K, L, R] // the partners of the value that is being joined,
	made  []O                // and what comes of them

	// mu guards what settlements change: the state of matches, and what joinees hold. Nothing is emitted
	// or settled under it.
	mu sync.Mutex
}

// arrival is a record on its way into a join.
type arrival[K comparable, L, R any] struct {
	stage.Record[Either[L, R]]
	side   side
	key    K
	at     instant
	info   stage.Info // as far as it is needed
	id     ident
	number int              // among the values of its record
	old    *joinee[K, L, R] // the same value, if it came before
	gone   bool             // it came before, and is forgotten
}

func (j joining[K, L, R, O]) Start(rt stage.Runtime, next stage.Emitter[O]) (stage.Processor[Either[L, R]], error) {
	p := &joiner[K, L, R, O]{joining: j, rt: rt, next: next, up: rt.Upstream(), buckets: make(map[K]*bucket[K, L, R])}
	if p.up.Redelivers {
		p.past.grace = p.up.Redelivery + p.up.Redelivery/4 + time.Minute
	}
	if p.up.Redelivers || j.IdentifyLeft != nil {
		for s := range p.known {
			p.ids[s], p.known[s] = newIdentities[K](), make(map[ident]*names[K, L, R])
		}
	}
	if j.LeftClock.event {
		p.mark = j.newMark(rt, p.onTime)
		stage.Steps(rt, func(ctx context.Context, to time.Time) {
			p.mark.reach(instantOf(to))
			p.onTime(ctx)
		})
	}
	return p, nil
}

// Process joins a value. Until it has called all functions of the user it changes nothing: a panic of
// one leaves the record to be tried again.
func (j *joiner[K, L, R, O]) Process(ctx context.Context, r stage.Record[Either[L, R]]) error {
	a, err := j.arrive(r)
	if err != nil {
		return err
	}
	switch {
	case a.old != nil:
		j.again(&a)
	case a.gone || j.closed(&a):
		if a.gone {
			j.remember(&a, nil)
		}
		j.tooLate(&a)
	default:
		j.join(&a)
	}
	if j.mark != nil && a.info.Attempt <= 1 && a.old == nil { // another attempt comes out of order, and from elsewhere
		j.see(&a)
	}
	if j.agenda.next() <= j.reach() {
		j.onTime(ctx)
	}
	j.setClock()
	j.emit(ctx)
	return nil
}

// arrive finds out what there is to know of a value.
func (j *joiner[K, L, R, O]) arrive(r stage.Record[Either[L, R]]) (arrival[K, L, R], error) {
	a := arrival[K, L, R]{Record: r}
	var at *time.Time
	var id string
	if v := r.Value; v.IsRight {
		a.side, a.key = rightSide, j.RightKey(v.Right)
		at = j.RightClock.timeOf(v.Right)
		if j.IdentifyRight != nil {
			id = j.IdentifyRight(v.Right)
		}
	} else {
		a.key = j.LeftKey(v.Left)
		at = j.LeftClock.timeOf(v.Left)
		if j.IdentifyLeft != nil {
			id = j.IdentifyLeft(v.Left)
		}
	}
	if j.up.Redelivers || j.up.Partition == "" || at == nil && j.mark != nil {
		a.info = r.Info()
	}
	switch {
	case j.mark == nil:
		a.at = instantOf(j.rt.Now())
	case at != nil:
		a.at = instantOf(*at)
	default:
		a.at = instantOf(a.info.EventTime)
	}
	if !a.at.counts() {
		return a, noEventTime("join")
	}
	if j.known[a.side] != nil {
		n := name{id: id}
		if j.IdentifyLeft == nil {
			n = nameOf(a.info, a.Duty)
		}
		j.recognize(&a, n)
	}
	return a, nil
}

// reach gives how far the watermark may be.
func (j *joiner[K, L, R, O]) reach() instant {
	if j.mark == nil {
		return never // a timer tells
	}
	return j.mark.high
}

// now gives the watermark.
func (j *joiner[K, L, R, O]) now() instant {
	now := instantOf(j.rt.Now())
	if j.mark != nil {
		now = j.mark.advance()
	}
	j.past.note(j.rt, now)
	return now
}

// closed tells whether a value is late, or, if it is another attempt, too late even for that.
func (j *joiner[K, L, R, O]) closed(a *arrival[K, L, R]) bool {
	if j.mark == nil || a.at >= j.mark.high || a.at >= j.now() {
		return false
	}
	return a.info.Attempt <= 1 || a.at < j.past.mark(j.rt)
}

// tooLate deals with a value that is not joined.
func (j *joiner[K, L, R, O]) tooLate(a *arrival[K, L, R]) {
	j.rt.Count("late", 1)
	switch {
	case a.side == leftSide && j.lateLeft != nil:
		j.out = append(j.out, a.With(j.lateLeft(a.Value.Left)))
	case a.side == rightSide && j.lateRight != nil:
		j.out = append(j.out, a.With(j.lateRight(a.Value.Right)))
	default:
		j.done = append(j.done, a.Duty)
	}
}

// onTime deals with what the watermark has passed.
func (j *joiner[K, L, R, O]) onTime(ctx context.Context) {
	now := j.now()
	for j.agenda.next() <= now {
		j.turn(j.agenda.take(), now)
		if len(j.out) >= emitMost {
			j.emit(ctx)
		}
	}
	j.emit(ctx)
	j.forget()
	j.setClock()
}

// setClock has onTime called when there is something to do, if time is that of the clock.
func (j *joiner[K, L, R, O]) setClock() {
	if next := j.agenda.next(); j.mark == nil && next != always {
		j.clockAlarm.set(j.rt, next.time(), j.onTime)
	}
}

// emit emits and settles what has gathered.
func (j *joiner[K, L, R, O]) emit(ctx context.Context) {
	if len(j.out) > 0 {
		j.next.EmitAll(ctx, j.out)
		clear(j.out)
		j.out = j.out[:0]
	}
	if len(j.done) > 0 {
		stage.DoneAll(j.done)
		clear(j.done)
		j.done = j.done[:0]
	}
}

// Drain gives what has no partner at the end of the input. Before that, what is held is handed back.
func (j *joiner[K, L, R, O]) Drain(ctx context.Context) error {
	for j.rt.Ended() && len(j.agenda) > 0 {
		j.turn(j.agenda.take(), always)
		if len(j.out) >= emitMost {
			j.emit(ctx)
		}
	}
	j.emit(ctx)
	for _, e := range j.agenda {
		j.handBack(e)
	}
	return nil
}

// result calls the user's function where there is no record that its panic could be blamed on.
func (j *joiner[K, L, R, O]) result(l *L, r *R) (v O, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = &stage.PanicError{Value: p, Stack: debug.Stack()}
		}
	}()
	return j.f(l, r), nil
}

var _ stage.Processor[Either[int, int]] = (*joiner[int, int, int, int])(nil)
