package operators

import (
	"errors"
	"fmt"
	"time"

	"github.com/rocketflow-io/rocketflow/flow/stage"
	"github.com/rocketflow-io/rocketflow/state"
)

// Kept says where windows are kept that do not hold acknowledgements: see [AggregateKept].
type Kept[K comparable, A any] struct {
	// Store has the windows. It has to outlive the process if they are to.
	Store state.Store
	// Name is what the names of their tables begin with. Each windowed stage has one of its own; the
	// members of a group share it.
	Name string
	// Keys and Values are how keys, and what was made of values, are encoded; by default
	// [state.Default].
	Keys   state.Codec[K]
	Values state.Codec[A]
	// Remember is for how long the ids of counted records are kept. It has to be longer than a record
	// can take to come again, with the time that all processes may be down. 0 is for [DefaultRemember],
	// or twice what the source may take to deliver again, if that is longer.
	Remember time.Duration
	// Heartbeat is how long a process that shares the store may be silent before the others take over
	// what it had begun, and no longer wait for its watermark; 0 is for [DefaultHeartbeat].
	Heartbeat time.Duration
}

const (
	// DefaultRemember is for how long ids of counted records are kept: see [Kept].
	DefaultRemember = 24 * time.Hour
	// DefaultHeartbeat is how long a process may be silent: see [Kept].
	DefaultHeartbeat = 10 * time.Second
)

// AggregateKept is [Aggregate] with windows in a store, which answers for what they have counted
// (rule 6): a record is acknowledged when a commit has it, and not when its windows are complete. So
// windows may be longer than leases, and their source may order by key.
//
//	in      --1:03--1:20--1:58----2:07--|    sum of an hour
//	commit  -------[ ]--------[ ]---[ ]-|    what came while the store was busy, in one
//	                                         watermark passes 2:00
//	out     ------------------------[1:00]-[2:00]|
//
// What it promises:
//   - Emits: as Aggregate does. A result has a duty of its own, and is noted as given when that is done.
//     One that fails below is given again after a while, counted as "given_again", and one that was on its
//     way when the process died is given again by who takes over. Revisions of a pane tell values apart:
//     two results with one revision have one value.
//   - Order: of one pane, revisions upwards.
//   - Holds: up to 4096 records until they are committed, together with those that came meanwhile.
//   - Settles: a record when it is committed: in one step with its id, so that one that comes again is not
//     counted again, whichever process it comes to; a late one done.
//   - Drain: waits for the store. At the end of the input emits what is incomplete, unless other
//     processes are still at it: the last to end does. When the run ends before, windows stay in the store.
//   - Fails: when the store does, with a [StoreError], or a key or an aggregate cannot be encoded; a
//     value without an event time, with [ErrEventTime]. Fails to build, if an argument is missing or out of
//     range, and to start, if ids would be forgotten before records can come again.
//
// Processes that share a store go by the least of their watermarks, and each result is given by one of
// them. Expiry goes by their clocks, which should agree to well within a Heartbeat.
func AggregateKept[K comparable, T, A any, R interface{ Window[K, A] }](w Windowing[K, T], a Aggregation[T, A], kept Kept[K, A]) stage.Operator[T, R] {
	return keptWindowing[K, T, A, R]{windowing[K, T, A, R]{w, a, func(r Window[K, A]) R { return R(r) }, nil}, kept}
}

// AggregateKeptOrLate is [AggregateKept] which emits what is late, too. The duty goes with it.
func AggregateKeptOrLate[K comparable, T, A any, R interface{ Result[K, T, A] }](w Windowing[K, T], a Aggregation[T, A], kept Kept[K, A]) stage.Operator[T, R] {
	return keptWindowing[K, T, A, R]{windowing[K, T, A, R]{w, a,
		func(r Window[K, A]) R { return R(Result[K, T, A]{Window: r}) },
		func(late T) R { return R(Result[K, T, A]{Late: &late}) },
	}, kept}
}

// StoreError is the failure of records that windows in a store could not take, since the store failed.
// Unless it says that the store took nothing, they may be counted already: another try finds that out.
type StoreError struct {
	// Name is that of the windows.
	Name string
	Err  error
}

// Error says what failed.
func (e *StoreError) Error() string {
	return fmt.Sprintf("operators: window: commit to the windows %q: %v", e.Name, e.Err)
}

// Unwrap gives the store's error.
func (e *StoreError) Unwrap() error { return e.Err }

// keptWindowing is an operator of windows in a store.
type keptWindowing[K comparable, T, A, O any] struct {
	windowing[K, T, A, O]
	kept Kept[K, A]
}

var _ stage.Operator[int, Window[string, int]] = keptWindowing[string, int, int, Window[string, int]]{}

// Describe says that the store answers for records.
func (w keptWindowing[K, T, A, O]) Describe() stage.Description {
	return stage.Description{
		Name: "window", Fallible: true, Async: true, Unordered: true, PerKey: true, Answers: true,
		Recognizes: w.Identify == nil, Settles: "when its windows are committed", Problem: w.problem(),
	}
}

func (w keptWindowing[K, T, A, O]) problem() error {
	problems := []error{w.windowing.problem()}
	switch k := w.kept; {
	case k.Store == nil:
		problems = append(problems, errors.New("operators: window: no store: give one, such as state.NewMemory()"))
	case !state.ValidTable(k.Name + keptMembers):
		problems = append(problems, fmt.Errorf("operators: window: %q cannot be the name of tables: give the windows a name of their own in the store", k.Name))
	case k.Remember < 0 || k.Heartbeat < 0:
		problems = append(problems, fmt.Errorf("operators: window: ids remembered for %v, processes silent for %v: neither may be negative", k.Remember, k.Heartbeat))
	}
	if w.HoldFor > 0 {
		problems = append(problems, fmt.Errorf("operators: window: hold for %v: windows in a store hold no records", w.HoldFor))
	}
	return errors.Join(problems...)
}
