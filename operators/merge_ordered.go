package operators

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/rocketflow-io/rocketflow/flow/stage"
)

// Nth is a value of one of several streams.
type Nth[T any] struct {
	// Stream is its number, from 0.
	Stream int
	Value  T
}

// MergeOrdered makes one stream, in the order of event time, of several that are each roughly in that
// order. flow.MergeOrdered gives it them.
//
//	in[0]  --1:00--1:20---------1:40--------|
//	in[1]  ----------1:05--1:30-------------|    nothing out of order
//	out    ----------1:00--1:05-1:20-1:30---1:40|
//
// What it promises:
//   - Emits: each value when the watermark of all streams has come to its time. A stream that has given
//     nothing for the time that the clock says, also from the start, is not waited for.
//   - Order: by time. A value that is late, older than what was emitted before it, is emitted at once, out
//     of order, and counted as "late": by more disorder than the clock allows, after its stream was idle,
//     or because it failed and came again.
//   - Holds: what is ahead of the watermark. A stream that is ahead is read no more meanwhile than its
//     source may have in the pipeline. When 4096 values of each stream that is not idle are held, or one
//     for as long as its lease leaves, the oldest goes out all the same, counted as "early": what is older
//     may still come.
//   - Settles: moves the duty with the value (rule 2).
//   - Drain: at the end of the input emits what it holds, in order. When the run is ended before, that is
//     handed back.
//   - Fails: to build, without streams, with a clock that goes by processing time or waits for idle
//     streams for ever, and on a source that orders by key. A value without an event time fails, with
//     [ErrEventTime]; a panic of the clock's function is a failure of the value.
func MergeOrdered[T any](streams int, clock Clock[T]) stage.Operator[Nth[T], T] {
	return mergingOrdered[T]{streams, clock}
}

type mergingOrdered[T any] struct {
	streams int
	clock   Clock[T]
}

var _ stage.Operator[Nth[int], int] = mergingOrdered[int]{}

func (m mergingOrdered[T]) Describe() stage.Description {
	return stage.Description{Name: "merge by time", Holds: true, HoldsAhead: true, HoldsLeft: true, Problem: m.problem()}
}

func (m mergingOrdered[T]) problem() error {
	problems := []error{m.clock.problem()}
	if m.streams < 1 {
		problems = append(problems, errors.New("operators: merge by time: there are no streams: give it at least one"))
	}
	switch {
	case !m.clock.event:
		problems = append(problems, errors.New("operators: merge by time: values come in order of processing time anyway: give a clock that goes by event time, or use Merge"))
	case m.clock.idle == 0:
		problems = append(problems, fmt.Errorf("operators: merge by time: %v, never idle: a stream that has no more values would hold up the others for ever: let it be idle after a while", m.clock))
	}
	return errors.Join(problems...)
}

func (m mergingOrdered[T]) Start(rt stage.Runtime, next stage.Emitter[T]) (stage.Processor[Nth[T]], error) {
	p := &orderedMerger[T]{mergingOrdered: m, rt: rt, next: next, up: rt.Upstream(), held: make([]int, m.streams), last: never}
	p.mark = newWatermark(rt, m.clock.outOfOrder, m.clock.idle, p.release)
	p.mark.await(m.streams)
	stage.Steps(rt, func(ctx context.Context, to time.Time) {
		p.mark.reach(instantOf(to))
		p.release(ctx)
	})
	return p, nil
}

// fullStream is how many values of a stream are held before it may be that no more of it are read: half of
// what a source may have in the pipeline.
const fullStream = 4096

type orderedMerger[T any] struct {
	mergingOrdered[T]
	rt   stage.Runtime
	next stage.Emitter[T]
	up   stage.Upstream

	mark  *watermark
	queue []queued[T] // a heap, the oldest on top
	came  uint64
	held  []int   // of each stream
	full  int     // streams that are
	last  instant // the time of the last that was emitted
	alarm alarm
	out   []stage.Record[T]
}

// queued is a record that waits for its turn.
type queued[T any] struct {
	stage.Record[T]
	at     instant
	number uint64 // in the order in which they came
	stream int
	until  time.Time // when its lease leaves no more time; zero for never
}

func (q queued[T]) due(now time.Time) bool { return !q.until.IsZero() && !q.until.After(now) }

func (q queued[T]) before(p queued[T]) bool {
	return cmp.Or(cmp.Compare(q.at, p.at), cmp.Compare(q.number, p.number)) < 0
}

