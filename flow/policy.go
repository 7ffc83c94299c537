package flow

import (
	"errors"
	"fmt"

	"github.com/cenkalti/backoff/v4"

	"github.com/rocketflow-io/rocketflow/flow/stage"
	"github.com/rocketflow-io/rocketflow/internal/engine"
)

// Policy says what becomes of a record that fails at a stage. The zero value is [Nack].
type Policy struct {
	p     engine.Policy
	chain bool // made by Retry, so that Then may follow
}

// Failure is a record that failed for good, as a dead-letter sink gets it.
type Failure = stage.Failure

// Retry tries a failed record again, up to n times, and then hands it back (see [Policy.Then] for
// something else). newBackOff makes the delays of one record, since a backoff keeps state; nil
// retries at once. An error that tells how long to wait (see [stage.RetryAfter]), as that of an open
// circuit breaker does, makes its wait as long at least. Only the record waits, and with a keyed source
// its key. Retries end before the record's lease does, on an error marked [stage.Permanent] or
// backoff.Permanent, and when the backoff panics.
func Retry(n int, newBackOff func() backoff.BackOff) Policy {
	return Policy{p: engine.Policy{Retries: n, NewBackOff: newBackOff}, chain: true}
}

// Then says what follows the retries: flow.Retry(5, exponential).Then(flow.DeadLetter(sink)).
func (p Policy) Then(final Policy) Policy {
	p.p.Final, p.p.DeadLetter = final.p.Final, final.p.DeadLetter
	if final.chain {
		p.p.Final = badAction
	}
	p.chain = false
	return p
}

// Nack hands the record back to its source as failed. RocketMQ delivers it again by its group's
// policy, and dead-letters it in the end. It is what happens without a policy.
func Nack() Policy { return Policy{} }

// DeadLetter writes the record to a sink, and settles it done when that has succeeded; if the
// write fails, the record is handed back.
func DeadLetter(sink stage.Sink[Failure]) Policy {
	return Policy{p: engine.Policy{Final: engine.DeadLetter, DeadLetter: &engine.DeadLetterSink{Sink: sink}}}
}

// Skip settles the record done, as if it had succeeded. It is counted.
func Skip() Policy { return Policy{p: engine.Policy{Final: engine.Skip}} }

// Stop ends the run: Run drains what is in flight and returns the error. The record is handed
// back.
func Stop() Policy { return Policy{p: engine.Policy{Final: engine.Stop}} }

// String names what the policy does, in order.
func (p Policy) String() string { return p.p.String() }

const badAction engine.Action = -1

func (p Policy) problem() error {
	switch {
	case p.p.Final == badAction:
		return errors.New("a Retry follows a Retry: what follows must be Nack, DeadLetter, Skip or Stop")
	case p.p.Retries < 0:
		return fmt.Errorf("%d retries: the number may not be negative", p.p.Retries)
	case p.p.Final == engine.DeadLetter && p.p.DeadLetter.Sink == nil:
		return errors.New("the dead-letter sink is nil: give it one")
	}
	return nil
}

var errNilOperator = errors.New("the operator is nil: give it one")
