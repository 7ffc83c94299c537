package operators

import (
	"errors"
	"fmt"
	"time"

	"github.com/rocketflow-io/rocketflow/flow/stage"
)

// Interval says how far the times of two values may be apart: made by [Within].
type Interval struct{ before, after time.Duration }

// Within lets a value of the left stream match those of the right one that are at most before older than
// it, and at most after younger. Either may be negative: Within(-time.Minute, time.Hour) is from a minute
// to an hour after.
func Within(before, after time.Duration) Interval { return Interval{before, after} }

// String names the interval, as in "10m0s before to 5m0s after".
func (i Interval) String() string { return fmt.Sprintf("%v before to %v after", i.before, i.after) }

// JoinKind says what becomes of values without a partner.
type JoinKind int

// The kinds of joins.
const (
	// InnerJoin gives pairs alone.
	InnerJoin JoinKind = iota
	// LeftJoin gives values of the left stream that have no partner, too.
	LeftJoin
	// OuterJoin gives all values that have no partner.
	OuterJoin
)

// String names the kind.
func (k JoinKind) String() string {
	switch k {
	case LeftJoin:
		return "left join"
	case OuterJoin:
		return "outer join"
	}
	return "inner join"
}

// keeps tells whether values of a side are given without a partner.
func (k JoinKind) keeps(s side) bool { return k == OuterJoin || k == LeftJoin && s == leftSide }

// Joining says which values of two streams match.
type Joining[K comparable, L, R any] struct {
	// LeftKey and RightKey give the keys, which have to be the same.
	LeftKey  func(L) K
	RightKey func(R) K
	// Within is how far apart in time they may be.
	Within Interval
	// LeftClock and RightClock say what their times are: both by event time, or both by processing time.
	LeftClock  Clock[L]
	RightClock Clock[R]
	Kind       JoinKind
	// HoldFor bounds how long a record is held, before it is handed back to be delivered again; 0 for
	// what its lease leaves.
	HoldFor time.Duration
	// IdentifyLeft and IdentifyRight give what a value is known by, in its stream and key: of those with
	// one identity one is joined. Without them that is its record's id, as far as the source redelivers.
	IdentifyLeft  func(L) string
	IdentifyRight func(R) string
}

// Join pairs the values of two streams that have the same key and are close in time, and emits what f
// makes of each pair. A value that has no partner is given with nil for it, if the kind of the join is
// to give such values. F must not change what it is given.
//
//	left   --a1:00------b1:10---------------|     within 5m before to 5m after
//	right  ----------a1:02-----c1:30-----2:00-|
//	inner  ----------(a a)------------------|
//	left   ----------(a a)-----(b -)--------|     when the watermark passes 1:15
//
// What it promises:
//   - Emits: a pair as soon as both have come, a value without a partner when the watermark has passed
//     the time in which one could have. That is right if nothing failed above and came again afterwards:
//     then the pair follows, and what is without a partner was premature (counted as "premature").
//   - Order: pairs in the order in which they come about.
//   - Holds: each record until the watermark has passed the time in which it can have a partner and, if
//     that one would be given as without a partner without it, the time in which its partner can have
//     others (rule 3). One that has been held for HoldFor is handed back, comes again at once, and is
//     known.
//   - Settles: each record when it is held no more and all its pairs are settled, with their outcome. A
//     late one done.
//   - Drain: at the end of the input gives what has no partner. When the run ends before, what is held is
//     handed back.
//   - Fails: to build, if an argument is missing or out of range, on a source that orders by key, and
//     where a lease leaves no time. A value without an event time, with [ErrEventTime]. A panic of a
//     function is a failure of the value that came last, and leaves the join as it was.
//
// The watermark is the least of those of both streams. A stream that has given nothing yet holds it up,
// until it is idle (see [Clock.Idle]). A value that is older than the watermark is late, and not joined,
// unless it comes again. There is no allowed lateness: pairs do not wait for the watermark, so a clock
// that allows for more disorder delays only what has no partner.
//
// What is held is in memory. A record that comes again is known by its id: pairs that were not safe are
// given again, and no others. So a value is kept until the watermark has passed it and, by the clock, it
// cannot come again, nor a partner of it for the first time.
func Join[K comparable, L, R, O any](j Joining[K, L, R], f func(l *L, r *R) O) stage.Operator[Either[L, R], O] {
	return joining[K, L, R, O]{j, f, nil, nil}
}

