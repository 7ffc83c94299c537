package operators

import (
	"errors"
	"fmt"
	"time"

	"github.com/rocketflow-io/rocketflow/flow/stage"
)

// Window is the result of one window of one key, called a pane. A pane may have several, of which each
// takes the place of the one before: a sink keeps the one with the highest Revision for each [Window.Pane].
type Window[K comparable, A any] struct {
	Key K
	// Start and End bound the window in time: values of Start are in it, those of End are not. Of a
	// session they are the time of the first value, and the gap after the last; of a count window, the
	// least and the greatest time of its values.
	Start, End time.Time
	// Value is what was made of the values.
	Value A
	// Revision counts the results of the pane before this one, early ones included.
	Revision int
	// Early says that the watermark has not passed the window's end: there will be another result. An
	// early one holds no acknowledgement, and if it is lost it does not come again.
	Early bool
	// Withdrawn says that the pane is no more: its values have gone to another session, of which there
	// is a result too. Value is empty. A sink deletes what it has of the pane.
	Withdrawn bool
	// First is, of a count window, the id of its first value, or its number.
	First string
}

// Pane is what results of one pane have in common, and those of others have not.
func (w Window[K, A]) Pane() string {
	if w.First != "" {
		return fmt.Sprintf("%v/%s", w.Key, w.First)
	}
	return fmt.Sprintf("%v/%s", w.Key, w.Start.Format(time.RFC3339Nano))
}

// Windowing says how values are put into windows.
type Windowing[K comparable, T any] struct {
	Key     func(T) K
	Windows Windows
	Clock   Clock[T]
	// Lateness is for how long, in event time, a window that the watermark has passed takes values
	// that are late. Each gives a correction.
	Lateness time.Duration
	// Early is how often, in processing time, windows that are not complete give an early result, if
	// they have changed; 0 for never.
	Early time.Duration
	// HoldFor bounds how long a record is held, before it is handed back to be delivered again; 0 for
	// what its lease leaves.
	HoldFor time.Duration
	// Identify gives what a value is known by, in the windows of its key: of those with one identity
	// each window counts one. Without it that is its record's id, as far as the source redelivers.
	Identify func(T) string
}

// Aggregation says what is made of the values of a window.
type Aggregation[T, A any] struct {
	// Init makes what a window begins with.
	Init func() A
	// Add gives what the next value makes of it. It does not change the A that it is given, which may
	// be on its way, if that is a pointer, a map or the like.
	Add func(A, T) A
	// Merge makes one of two, the earlier first: of sessions that become one. Others need none.
	Merge func(A, A) A
	// seal, if not nil, gives what is emitted.
	seal func(A) A
}

// Collected is the aggregation that keeps the values themselves, in the order in which they came.
func Collected[T any]() Aggregation[T, []T] {
	return Aggregation[T, []T]{
		Init:  func() []T { return nil },
		Add:   func(all []T, v T) []T { return append(all, v) },
		Merge: func(a, b []T) []T { return append(a[:len(a):len(a)], b...) },
		seal:  func(all []T) []T { return all[:len(all):len(all)] },
	}
}

