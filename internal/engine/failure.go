package engine

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/rocketflow-io/rocketflow/flow/stage"
)

// attempt is a failed try of a record at a stage, as the policy sees it.
type attempt struct {
	duty    stage.Duty
	value   func() any // what the stage was given
	tries   *tries     // nil at the first, unless the record was delayed by another's
	again   func(t *tries)
	waits   func() // called when the record begins to wait for another try; nil for nothing
	settled func() // called when the policy is done with the record and will not try it again
}

// failed applies the stage's policy to a failure. One that says so itself is none: the record is
// handed back.
func (s *Stage) failed(a attempt, err error) {
	if t := a.tries; t != nil && t.place > 0 {
		settled := a.settled
		a.settled = func() {
			settled()
			s.retrying.leave(t.place)
		}
	}
	if errors.Is(err, stage.ErrHandedBack) {
		s.giveBack(a.duty)
		a.settled()
		return
	}
	t := a.tries
	if t == nil {
		t = &tries{}
	}
	t.n++
	t.err = err
	s.errors.Add(1)
	if s.run.hard.Load() {
		// The end of the users' context is what failed it, most likely; it is not to blame.
		s.giveBack(a.duty)
		a.settled()
		return
	}
	wait, ok := s.retryAfter(t)
	if !ok {
		s.finish(a, t)
		return
	}
	// The lease ends retries before it ends itself: the record is handed back while its source still
	// listens.
	if s.run.tooLate(a.duty, time.Now().Add(wait)) {
		s.expired.Add(1)
		s.nack(a.duty, err)
		a.settled()
		return
	}
	if a.waits != nil {
		a.waits() // before the record itself is counted: no one behind it is to be left out by who looks between
	}
	if t.place == 0 && s.Kind == KindOperator {
		t.place = s.retrying.join()
	}
	s.hold(1)
	s.run.after(wait, func() {
		a.again(t)
		s.hold(-1)
	})
}

// finish does what the policy says for a record whose retries are used up.
func (s *Stage) finish(a attempt, t *tries) {
	switch s.policy.Final {
	case Skip:
		s.skipped.Add(1)
		a.duty.Done()
	case DeadLetter:
		s.bury(a, t)
		return
	case Stop:
		s.run.stop(&PolicyError{Stage: s.Name, Attempt: t.n, Info: a.duty.Info(), Err: t.err})
		s.nack(a.duty, t.err)
	default:
		s.nack(a.duty, t.err)
	}
	a.settled()
}

// bury writes the failure to the dead-letter sink. When that has succeeded the record is done, or put off
// if it is to come again; it is handed back when it has not.
func (s *Stage) bury(a attempt, t *tries) {
	f := stage.Failure{
		Stage: s.Name, Err: t.err, Attempt: t.n, Value: a.value(),
		Source: a.duty.Origin(), Info: a.duty.Info(), Sources: membersOrigins(a.duty),
	}
	again := s.comesAgain(f)
	s.hold(1)
	s.run.buriers[s.policy.DeadLetter].bury(f, a.duty, again, func(err error) {
		switch {
		case err != nil:
			s.nacked.Add(1)
		case again:
			s.later.Add(1)
		default:
			s.dead.Add(1)
		}
		a.settled()
		s.hold(-1)
	})
}

// comesAgain tells whether the sink of the policy sends a failure to a retry topic. If it cannot tell, the
// record is not to be taken for done.
func (s *Stage) comesAgain(f stage.Failure) (again bool) {
	retry, ok := s.policy.DeadLetter.Sink.(stage.RetrySink)
	if !ok {
		return false
	}
	err := s.safely(func() error {
		again = retry.ComesAgain(f)
		return nil
	})
	return err != nil || again
}

