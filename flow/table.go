package flow

import (
	"errors"
	"fmt"
	"time"

	"github.com/rocketflow-io/rocketflow/operators"
	"github.com/rocketflow-io/rocketflow/state"
)

// Table is a stream of changes that makes a table, for [Keyed.JoinTable]. It describes, as a Stream does.
type Table[K comparable, V any] struct {
	s       Stream[V]
	row     func(V) K
	t       operators.KeptTable[K, V]
	problem error
}

// Table takes the stream for the changes of a table: the latest value of each key is its row. Rows are in
// a store, in tables whose names begin with name, and a change is acknowledged when a commit has it. So
// they are there after a restart, and for the other processes of a group, as far as the store is.
//
// The value that comes last is the latest, but for what comes again: see [operators.JoinTable]. Say
// [Table.Version] or [Table.Time] where changes of a key can come in another order than they were made in.
func (k Keyed[K, T]) Table(store state.Store, name string) Table[K, T] {
	return Table[K, T]{s: k.s, row: k.key, t: operators.KeptTable[K, T]{Store: store, Name: name}}
}

// Deletes says which values take away what is there for their key.
func (t Table[K, V]) Deletes(is func(V) bool) Table[K, V] {
	t.t.Deletes = is
	return t
}

// Version numbers the values of a key: one whose number is lower than that of what is there, or was there
// when it was deleted, changes nothing, whenever it comes.
func (t Table[K, V]) Version(of func(V) int64) Table[K, V] {
	if t.t.Version = of; of == nil {
		t.problem = errors.Join(t.problem, errors.New("the function that gives the version of a value is nil: give it one"))
	}
	return t
}

// Time is Version by a time, such as that of the change.
func (t Table[K, V]) Time(of func(V) time.Time) Table[K, V] {
	if of == nil {
		return t.Version(nil)
	}
	return t.Version(func(v V) int64 { return of(v).UnixNano() })
}

// Remember keeps deletions, and the ids of changes, for d: longer than a record can take to come again, with
// the time that all processes may be down. The default is [operators.DefaultRemember], or twice what the
// source may take, if that is longer.
func (t Table[K, V]) Remember(d time.Duration) Table[K, V] {
	t.t.Remember = d
	return t
}

// Codecs encodes keys and rows otherwise than [state.Default] does, which nil stands for.
func (t Table[K, V]) Codecs(keys state.Codec[K], rows state.Codec[V]) Table[K, V] {
	t.t.Keys, t.t.Values = keys, rows
	return t
}

// TableJoined is a stream whose values have a row of a table. It describes, as a Stream does:
// [TableJoined.Inner] and [TableJoined.Left] make results of it, by the promises of [operators.JoinTable].
type TableJoined[K comparable, L, V any] struct {
	left  Stream[L]
	table Table[K, V]
	j     operators.TableJoining[K, L, V]
	name  string
}

// JoinTable joins each value with the row that a table has for its key when the value passes. The table's
// stream ends there.
func (k Keyed[K, T]) JoinTable[V any](t Table[K, V]) TableJoined[K, T, V] {
	return TableJoined[K, T, V]{left: k.s, table: t, name: "table join", j: operators.TableJoining[K, T, V]{
		Key: k.key, RowKey: t.row, Table: t.t,
	}}
}

// WaitFor has a value that finds no row wait for one, for at most d. It is then joined, or given up as
// without one. So a table that is being filled, or a change that is on its way, is waited for. By default
// values do not wait.
func (j TableJoined[K, L, V]) WaitFor(d time.Duration) TableJoined[K, L, V] {
	j.j.WaitFor = d
	return j
}

// Named names the stage of the join, for Explain, Snapshot, logs and errors.
func (j TableJoined[K, L, V]) Named(name string) TableJoined[K, L, V] {
	j.name = name
	return j
}

// Inner gives what f makes of each value that has a row, with it.
func (j TableJoined[K, L, V]) Inner[O any](f func(l L, row V) O) Stream[O] {
	j.j.Kind = operators.InnerJoin
	if f == nil {
		return tableJoined[K, L, V, O](j, nil)
	}
	return tableJoined(j, func(l L, row *V) O { return f(l, *row) })
}

// Left gives what f makes of each value, with its row, or nil if it has none. F must not change what row
// points to.
func (j TableJoined[K, L, V]) Left[O any](f func(l L, row *V) O) Stream[O] {
	j.j.Kind = operators.LeftJoin
	return tableJoined(j, f)
}

// tableJoined adds the operator.
func tableJoined[K comparable, L, V, O any](j TableJoined[K, L, V], f func(L, *V) O) Stream[O] {
	type either = operators.Either[L, V]
	joined := fanIn(operators.JoinTable(j.j, f),
		into(j.left, func(v L) either { return either{Left: v} }),
		into(j.table.s, func(v V) either { return either{Right: v, IsRight: true} })).Named(j.name)
	n := joined.n
	n.facts, n.kept = j.j.Facts(), &keeping{store: j.table.t.Store, name: j.table.t.Name}
	n.problem = errors.Join(n.problem, j.table.problem)
	if by := jointAbove(j.table.s.n); by != nil && j.table.t.Version == nil {
		n.problem = errors.Join(n.problem, fmt.Errorf("changes of the table come of %s, which makes one record of several: one that comes again is not known by its record, so say which is newer by Version or Time", by.label()))
	}
	return joined
}

// jointAbove gives a stage above a node, or itself, that makes one record of several which a source
// delivers again; nil if there is none.
func jointAbove(n *node) *node {
	switch {
	case n == nil || n.kind == kindOperator && n.desc.Answers:
		return nil
	case n.kind == kindOperator && n.desc.Holds && n.desc.HoldsMost != 1 && !n.desc.HoldsAhead:
		for _, src := range sourcesAbove(n) {
			if src.source.Redelivers {
				return n
			}
		}
	}
	for _, up := range n.ups {
		if by := jointAbove(up); by != nil {
			return by
		}
	}
	return nil
}
