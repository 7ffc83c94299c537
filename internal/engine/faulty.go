package engine

import (
	"context"
	"time"

	"github.com/rocketflow-io/rocketflow/flow/stage"
)

// incoming is a record as a source hands it out: what could not be decoded has a fault.
type incoming[T any] struct {
	record stage.Record[T]
	fault  *stage.Fault
}

// pushWithCare is push for a read with records that turn back at once, wait, or never were records.
func (s *source[T]) pushWithCare(r *read[T]) {
	faults := make(map[int]*stage.Fault, len(r.batch.Faults))
	for i := range r.batch.Faults {
		f := &r.batch.Faults[i]
		faults[f.Index] = f
	}
	for i, v := range r.batch.Values {
		in := incoming[T]{stage.Record[T]{Value: v, Duty: r.slab.Duty(i)}, faults[i]}
		k, keyed := keyOf(in.record.Duty)
		if keyed && !s.gate.free(k.lane()) && s.gate.wait(k.lane(), s.inLane(in)) {
			s.stage.hold(1)
			continue
		}
		if s.take(in, k) {
			s.gate.enter(k.lane())
		}
	}
}

// inLane lets in a record that waited for its key, as take does.
func (s *source[T]) inLane(in incoming[T]) func() bool {
	return func() bool {
		k, _ := keyOf(in.record.Duty)
		return s.take(in, k)
	}
}

// take lets a record in, and reports whether it is to hold its key from now on. Rule 8: what becomes of
// a faulty one must be known before a later one of its key goes on.
func (s *source[T]) take(in incoming[T], k keyRef) (holds bool) {
	d := in.record.Duty
	switch {
	case s.stage.run.hard.Load():
		s.stage.handBack(d)
	case s.stage.run.tooLate(d, time.Now()):
		s.stage.expire(d)
	// Asked here first, in the order of reading, so that the record that a key begins anew with is
	// known before those behind it are judged anywhere.
	case k.key != "" && k.turnedBack():
		s.stage.handBack(d)
	case in.fault == nil:
		s.out.Emit(s.stage.seg.ctx, in.record)
	default:
		s.faulty(d, in.fault, k)
		return k.key != ""
	}
	return false
}

// faulty applies the source's policy to a record that could not be decoded. To try again would
// change nothing, so the policy's retries are skipped.
func (s *source[T]) faulty(d stage.Duty, f *stage.Fault, k keyRef) {
	err := &stage.FaultError{Position: d.Info().Position, Raw: f.Raw, Err: f.Err}
	s.stage.failed(attempt{
		duty:  d,
		value: func() any { return nil },
		settled: func() {
			if k.key != "" {
				s.stage.run.after(0, func() { s.stage.seg.do(func(context.Context) { s.release(k.lane()) }) })
			}
		},
	}, stage.Permanent(err))
}

// release lets in what waited for a faulty record of its key, up to the next faulty one.
func (s *source[T]) release(l lane) {
	for {
		letIn, ok := s.gate.leave(l)
		if !ok {
			return
		}
		holds := letIn()
		s.stage.hold(-1)
		if holds {
			return
		}
	}
}
