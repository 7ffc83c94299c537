package flowtest

import (
	"slices"
	"time"
)

// State is what became of a record of an [Input].
type State string

// The states of a record.
const (
	// Unread: the run ended before the record was read.
	Unread State = "not read"
	// Held: the record was read, and has no outcome. [Run] reports it.
	Held State = "held"
	// Acked: all that came of the record is safe.
	Acked State = "acked"
	// Nacked: the record failed, and did not come again: the input does not redeliver, or the run
	// ended before.
	Nacked State = "nacked"
	// HandedBack: the run ended before the record was done. It was not to blame.
	HandedBack State = "handed back"
	// DeadLettered: the record failed as often as the group allows. RocketMQ has moved it to the dead
	// letters of the group; those of the pipeline (flow.DeadLetter) are written to a sink, and Acked.
	DeadLettered State = "dead-lettered"
	// Lost: a stage has neither emitted nor settled the record. [Run] reports it.
	Lost State = "lost"
)

// Outcome is what became of a record.
type Outcome[T any] struct {
	Value T
	State State
	// Err is the last failure; nil if there was none, or the record was acked after it.
	Err error
	// Stage is the name of the stage that Err is from, or that lost the record. It is known in runs
	// by [Run].
	Stage string
	// Deliveries are how often the record was given out, each with its outcome.
	Deliveries []Delivery
}

// Delivery is one delivery of a record. Times are counted from the begin of the run.
type Delivery struct {
	At      time.Duration // when it was read
	Attempt int           // as the pipeline was told: from 1
	State   State
	Settled time.Duration // when its outcome came; 0 if it is Held
	Err     error
	Stage   string // as that of the [Outcome]
}

// Redelivery is when a record that failed comes again. The zero value is what RocketMQ does by
// default.
type Redelivery struct {
	// MaxAttempts is how often a record is delivered; 0 means 17, below 0 there is no bound.
	MaxAttempts int
	// Backoff is the wait after the first failure, the second, and so on; the last repeats. Empty it
	// stands for RocketMQ's list, which begins 1s 5s 10s 30s 1m and ends 30m 1h 2h.
	Backoff []time.Duration
}

// defaultMaxAttempts is one delivery and RocketMQ's default of 16 more.
const defaultMaxAttempts = 17

// defaultBackoff gives the list that a server has for groups without a policy of their own.
func defaultBackoff() []time.Duration {
	const s, m, h = time.Second, time.Minute, time.Hour
	return []time.Duration{
		s, 5 * s, 10 * s, 30 * s, m, 2 * m, 3 * m, 4 * m, 5 * m, 6 * m, 7 * m, 8 * m, 9 * m, 10 * m,
		20 * m, 30 * m, h, 2 * h,
	}
}

// longest gives the longest wait after a failure.
func (r Redelivery) longest() time.Duration {
	if len(r.Backoff) > 0 {
		return slices.Max(r.Backoff)
	}
	return slices.Max(defaultBackoff())
}

// after gives the wait after so many failures; over says that there were too many.
func (r Redelivery) after(failures int) (wait time.Duration, over bool) {
	most := r.MaxAttempts
	if most == 0 {
		most = defaultMaxAttempts
	}
	if most > 0 && failures >= most {
		return 0, true
	}
	steps := r.Backoff
	if len(steps) == 0 {
		steps = defaultBackoff()
	}
	return steps[min(max(failures, 1), len(steps))-1], false
}
