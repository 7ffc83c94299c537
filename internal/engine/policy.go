package engine

import (
	"errors"
	"fmt"
	"time"

	"github.com/cenkalti/backoff/v4"

	"github.com/rocketflow-io/rocketflow/flow/stage"
)

// Action is what becomes of a record when its retries are used up.
type Action int

// The actions of a policy.
const (
	Nack       Action = iota // hand the record back to its source as failed
	Skip                     // settle it done, and count it
	DeadLetter               // write it to the dead-letter sink, then settle it done
	Stop                     // end the run with the error; the record is handed back as failed
)

// Policy says what becomes of the failures of a stage.
type Policy struct {
	Retries int
	// NewBackOff makes the delays of one record's retries; nil retries at once.
	NewBackOff func() backoff.BackOff
	Final      Action
	// DeadLetter is where DeadLetter writes to. Policies with the same pointer share a writer.
	DeadLetter *DeadLetterSink
}

// DeadLetterSink is a dead-letter sink as policies share it.
type DeadLetterSink struct{ Sink stage.Sink[stage.Failure] }

// String names what the policy does, in order.
func (p *Policy) String() string {
	final := [...]string{Nack: "nack", Skip: "skip", DeadLetter: "dead letter", Stop: "stop"}[p.Final]
	if p.Retries > 0 {
		return fmt.Sprintf("retry %d, then %s", p.Retries, final)
	}
	return final
}

// tries is what is remembered of a record between two tries at a stage.
type tries struct {
	n       int // tries made
	backoff backoff.BackOff
	err     error  // of the last
	place   uint64 // in the stage's retryQueue; 0 if it did not wait
}

// retryAfter tells whether the record is to be tried again, and how long it is to wait for that. A
// panic of the user's backoff is an error of the stage, which no retry can mend.
func (s *Stage) retryAfter(t *tries) (wait time.Duration, ok bool) {
	p := s.policy
	if t.n > p.Retries || stage.IsPermanent(t.err) || isPermanentBackoff(t.err) {
		return 0, false
	}
	atLeast := stage.RetryAfter(t.err)
	if p.NewBackOff == nil {
		return atLeast, true
	}
	err := s.safely(func() error {
		if t.backoff == nil {
			t.backoff = p.NewBackOff()
		}
		wait = t.backoff.NextBackOff()
		return nil
	})
	if err != nil {
		t.err = fmt.Errorf("flow: backoff of stage %q: %w, after: %w", s.Name, err, t.err)
		return 0, false
	}
	return max(wait, atLeast), wait != backoff.Stop
}

func isPermanentBackoff(err error) bool {
	var p *backoff.PermanentError
	return errors.As(err, &p)
}

// PolicyError tells that a stage's policy was to stop: the run ended because of this record.
type PolicyError struct {
	Stage   string
	Attempt int
	Info    stage.Info
	Err     error
}

// Error names the stage, the record and the cause.
func (e *PolicyError) Error() string {
	return fmt.Sprintf("flow: stage %q stopped the run at %s: %v", e.Stage, describe(e.Info), e.Err)
}

// Unwrap gives the stage's error.
func (e *PolicyError) Unwrap() error { return e.Err }

// describe names a record as well as its source can.
func describe(info stage.Info) string {
	switch {
	case info.Position != "":
		return info.Position
	case info.ID != "":
		return "record " + info.ID
	}
	return "a record"
}