// membersOrigins gives what was read for each member of a joint record; nil for any other.
func membersOrigins(d stage.Duty) []any {
	switch owner := d.Owner().(type) {
	case *step:
		return membersOrigins(owner.duty)
	case *passage:
		return membersOrigins(owner.duty)
	}
	if inner, ok := d.StandsFor(); ok {
		return membersOrigins(inner)
	}
	var all []any
	for _, m := range d.Members() {
		if _, ok := m.Owner().(stage.Bystander); ok {
			continue
		}
		if inner := membersOrigins(m); inner != nil {
			all = append(all, inner...)
		} else {
			all = append(all, m.Origin())
		}
	}
	return all
}

// nack hands the record back as failed. The ledger hears of it first, so that no later record of
// the key can slip past between the two (rule 8).
func (s *Stage) nack(d stage.Duty, err error) {
	if s.keyed {
		if k, ok := keyOf(d); ok {
			k.turnBack()
		}
	}
	s.nacked.Add(1)
	d.Fail(err)
}

// handBack hands back a record that is not to blame and that none of its key can overtake: it
// stands behind a failed one, or nothing goes on any more.
func (s *Stage) handBack(d stage.Duty) {
	s.back.Add(1)
	d.Fail(stage.ErrHandedBack)
}

// giveBack hands back a record that is not to blame, before any other of its key.
func (s *Stage) giveBack(d stage.Duty) {
	if k, ok := keyOf(d); ok && s.keyed {
		k.turnBack()
	}
	s.handBack(d)
}

// expire hands back a record that its lease leaves too little time for.
func (s *Stage) expire(d stage.Duty) {
	s.expired.Add(1)
	s.giveBack(d)
}

// refuse hands back a record whose next try may not begin: the run stops hard, its lease is as
// good as over, or its key was turned back.
func (s *Stage) refuse(d stage.Duty, t *tries) bool {
	switch {
	case s.run.hard.Load():
		s.nack(d, t.err)
		return true
	case s.run.tooLate(d, time.Now()):
		s.expired.Add(1)
		s.nack(d, t.err)
		return true
	}
	if k, ok := keyOf(d); s.keyed && ok && k.turnedBack() {
		s.handBack(d)
		return true
	}
	return false
}

// DrainError tells that a drain ran into its deadline, or was cut short.
type DrainError struct {
	// HandedBack is how many records were handed back to their sources unfinished.
	HandedBack int
	// Deadline is how long the drain was given; 0 if it was cut short by the caller.
	Deadline time.Duration
}

// Error tells how many records were handed back, and why.
func (e *DrainError) Error() string {
	if e.Deadline == 0 {
		return fmt.Sprintf("flow: drain cut short: %d records handed back to their sources", e.HandedBack)
	}
	return fmt.Sprintf("flow: drain not finished after %v: %d records handed back to their sources: allow it more time with flow.WithDrainTimeout", e.Deadline, e.HandedBack)
}

// FailedError tells that records of a source that does not redeliver failed for good.
type FailedError struct {
	// Source is the name of the source's stage; Count is how many of its records failed.
	Source string
	Count  int
	// First is the first failure, and Info the record it happened to.
	First error
	Info  stage.Info
}

// Error names the source, the count and the first failure.
func (e *FailedError) Error() string {
	return fmt.Sprintf("flow: %d records of source %q failed and it cannot redeliver them; the first was %s: %v: set a policy with OnError to retry, skip or dead-letter them",
		e.Count, e.Source, describe(e.Info), e.First)
}

// Unwrap gives the first failure.
func (e *FailedError) Unwrap() error { return e.First }

// DroppedError tells that an operator neither emitted nor settled records, and held nothing after
// its drain. They were handed back.
type DroppedError struct {
	// Source is the name of the source's stage; Count is how many of its records were dropped.
	Source string
	Count  int
	// Stages are the names of those that dropped them; nil unless the run had a probe.
	Stages []string
}

// Error names the source, the count and, if they are known, the stages.
func (e *DroppedError) Error() string {
	by := "an operator"
	if len(e.Stages) > 0 {
		by = fmt.Sprintf("stage %q", strings.Join(e.Stages, `", "`))
	}
	return fmt.Sprintf("flow: %d records of source %q were dropped by %s, and handed back: each record that Process takes must be emitted, joined or settled", e.Count, e.Source, by)
}