// Aggregate puts values into windows by key and time, and emits what is made of each window when it is
// complete. What is late for all its windows is dropped, and counted.
//
//	in   --1:03--1:20--1:58----2:07--|    sum of an hour
//	                                      watermark passes 2:00
//	out  ----------------------[1:00]-[2:00]|
//
// What it promises:
//   - Emits: a result of a pane when the watermark has passed its end, if asked to early ones before,
//     and a correction for what comes later: late but allowed, or again. All under one [Window.Pane].
//   - Order: results come in the order of the windows' ends.
//   - Holds: each record until the result of each of its windows is safe (rule 3). One that has been held
//     for HoldFor is handed back, comes again at once, and counts once all the same.
//   - Settles: each record with the last of its windows, with the outcome of their results; a late one
//     done.
//   - Drain: at the end of the input emits what it holds. When the run ends before, incomplete windows
//     are handed back, since their results would be wrong.
//   - Fails: to build, if an argument is missing or out of range, on a source that orders by key, and
//     where a lease leaves no time. A value without an event time, with [ErrEventTime]. That, and a panic of a
//     function, leaves the windows as they were.
//
// What is held and made of it is in memory. A record that comes again is known by its id and not counted
// twice; so a pane is kept until the watermark has passed its end and Lateness, and until, by the clock,
// no record of it can come again.
func Aggregate[K comparable, T, A any, R interface{ Window[K, A] }](w Windowing[K, T], a Aggregation[T, A]) stage.Operator[T, R] {
	return windowing[K, T, A, R]{w, a, func(r Window[K, A]) R { return R(r) }, nil}
}

// Result is what comes of a windowed stream: of a window or, if Late is not nil, a value that was late.
type Result[K comparable, T, A any] struct {
	Window Window[K, A]
	Late   *T
}

// AggregateOrLate is [Aggregate] which emits what is late, too. The duty goes with it.
func AggregateOrLate[K comparable, T, A any, R interface{ Result[K, T, A] }](w Windowing[K, T], a Aggregation[T, A]) stage.Operator[T, R] {
	return windowing[K, T, A, R]{w, a,
		func(r Window[K, A]) R { return R(Result[K, T, A]{Window: r}) },
		func(late T) R { return R(Result[K, T, A]{Late: &late}) },
	}
}

// windowing is an operator of windows that emits results as an O.
type windowing[K comparable, T, A, O any] struct {
	Windowing[K, T]
	agg    Aggregation[T, A]
	result func(Window[K, A]) O
	late   func(T) O // nil: late values are dropped
}

var _ stage.Operator[int, Window[string, int]] = windowing[string, int, int, Window[string, int]]{}

func (w windowing[K, T, A, O]) Describe() stage.Description {
	return stage.Description{
		Name: "window", Holds: true, HoldsFor: w.HoldFor, HoldsLeft: w.HoldFor == 0, Recognizes: w.Identify == nil,
		Settles: "when the result of each of its windows is safe", Problem: w.problem(),
	}
}

func (w windowing[K, T, A, O]) problem() error {
	problems := []error{w.Windows.problem(), w.Clock.problem()}
	if w.Key == nil || w.agg.Init == nil || w.agg.Add == nil {
		problems = append(problems, errors.New("operators: window: a function is missing: give one for the key, and both of the aggregation"))
	}
	if w.Windows.kind == sessions && w.agg.Merge == nil {
		problems = append(problems, errors.New("operators: window: sessions can become one: give a function that merges what was made of two"))
	}
	if w.Lateness < 0 || w.Early < 0 || w.HoldFor < 0 {
		problems = append(problems, fmt.Errorf("operators: window: lateness %v, early results every %v, hold for %v: none may be negative", w.Lateness, w.Early, w.HoldFor))
	}
	if w.Lateness > 0 && !w.CanBeLate() {
		problems = append(problems, fmt.Errorf("operators: window: lateness of %v: nothing is late by processing time or in count windows", w.Lateness))
	}
	return errors.Join(problems...)
}

// CanBeLate tells whether a value can be late for all its windows.
func (w Windowing[K, T]) CanBeLate() bool { return w.Clock.event && w.Windows.kind != counted }

// Facts says in words how values are put into windows.
func (w Windowing[K, T]) Facts() []string {
	facts := []string{fmt.Sprintf("%v by %v", w.Windows, w.Clock)}
	if w.Windows.kind == counted {
		facts[0] = w.Windows.String()
	}
	if w.CanBeLate() {
		facts = append(facts, fmt.Sprintf("allowed lateness %v", w.Lateness))
	}
	if w.Early > 0 {
		facts = append(facts, fmt.Sprintf("early results every %v", w.Early))
	}
	return facts
}