// JoinResult is what comes of a join: Value or, if one is not nil, a value that was late.
type JoinResult[L, R, O any] struct {
	Value     O
	LateLeft  *L
	LateRight *R
}

// JoinOrLate is [Join] which emits what is late, too: on the left, the right, or both. The duty goes with
// it.
func JoinOrLate[K comparable, L, R, O any](j Joining[K, L, R], f func(l *L, r *R) O, left, right bool) stage.Operator[Either[L, R], JoinResult[L, R, O]] {
	op := joining[K, L, R, JoinResult[L, R, O]]{Joining: j}
	if f != nil {
		op.f = func(l *L, r *R) JoinResult[L, R, O] { return JoinResult[L, R, O]{Value: f(l, r)} }
	}
	if left {
		op.lateLeft = func(v L) JoinResult[L, R, O] { return JoinResult[L, R, O]{LateLeft: &v} }
	}
	if right {
		op.lateRight = func(v R) JoinResult[L, R, O] { return JoinResult[L, R, O]{LateRight: &v} }
	}
	return op
}

// joining is an operator of joins.
type joining[K comparable, L, R, O any] struct {
	Joining[K, L, R]
	f         func(*L, *R) O
	lateLeft  func(L) O // nil: late values are dropped
	lateRight func(R) O
}

var _ stage.Operator[Either[int, string], string] = joining[string, int, string, string]{}

func (j joining[K, L, R, O]) Describe() stage.Description {
	return stage.Description{
		Name: "join", Holds: true, HoldsFor: j.HoldFor, HoldsLeft: j.HoldFor == 0, Recognizes: j.IdentifyLeft == nil,
		Settles: "when it can have no more partners and its pairs are safe", Problem: j.problem(),
	}
}

func (j joining[K, L, R, O]) problem() error {
	problems := []error{j.LeftClock.problem(), j.RightClock.problem()}
	if j.LeftKey == nil || j.RightKey == nil || j.f == nil {
		problems = append(problems, errors.New("operators: join: a function is missing: give one for each key, and one that makes a result"))
	}
	if j.Within.before+j.Within.after < 0 {
		problems = append(problems, fmt.Errorf("operators: join: within %v: the interval ends before it begins", j.Within))
	}
	if j.LeftClock.event != j.RightClock.event {
		problems = append(problems, fmt.Errorf("operators: join: %v on the left and %v on the right: go by the same on both sides", j.LeftClock, j.RightClock))
	}
	if j.HoldFor < 0 {
		problems = append(problems, fmt.Errorf("operators: join: hold for %v: the time may not be negative", j.HoldFor))
	}
	if (j.IdentifyLeft == nil) != (j.IdentifyRight == nil) {
		problems = append(problems, errors.New("operators: join: values are identified on one side only: give a function for each"))
	}
	return errors.Join(problems...)
}

// CanBeLate tells whether a value can be late.
func (j Joining[K, L, R]) CanBeLate() bool { return j.LeftClock.event }

// Facts says in words what is joined, for Explain.
func (j Joining[K, L, R]) Facts() []string {
	by := j.LeftClock.String()
	if right := j.RightClock.String(); right != by {
		by = fmt.Sprintf("%s on the left and %s on the right", by, right)
	}
	return []string{
		fmt.Sprintf("%v within %v by %s", j.Kind, j.Within, by),
		"keeps what may have partners in this process, which must be the only one of its group",
	}
}
