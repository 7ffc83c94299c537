package operators

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/rocketflow-io/rocketflow/flow/stage"
	"github.com/rocketflow-io/rocketflow/state"
)

// keptTurn is what one commit is to change. Each try of it is a turn of its own: with a number, which
// the commit writes to the process's entry among the members. So it can be found out which try was made
// when an answer is lost, and no two of them are.
type keptTurn[K comparable, T, A any] struct {
	number uint64
	at     time.Time // when it was made up
	keys   map[string]*keptKey[K, A]
	order  []*keptKey[K, A]
	of     []*keptKey[K, A] // by index of what was wanted
	values []*keptValue[K, T]
	became []keptBecame     // of values, by index
	rows   []*keptKey[K, A] // of values, by index; nil of those that come again
	all    []keptKey[K, A]  // what keys, order, of and rows are of
	inPart int64            // values that were late for some of their windows
	raises bool             // windows are closed or results given by the watermark: the store has to know it
	writes []keptWrite[K, A]
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

// keysOf gives keys that stay the same however often a turn is begun anew.
func keysOf[K comparable](wants []keptWant[K]) func() ([]keptWant[K], error) {
	return func() ([]keptWant[K], error) { return wants, nil }
}

const (
	// keptConflicts is how often a turn is begun anew after a conflict.
	keptConflicts = 100
	// keptLost is how often a turn is begun anew when the outcome of a try is unknown, and how often
	// it is tried to find that out.
	keptLost = 4
)

// commit has a plan made of what the store has of the keys that it wants, and commits it: again, with what
// the store has then, as long as others were quicker. It gives the turn that was made. After an error that
// is not unmade it may be made or not.
func (p *keeper[K, T, A, O]) commit(ctx context.Context, wants func() ([]keptWant[K], error), plan func(t *keptTurn[K, T, A])) (*keptTurn[K, T, A], error) {
	var open []*keptTurn[K, T, A] // tries whose outcome is unknown
	lost := 0
	for try := 0; ; try++ {
		p.noticeSilence()
		if err := p.seated(ctx); err != nil {
			return nil, err
		}
		if t := p.landed(open); t != nil {
			return t, nil
		}
		all, err := wants()
		if err != nil {
			return nil, err
		}
		t := &p.turn // the turn before is at its end
		if try > 0 {
			t = new(keptTurn[K, T, A])
		}
		if err := p.load(ctx, t, all); err != nil {
			return nil, err
		}
		if p.noticeSilence() {
			continue // what it wants was found out before it stood still
		}
		plan(t)
		c := p.changes(t)
		version, err := p.kept.Store.Commit(ctx, c)
		if err == nil {
			p.seat = keptSeat{version: version, number: t.number, known: true, told: t.at}
			p.made(t, version)
			return t, nil
		}
		conflict, ok := errors.AsType[*state.ConflictError](err)
		switch {
		case ok && try < keptConflicts:
			p.rt.Count("conflicts", 1)
			p.yield(t, conflict)
		case ok || errors.Is(err, state.ErrInvalid) || errors.Is(err, state.ErrClosed):
			return nil, err
		default:
			p.forget(t)
			open = append(open, t)
			if lost++; lost >= keptLost {
				return nil, err
			}
			p.rt.Logger().Warn("the outcome of a commit is unknown", "windows", p.kept.Name, "error", err)
		}
		if try > 1 && !pause(ctx, time.Duration(min(try, 50))*(time.Millisecond+rand.N(10*time.Millisecond))) {
			return nil, err
		}
	}
}

// landed gives the try that the store has made although its answer was lost.
func (p *keeper[K, T, A, O]) landed(open []*keptTurn[K, T, A]) *keptTurn[K, T, A] {
	for _, t := range open {
		if t.number == p.seat.number {
			p.made(t, p.seat.version)
			return t
		}
	}
	return nil
}

// changes gives the writes of a turn. Rows come first: values of one that cannot be written fail.
func (p *keeper[K, T, A, O]) changes(t *keptTurn[K, T, A]) *state.Changes {
	c, now := &p.draft, p.rt.Now()
	t.at = now
	c.Reset()
	p.arena = p.arena[:0]
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
		from := len(p.arena)
		arena, err := appendRow(p.arena, &k.row, p.kept.Values)
		if size := len(arena) - from; err == nil && size > state.MaxValue {
			err = fmt.Errorf("operators: window: the windows of key %v have %d bytes: a store takes %d", k.key, size, state.MaxValue)
		}
		if err != nil {
			k.err = stage.Permanent(err)
			continue
		}
		value := arena[from:len(arena):len(arena)]
		p.arena, k.size = arena, len(value)
		var expires time.Time
		if len(k.row.panes) == 0 && k.row.begun == 0 {
			expires = now.Add(p.kept.staleness())
		}
		put(p.tables.rows, p.bytes(k.encoded), value, k.version, expires, keptWrite[K, A]{key: k, value: -1})
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
	put(p.tables.members, []byte(p.self), p.ownSeat(t.number), p.seat.version, now.Add(p.kept.Heartbeat), keptWrite[K, A]{value: -1, seat: true})
	if t.raises && p.high > p.floor.mark {
		put(p.tables.members, floorKey, p.risenFloor(), p.floor.version, time.Time{}, keptWrite[K, A]{value: -1, floor: true})
	}
	return c
}
