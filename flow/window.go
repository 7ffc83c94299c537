package flow

import (
	"errors"
	"fmt"
	"time"

	"github.com/rocketflow-io/rocketflow/internal/engine"
	"github.com/rocketflow-io/rocketflow/operators"
)

// Window is the result of one window of one key: see [operators.Window].
type Window[K comparable, A any] = operators.Window[K, A]

// Windows says which windows a value belongs to: see [operators.Windows].
type Windows = operators.Windows

// Clock says what the time of a value is: see [operators.Clock].
type Clock[T any] = operators.Clock[T]

// Tumbling gives windows of a size, one after the other: see [operators.Tumbling].
func Tumbling(size time.Duration) Windows { return operators.Tumbling(size) }

// Sliding gives windows of a size, of which one begins every so often: see [operators.Sliding].
func Sliding(size, every time.Duration) Windows { return operators.Sliding(size, every) }

// Sessions gives windows of values that follow each other closely: see [operators.Sessions].
func Sessions(gap time.Duration) Windows { return operators.Sessions(gap) }

// Counts gives windows of n values: see [operators.Counts].
func Counts(n int) Windows { return operators.Counts(n) }

// EventTime goes by when what a value tells of happened: see [operators.EventTime].
func EventTime[T any](at func(T) time.Time, outOfOrder time.Duration) Clock[T] {
	return operators.EventTime(at, outOfOrder)
}

// ProcessingTime goes by when a value comes: see [operators.ProcessingTime].
func ProcessingTime[T any]() Clock[T] { return operators.ProcessingTime[T]() }

// Windowed is a stream whose values have a key and windows. It describes, as a Stream does: [Windowed.Agg],
// [Windowed.AggMerge] and [Windowed.Collect] make results of it, by the promises of
// [operators.Aggregate].
//
// By event time values can be late. What becomes of those has to be said, by [Windowed.DropLate] or
// [Windowed.Late]: until then the pipeline does not validate.
type Windowed[K comparable, T any] struct {
	s    Stream[T]
	w    operators.Windowing[K, T]
	name string
	drop bool
	late func(Stream[T]) *Pipeline
	kept *keeping
}

// Window puts values into windows, by key and by the time that the clock gives.
func (k Keyed[K, T]) Window(windows Windows, clock Clock[T]) Windowed[K, T] {
	return Windowed[K, T]{s: k.s, w: operators.Windowing[K, T]{Key: k.key, Windows: windows, Clock: clock}, name: "window"}
}

// AllowedLateness lets windows take values for d of event time after the watermark has passed their
// end. Each gives a correction: a result of the same pane, which takes the place of the one before.
func (w Windowed[K, T]) AllowedLateness(d time.Duration) Windowed[K, T] {
	w.w.Lateness = d
	return w
}

// Early gives results of incomplete windows that have changed, every so often by the clock. They hold no
// acknowledgement: the result that follows does.
func (w Windowed[K, T]) Early(every time.Duration) Windowed[K, T] {
	w.w.Early = every
	return w
}

// HoldFor bounds how long a record is held before it is handed back, to come again with a new lease. By
// default that is what its lease leaves.
func (w Windowed[K, T]) HoldFor(d time.Duration) Windowed[K, T] {
	w.w.HoldFor = d
	return w
}

// Identify tells values apart by what the function gives: of those with one identity each window counts
// one. Without it values are told apart by their records, as far as the source redelivers. It is needed
// below a stage that makes one record of several.
func (w Windowed[K, T]) Identify(id func(T) string) Windowed[K, T] {
	w.w.Identify = id
	return w
}

// DropLate drops values that are late for all their windows. They are settled as done, and counted as
// "late".
func (w Windowed[K, T]) DropLate() Windowed[K, T] {
	w.drop = true
	return w
}

// Late gives the values that are late for all their windows as a stream of their own, which the function
// ends in a pipeline. That becomes part of the one that the results go to.
func (w Windowed[K, T]) Late(f func(late Stream[T]) *Pipeline) Windowed[K, T] {
	w.late = f
	return w
}

// Named names the stage of the windows, for Explain, Snapshot, logs and errors.
func (w Windowed[K, T]) Named(name string) Windowed[K, T] {
	w.name = name
	return w
}

// Agg makes one value of those of each window: init gives what it begins with, and add what the next
// value makes of it (see [operators.Aggregation]). R is inferred. Sessions need [Windowed.AggMerge].
func (w Windowed[K, T]) Agg[A any, R interface{ Window[K, A] }](init func() A, add func(A, T) A) Stream[R] {
	return windowed[K, T, A, R](w, operators.Aggregation[T, A]{Init: init, Add: add})
}

