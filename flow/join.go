package flow

import (
	"errors"
	"time"

	"github.com/rocketflow-io/rocketflow/flow/stage"
	"github.com/rocketflow-io/rocketflow/internal/engine"
	"github.com/rocketflow-io/rocketflow/operators"
)

// Interval says how far the times of two values may be apart: see [operators.Interval].
type Interval = operators.Interval

// Within lets a value match those of the other stream that are at most before older, and at most after
// younger: see [operators.Within].
func Within(before, after time.Duration) Interval { return operators.Within(before, after) }

// Joined is two streams whose values match by key and time. It describes, as a Stream does:
// [Joined.Inner], [Joined.Left] and [Joined.Outer] make results of it, by the promises of
// [operators.Join].
//
// By event time values can be late. What becomes of those has to be said, by [Joined.DropLate], or
// [Joined.LateLeft] and [Joined.LateRight]: until then the pipeline does not validate.
type Joined[K comparable, L, R any] struct {
	left      Stream[L]
	right     Stream[R]
	j         operators.Joining[K, L, R]
	name      string
	drop      bool
	lateLeft  func(Stream[L]) *Pipeline
	lateRight func(Stream[R]) *Pipeline
}

// Join joins the stream with another one: values of the same key whose times, which the clocks give, are
// close. The stream itself is the left one.
func (k Keyed[K, T]) Join[U any](right Keyed[K, U], within Interval, leftClock Clock[T], rightClock Clock[U]) Joined[K, T, U] {
	return Joined[K, T, U]{left: k.s, right: right.s, name: "join", j: operators.Joining[K, T, U]{
		LeftKey: k.key, RightKey: right.key, Within: within, LeftClock: leftClock, RightClock: rightClock,
	}}
}

// HoldFor bounds how long a record is held before it is handed back, to come again with a new lease. By
// default that is what its lease leaves.
func (j Joined[K, L, R]) HoldFor(d time.Duration) Joined[K, L, R] {
	j.j.HoldFor = d
	return j
}

// Identify tells the values of each stream apart by what a function gives: of those with one key and
// identity one is joined. Without it values are told apart by their records, as far as the sources
// redeliver. It is needed below a stage that makes one record of several.
func (j Joined[K, L, R]) Identify(left func(L) string, right func(R) string) Joined[K, L, R] {
	j.j.IdentifyLeft, j.j.IdentifyRight = left, right
	return j
}

// DropLate drops late values of each stream whose late values have no stream of their own. They are
// settled as done, and counted as "late".
func (j Joined[K, L, R]) DropLate() Joined[K, L, R] {
	j.drop = true
	return j
}

// LateLeft gives the late values of the left stream as a stream of their own, which the function ends in a
// pipeline. That becomes part of the one that the results go to.
func (j Joined[K, L, R]) LateLeft(f func(late Stream[L]) *Pipeline) Joined[K, L, R] {
	j.lateLeft = f
	return j
}

// LateRight gives the late values of the right stream as a stream of their own, as [Joined.LateLeft] does
// those of the left one.
func (j Joined[K, L, R]) LateRight(f func(late Stream[R]) *Pipeline) Joined[K, L, R] {
	j.lateRight = f
	return j
}

// Named names the stage of the join, for Explain, Snapshot, logs and errors.
func (j Joined[K, L, R]) Named(name string) Joined[K, L, R] {
	j.name = name
	return j
}

// Inner gives what f makes of each pair.
func (j Joined[K, L, R]) Inner[O any](f func(l L, r R) O) Stream[O] {
	if f == nil {
		return joined[K, L, R, O](j, operators.InnerJoin, nil)
	}
	return joined(j, operators.InnerJoin, func(l *L, r *R) O { return f(*l, *r) })
}

// Left gives what f makes of each pair, and of each value of the left stream that has no partner, with nil
// for it. F must not change what r points to.
func (j Joined[K, L, R]) Left[O any](f func(l L, r *R) O) Stream[O] {
	if f == nil {
		return joined[K, L, R, O](j, operators.LeftJoin, nil)
	}
	return joined(j, operators.LeftJoin, func(l *L, r *R) O { return f(*l, r) })
}

// Outer gives what f makes of each pair, and of each value that has no partner, with nil for it. F must
// not change what l and r point to.
func (j Joined[K, L, R]) Outer[O any](f func(l *L, r *R) O) Stream[O] {
	return joined(j, operators.OuterJoin, f)
}

// describe notes what the operator says, and whether it is said what becomes of late values.
func (j Joined[K, L, R]) describe(n *node, d stage.Description) {
	n.desc, n.problem, n.facts = d, d.Problem, j.j.Facts()
	if j.j.CanBeLate() && !j.drop && (j.lateLeft == nil || j.lateRight == nil) {
		n.problem = errors.Join(n.problem, errors.New("it is not said what becomes of late values of both streams: call DropLate to drop and count them, or LateLeft and LateRight to give them streams of their own"))
	}
	if j.drop && j.lateLeft != nil && j.lateRight != nil {
		n.problem = errors.Join(n.problem, errors.New("late values are both dropped and given streams: leave out DropLate"))
	}
}

// joined adds the operator, with ways beside for late values that have streams of their own.
func joined[K comparable, L, R, O any](j Joined[K, L, R], kind operators.JoinKind, f func(*L, *R) O) Stream[O] {
	j.j.Kind = kind
	n := newNode(kindOperator, j.name, j.left.n, j.right.n)
	inlets := []inlet[operators.Either[L, R]]{
		into(j.left, func(v L) operators.Either[L, R] { return operators.Either[L, R]{Left: v} }),
		into(j.right, func(v R) operators.Either[L, R] { return operators.Either[L, R]{Right: v, IsRight: true} }),
	}
	if j.lateLeft == nil && j.lateRight == nil {
		op := operators.Join(j.j, f)
		j.describe(n, op.Describe())
		return Stream[O]{n, func(c *compiler, n *node, out engine.Outlet[O]) { addFanIn(c, n, op, inlets, out) }}
	}
	op := operators.JoinOrLate(j.j, f, j.lateLeft != nil, j.lateRight != nil)
	j.describe(n, op.Describe())
	type result = operators.JoinResult[L, R, O]
	x := &exits[result]{n: n, add: func(c *compiler, out engine.Outlet[result]) { addFanIn(c, n, op, inlets, out) }}
	results := exit(x, "results", func(r result) O { return r.Value })
	left, right := 0, 0
	if j.lateLeft != nil {
		left = n.branches
		late := exit(x, "late left", func(r result) L { return *r.LateLeft })
		results = results.withSide("LateLeft", j.lateLeft(late))
	}
	if j.lateRight != nil {
		right = n.branches
		late := exit(x, "late right", func(r result) R { return *r.LateRight })
		results = results.withSide("LateRight", j.lateRight(late))
	}
	x.pick = func(r result) int {
		switch {
		case r.LateLeft != nil:
			return left
		case r.LateRight != nil:
			return right
		}
		return 0
	}
	return results
}
