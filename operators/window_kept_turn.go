package operators

import (
	"fmt"
	"time"

	"github.com/rocketflow-io/rocketflow/flow/stage"
	"github.com/rocketflow-io/rocketflow/state"
)

// keptTurn is what one commit is to change. Each try of it is a turn of its own: with a number, which
// the commit writes to the process's entry among the members. So it can be found out which try was made
// when an answer is lost, and no two of them are.
type keptTurn[K comparable, T, A any] struct {
	number     uint64
	at         time.Time // when it was made up
	keys       map[string]*keptKey[K, A]
	order      []*keptKey[K, A]
	of         []*keptKey[K, A] // by index of what was wanted
	values     []*keptValue[K, T]
	became     []keptBecame     // of values, by index
	rows       []*keptKey[K, A] // of values, by index; nil of those that come again
	all        []keptKey[K, A]  // what keys, order, of and rows are of
	inPart     int64            // values that were late for some of their windows
	raises     bool             // windows are closed or results given by the watermark: the store has to know it
	rises      bool             // the store does not know it yet
	high       instant          // the watermark
	unwritable bool             // a row cannot be written
	writes     []keptWrite[K, A]
	draft      state.Changes // of which writes tells what they are about
	arena      []byte        // of the keys and values of draft, or of what is read
}

// keptBecame is what became of a value in a turn.
type keptBecame struct {
	keptOutcome
	err error
}

// keptWrite is what a write of a commit is about.
type keptWrite[K comparable, A any] struct {
	key   *keptKey[K, A] // a row
	value int            // an id; -1 if it is none
	seat  bool
	floor bool
}

// keptWant is a key that a turn needs.
type keptWant[K comparable] struct {
	key     K
	encoded string
	past    bool // with its closed panes
}

// changes makes up the writes of a try. Rows come first: values of one that cannot be written fail.
func (p *keeper[K, T, A, O]) changes(of *keptCommit[K, T, A]) {
	t, now := of.turn, p.rt.Now()
	c := &t.draft
	t.at, t.high = now, p.high
	c.Reset()
	t.arena = t.arena[:0]
	t.writes = t.writes[:0]
	put := func(table string, key, value []byte, version state.Version, expires time.Time, w keptWrite[K, A]) {
		c.Writes = append(c.Writes, state.Write{Table: table, Key: key, Value: value, If: version, Expires: expires})
		t.writes = append(t.writes, w)
	}
	drop := func(table string, key []byte) {
		c.Writes = append(c.Writes, state.Write{Table: table, Key: key, Delete: true})
		t.writes = append(t.writes, keptWrite[K, A]{value: -1})
	}
	none := keptWrite[K, A]{value: -1}
	for _, k := range t.order {
		if !k.touched {
			continue
		}
		if next := p.nextOf(&k.row); k.settled || next == nothingDue || next < k.row.due || k.row.due == nothingDue {
			k.row.due = next
		}
		from := len(t.arena)
		arena, err := appendRow(t.arena, &k.row, p.kept.Values)
		if size := len(arena) - from; err == nil && size > state.MaxValue {
			err = fmt.Errorf("operators: window: the windows of key %v have %d bytes: a store takes %d", k.key, size, state.MaxValue)
		}
		if err != nil {
			k.err = stage.Permanent(err)
			t.unwritable = true
			continue
		}
		value := arena[from:len(arena):len(arena)]
		t.arena, k.size = arena, len(value)
		var expires time.Time
		if len(k.row.panes) == 0 && k.row.begun == 0 {
			expires = now.Add(p.kept.staleness())
		}
		put(p.tables.rows, t.bytes(k.encoded), value, k.version, expires, keptWrite[K, A]{key: k, value: -1})
		if k.row.due != k.wasDue {
			if k.wasDue != nothingDue {
				drop(p.tables.due, dueKey(nil, k.wasDue, k.encoded))
			}
			if k.row.due != nothingDue {
				put(p.tables.due, dueKey(nil, k.row.due, k.encoded), nil, state.Any, time.Time{}, none)
			}
		}
		for _, start := range k.unpast {
			drop(p.tables.past, appendTime(pastPrefix(nil, k.encoded), start))
		}
		for i := range k.toPast {
			pane, err := appendPane(nil, &k.toPast[i], p.kept.Values)
			if err == nil { // it was encoded before
				put(p.tables.past, appendTime(pastPrefix(nil, k.encoded), k.toPast[i].start), pane, state.Any, now.Add(p.pastFor), none)
			}
		}
	}
	for i, v := range t.values {
		if t.became[i].keptOutcome != keptCounted {
			continue
		}
		if err := t.rows[i].err; err != nil {
			t.became[i] = keptBecame{keptFailed, err}
		} else if v.known {
			put(p.tables.ids, v.id[:], nil, state.Absent, now.Add(p.kept.Remember), keptWrite[K, A]{value: i})
		}
	}
	put(p.tables.members, []byte(p.self), encodeSeat(t.number, of.own, of.at), p.seat.version, now.Add(p.kept.Heartbeat), keptWrite[K, A]{value: -1, seat: true})
	if t.rises = t.raises && p.high > p.floor.mark; t.rises {
		put(p.tables.members, floorKey, p.risenFloor(), p.floor.version, time.Time{}, keptWrite[K, A]{value: -1, floor: true})
	}
}