func (m *orderedMerger[T]) Process(ctx context.Context, r stage.Record[Nth[T]]) error {
	info := r.Info()
	at := instantOf(info.EventTime)
	if t := m.clock.timeOf(r.Value.Value); t != nil {
		at = instantOf(*t)
	}
	if !at.counts() {
		return noEventTime("merge by time")
	}
	q := queued[T]{Record: r.With(r.Value.Value), at: at, stream: r.Value.Stream}
	if at < m.last {
		m.rt.Count("late", 1)
		m.out = append(m.out, q.Record)
	} else {
		m.push(q)
	}
	if info.Attempt <= 1 { // another attempt comes out of order, and from elsewhere
		m.mark.seeOf(q.stream, info.Partition, at)
	}
	if len(m.out) > 0 || m.full > 0 || len(m.queue) > 0 && m.queue[0].at <= m.mark.high {
		m.release(ctx)
	}
	return nil
}

// release emits what has its turn.
func (m *orderedMerger[T]) release(ctx context.Context) {
	now := m.mark.advance()
	for len(m.queue) > 0 && m.queue[0].at <= now {
		m.pop()
	}
	for m.stuck() {
		m.rt.Count("early", 1)
		m.pop()
	}
	m.emit(ctx)
}

// stuck tells whether nothing may come that moves the watermark: each stream is full, or idle.
func (m *orderedMerger[T]) stuck() bool {
	if m.full == 0 {
		return false
	}
	for i, n := range m.held {
		if n < fullStream && !m.mark.quiet(i) {
			return false
		}
	}
	return true
}

func (m *orderedMerger[T]) emit(ctx context.Context) {
	if len(m.out) > 0 {
		m.next.EmitAll(ctx, m.out)
		clear(m.out)
		m.out = m.out[:0]
	}
}

// onHold emits what must be held no longer, and before that what is older.
func (m *orderedMerger[T]) onHold(ctx context.Context) {
	now, due := m.rt.Now(), 0
	for _, q := range m.queue {
		if q.due(now) {
			due++
		}
	}
	for due > 0 {
		if m.queue[0].due(now) {
			due--
		}
		m.rt.Count("early", 1)
		m.pop()
	}
	m.emit(ctx)
	for _, q := range m.queue {
		m.setAlarm(q)
	}
}

// hold notes until when a record that has a lease may be held.
func (m *orderedMerger[T]) hold(q *queued[T]) {
	if m.up.HoldFor == 0 || q.Expires().IsZero() {
		return
	}
	q.until = m.rt.Now().Add(m.up.HoldFor)
	// An eighth of the time to hold is a tenth of the lease, if the merge has all that it leaves.
	if last := q.Expires().Add(-m.up.HoldFor / 8); last.Before(q.until) {
		q.until = last
	}
	m.setAlarm(*q)
}

func (m *orderedMerger[T]) setAlarm(q queued[T]) {
	if !q.until.IsZero() {
		m.alarm.set(m.rt, q.until, m.onHold)
	}
}

func (m *orderedMerger[T]) push(q queued[T]) {
	m.came++
	q.number = m.came
	m.hold(&q)
	if m.held[q.stream]++; m.held[q.stream] == fullStream {
		m.full++
	}
	m.queue = append(m.queue, q)
	for i := len(m.queue) - 1; i > 0 && m.queue[i].before(m.queue[(i-1)/2]); i = (i - 1) / 2 {
		m.queue[i], m.queue[(i-1)/2] = m.queue[(i-1)/2], m.queue[i]
	}
}

// pop lets the oldest go out.
func (m *orderedMerger[T]) pop() {
	q, last := m.queue[0], len(m.queue)-1
	m.queue[0] = m.queue[last]
	m.queue[last] = queued[T]{}
	m.queue = m.queue[:last]
	for i := 0; ; {
		first := i
		for _, child := range []int{2*i + 1, 2*i + 2} {
			if child < last && m.queue[child].before(m.queue[first]) {
				first = child
			}
		}
		if first == i {
			break
		}
		m.queue[i], m.queue[first] = m.queue[first], m.queue[i]
		i = first
	}
	if m.held[q.stream] == fullStream {
		m.full--
	}
	m.held[q.stream]--
	m.last = q.at
	m.out = append(m.out, q.Record)
}

// Drain emits what is held at the end of the input. Before that it is handed back: what is older may come.
func (m *orderedMerger[T]) Drain(ctx context.Context) error {
	ended := m.rt.Ended()
	for len(m.queue) > 0 {
		m.pop()
	}
	if ended {
		m.emit(ctx)
	}
	for _, r := range m.out {
		r.Fail(stage.ErrHandedBack)
	}
	m.out = nil
	return nil
}
