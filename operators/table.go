package operators

import (
	"errors"
	"fmt"
	"time"

	"github.com/rocketflow-io/rocketflow/flow/stage"
	"github.com/rocketflow-io/rocketflow/state"
)

// KeptTable says where a table is kept that a stream of changes fills, and what a change does: see
// [JoinTable].
type KeptTable[K comparable, V any] struct {
	// Store has the table. It has to outlive the process if the table is to.
	Store state.Store
	// Name is what the names of the store's tables begin with. Each joined table has one of its own; the
	// members of a group share it.
	Name string
	// Keys and Values are how they are encoded; by default [state.Default].
	Keys   state.Codec[K]
	Values state.Codec[V]
	// Deletes tells which values take away what is there for their key; without it none does.
	Deletes func(V) bool
	// Version numbers the values of a key, such as by a time: one whose number is lower than that of what is
	// there, or was before it was deleted, changes nothing, whenever it comes. Without it the value that
	// comes last counts, as [JoinTable] says.
	Version func(V) int64
	// Remember is for how long deletions, and the ids of changes, are kept. It has to be longer than a record
	// can take to come again, with the time that all processes may be down. 0 is for [DefaultRemember], or
	// twice what the source may take to deliver again, if that is longer.
	Remember time.Duration
}

// TableJoining says which row a value is joined with.
type TableJoining[K comparable, L, V any] struct {
	// Key and RowKey give the keys, which have to be the same.
	Key    func(L) K
	RowKey func(V) K
	// Table has the rows.
	Table KeptTable[K, V]
	// Kind is [InnerJoin] or [LeftJoin].
	Kind JoinKind
	// WaitFor is how long a value waits for a row that is not there.
	WaitFor time.Duration
}

// JoinTable joins each value of a stream with the row that a table has for its key at that moment. The
// table is a stream itself, of changes: the latest value of each key is its row. It is kept in a store.
// F is called with a value and its row, which it must not change.
//
//	changes   --a=1----------a=2--b=1--------(a deleted)---|
//	in        --------a---b---------------a-----------a----|
//	inner     --------a1------------------a2---------------|
//	left      --------a1--b-  ------------a2----------a- --|
//
// What it promises:
//   - Emits: a value for each that has a row; of a left join, for the others too, with nil for the row.
//     A value finds all changes that came to the join before it, but those that failed and have not come
//     again; it may find those that come together with it. While a change is on its way to the join, values
//     find what was there before it. With WaitFor, one that finds nothing is joined when a row comes, or
//     given up when the time has passed.
//   - Order: kept; of values that wait, for each key. A record that waits for a retry is overtaken, unless it
//     has a key (rule 8). Changes of one key are made one at a time, also while one waits for a retry.
//   - Holds: up to 1024 records while the store is asked, for many at a time; and those that wait for their
//     row, up to WaitFor, or until their lease ends.
//   - Settles: moves the duty of a value to the result (rule 2); one without a row, of an inner join, done,
//     counted as "unmatched". A change is done when a commit has it (rule 6); so is one that is not newer
//     than its row, counted as "stale", or that was made before, counted as "again".
//   - Drain: waits for the store. At the end of the input, and where sources do not redeliver, waits for
//     those that wait; when the run ends before, they are handed back.
//   - Fails: when the store does, or f panics; a change whose key or value cannot be encoded. Fails to build,
//     if an argument is missing or out of range, for an outer join, and where the lease of a source leaves
//     less than WaitFor; to start, if ids would be forgotten before records can come again.
//
// Which of two changes of a key is newer, Version tells. Without it that is the one that comes last, but
// for what comes again: a record whose change was made is known by its id, and changes nothing; one that
// had failed changes nothing if the row is of a record that is younger by the source's time of it (see
// [stage.Info]). One that waits for a retry in a stage above is overtaken there, as any record is, and comes
// last: give Version, or a source that orders by key. Give it also below a stage that makes one record of
// several.
//
// Processes of one group share a table by a store that they share. Nothing is kept in memory: each
// lookup asks the store, for all values that came while it was busy. A table that is small and seldom
// changes is faster in [Enrich].
func JoinTable[K comparable, L, V, O any](j TableJoining[K, L, V], f func(l L, row *V) O) stage.Operator[Either[L, V], O] {
	return tableJoining[K, L, V, O]{j, f}
}

// Facts says in words what is joined, for Explain.
func (j TableJoining[K, L, V]) Facts() []string {
	newer := "the change that comes last counts"
	if j.Table.Version != nil {
		newer = "the change of the highest version counts"
	}
	facts := []string{
		fmt.Sprintf("%v with the row of a key", j.Kind), newer,
		fmt.Sprintf("keeps rows in the tables %s.* of a store, which all processes of a group must share", j.Table.Name),
	}
	if j.WaitFor > 0 {
		facts = append(facts, fmt.Sprintf("waits for a row for at most %v", j.WaitFor))
	}
	return facts
}

type tableJoining[K comparable, L, V, O any] struct {
	TableJoining[K, L, V]
	f func(L, *V) O
}

var _ stage.Operator[Either[int, string], int] = tableJoining[int, int, string, int]{}

const (
	tableRows = ".table"   // of rows, by key
	tableIDs  = ".changes" // of ids of changes that were made
)

// Describe declares the wait as a time for which records are held, for the lease, but not as held for
// others: what waits for a row goes on without one.
func (j tableJoining[K, L, V, O]) Describe() stage.Description {
	return stage.Description{
		Name: "table join", Fallible: true, Async: true, Unordered: j.WaitFor > 0, PerKey: j.WaitFor > 0,
		HoldsFor: j.WaitFor, Settles: "with its result, a change when it is committed", Problem: j.problem(),
	}
}

func (j tableJoining[K, L, V, O]) problem() error {
	problem := missing(j.Key == nil || j.RowKey == nil || j.f == nil, "table join")
	switch t := j.Table; {
	case problem != nil:
	case t.Store == nil:
		problem = errors.New("operators: table join: no store: give the table one, such as state.NewMemory()")
	case !state.ValidTable(t.Name + tableIDs):
		problem = fmt.Errorf("operators: table join: %q cannot be the name of tables: give the table a name of its own in the store", t.Name)
	case t.Remember < 0 || j.WaitFor < 0:
		problem = fmt.Errorf("operators: table join: changes remembered for %v, rows waited for for %v: neither may be negative", t.Remember, j.WaitFor)
	case j.Kind != InnerJoin && j.Kind != LeftJoin:
		problem = fmt.Errorf("operators: table join: a %v: a table gives no values of its own: use an inner or a left join", j.Kind)
	}
	return problem
}