// AggMerge is Agg with a function that makes one of what two sessions have come to, the earlier first,
// when they become one.
func (w Windowed[K, T]) AggMerge[A any, R interface{ Window[K, A] }](init func() A, add func(A, T) A, merge func(A, A) A) Stream[R] {
	return windowed[K, T, A, R](w, operators.Aggregation[T, A]{Init: init, Add: add, Merge: merge})
}

// Collect gives the values of each window, in the order in which they came. R is inferred.
func (w Windowed[K, T]) Collect[R interface{ Window[K, []T] }]() Stream[R] {
	return windowed[K, T, []T, R](w, operators.Collected[T]())
}

// windowed adds the operator, with a way beside if late values have one.
func windowed[K comparable, T, A any, R interface{ Window[K, A] }](w Windowed[K, T], agg operators.Aggregation[T, A]) Stream[R] {
	facts := w.facts()
	if w.late == nil {
		op := operators.Aggregate[K, T, A, R](w.w, agg)
		var problem error
		if w.kept != nil {
			var kept operators.Kept[K, A]
			kept, problem = keptBy[K, A](w.kept)
			op = operators.AggregateKept[K, T, A, R](w.w, agg, kept)
		}
		s := w.s.Via(op).Named(w.name)
		s.n.kept = w.kept
		s.n.problem = errors.Join(s.n.problem, problem)
		s.n.windowed(facts, w.drop, w.w.CanBeLate())
		return s
	}
	op := operators.AggregateOrLate[K, T, A, operators.Result[K, T, A]](w.w, agg)
	var problem error
	if w.kept != nil {
		var kept operators.Kept[K, A]
		kept, problem = keptBy[K, A](w.kept)
		op = operators.AggregateKeptOrLate[K, T, A, operators.Result[K, T, A]](w.w, agg, kept)
	}
	n := newNode(kindOperator, w.name, w.s.n)
	n.desc = op.Describe()
	n.problem, n.branches, n.kept = errors.Join(n.desc.Problem, problem), 2, w.kept
	n.windowed(append(facts, "late values have a stream of their own"), true, true)
	if w.drop {
		n.problem = errors.Join(n.problem, errors.New("late values are both dropped and given a stream: say one of DropLate and Late"))
	}
	known := func(c *compiler, at int, way engine.Way[operators.Result[K, T, A]]) {
		if n.problem != nil {
			if at == 0 {
				c.check(n)
			}
			return
		}
		b, _ := c.fans[n].(*windowWays[K, T, A])
		if b == nil {
			b = &windowWays[K, T, A]{}
			c.fans[n] = b
		}
		if b.ways[at] = way; at == 0 {
			b.below = c.below
		}
		if b.known++; b.known == len(b.ways) {
			defer func(below *Policy) { c.below = below }(c.below)
			c.below = b.below
			c.checkKept(n)
			out := engine.AddSwitch(func(r operators.Result[K, T, A]) int {
				if r.Late != nil {
					return 1
				}
				return 0
			}, b.ways[:])
			follow(c, n, w.s, engine.AddOperator(c.plan, c.spec(n), op, out))
		}
	}
	results := newNode(kindBranch, "results", n)
	late := newNode(kindBranch, "late", n)
	results.made, late.made, results.main = n.made, n.made, true
	lates := Stream[T]{late, func(c *compiler, _ *node, out engine.Outlet[T]) {
		known(c, 1, engine.NewWay(out, func(r operators.Result[K, T, A]) T { return *r.Late }))
	}}
	return Stream[R]{results, func(c *compiler, _ *node, out engine.Outlet[R]) {
		known(c, 0, engine.NewWay(out, func(r operators.Result[K, T, A]) R { return R(r.Window) }))
	}}.withSide("Late", w.late(lates))
}

// windowWays is where results and late values go, while a plan is being made.
type windowWays[K comparable, T, A any] struct {
	ways  [2]engine.Way[operators.Result[K, T, A]]
	known int
	below *Policy // the next policy down the way of results
}

// facts says in words how values are put into windows, and where these are.
func (w Windowed[K, T]) facts() []string {
	if w.kept != nil {
		return append(w.w.Facts(), fmt.Sprintf("keeps windows in the tables %s.* of a store, which all processes of a group must share", w.kept.name))
	}
	return append(w.w.Facts(), "keeps windows in this process, which must be the only one of its group")
}

// windowed notes what there is to tell of a stage of windows, and whether it is said what becomes of
// late values.
func (n *node) windowed(facts []string, said, canBeLate bool) {
	n.facts = facts
	if canBeLate && !said {
		n.problem = errors.Join(n.problem, fmt.Errorf("it is not said what becomes of values that are late for %s: call DropLate to drop and count them, or Late to give them a stream of their own", facts[0]))
	}
}
