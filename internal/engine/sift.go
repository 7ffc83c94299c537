package engine

import (
	"context"
	"math/bits"
	"time"

	"github.com/rocketflow-io/rocketflow/flow/stage"
)

// sift leaves in a job what may be written now. The rest turns back, or waits for its key.
func (s *sink[T]) sift(j *job[T]) *job[T] {
	kept := newJob[T](j.len())
	now := time.Now()
	hard := s.stage.run.hard.Load()
	for i := range j.values {
		e := j.at(i)
		k, keyed := keyOf(e.duty)
		keyed = keyed && s.stage.keyed
		switch {
		case hard:
			s.stage.handBack(e.duty)
			s.turned(e)
		case s.stage.run.tooLate(e.duty, now):
			s.stage.expire(e.duty)
			s.turned(e)
		case keyed && !s.admit(k.lane(), &e):
			s.stage.hold(1)
		// Only behind the gate is it clear: until then an earlier record could be handed back.
		case keyed && k.turnedBack():
			s.stage.handBack(e.duty)
			s.turned(e)
		default:
			kept.addEntry(e)
		}
	}
	return kept
}

// admit lets a value into a write (rule 8): the only one of its key, or, where the writer keeps
// the order of keys, any that no failure of its key stands before. What is not let in waits in
// line.
func (s *sink[T]) admit(l lane, e *entry[T]) bool {
	switch {
	case e.extra.lane == l, e.extra.then != nil:
		return true
	case s.ordered:
		return s.gate.free(l) || !s.gate.wait(l, s.inLane(*e, l))
	}
	for !s.gate.enter(l) {
		if s.gate.wait(l, s.inLane(*e, l)) {
			return false
		}
	}
	e.extra.lane = l
	return true
}

// inLane lets in a value that waited for its key, which it has then.
func (s *sink[T]) inLane(e entry[T], l lane) func() {
	e.extra.lane = l
	return func() { s.letIn(e) }
}

// turned ends the way of a value that was not written.
func (s *sink[T]) turned(e entry[T]) {
	s.freed(e.extra.lane)
	if e.extra.then != nil {
		e.extra.then(stage.ErrHandedBack)
	}
}

// freed lets the next value of the key in.
func (s *sink[T]) freed(l lane) {
	if l == (lane{}) {
		return
	}
	if letIn, ok := s.gate.leave(l); ok {
		letIn()
	}
}

// letIn gathers a value that waited at the gate and now holds its key.
func (s *sink[T]) letIn(e entry[T]) {
	s.stage.run.after(0, func() {
		s.stage.seg.do(func(context.Context) { s.gather(e) })
		s.stage.hold(-1)
	})
}

// budget bounds the writes that the search for a poison value may cost. Failures use it up,
// successes show that the search gets on and renew it; so a system that is down is not written
// to for every value, and any number of poison values is found.
type budget struct{ left, step int }

func newBudget(n int) *budget {
	step := 2 * bits.Len(uint(n))
	return &budget{left: 2 * step, step: step}
}

func (b *budget) succeeded() { b.left += b.step }

func (b *budget) spend() bool {
	b.left--
	return b.left >= 0
}

// isolate finds the values to blame for a failed write that named none, by writing each half of
// the batch by itself, and so on. When the budget is used up, the rest is taken to have failed.
func (s *sink[T]) isolate(j *job[T], err error, b *budget) {
	if j.len() == 1 || b.left <= 0 || s.stage.run.hard.Load() {
		broken := make(brokenKeys)
		for i := range j.duties {
			s.unwritten(j.at(i), err, broken)
		}
		return
	}
	mid := j.len() / 2
	for _, half := range []*job[T]{j.part(0, mid), j.part(mid, j.len())} {
		if s.stage.keyed || s.stage.leased {
			// A failure in the first half may have closed the way for values of the second.
			if half = s.sift(half); half.len() == 0 {
				continue
			}
		}
		halfErr := err
		if b.spend() {
			halfErr = s.call(half)
		}
		s.outcome(half, halfErr, b)
	}
}
