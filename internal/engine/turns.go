package engine

import (
	"context"
	"time"

	"github.com/rocketflow-io/rocketflow/flow/stage"
)

// turn is a key by which an operator deals with one record at a time; the zero turn is none. A record
// takes its turn when it holds the key of its source, if that orders by key, and so waits for no one who
// waits for it.
type turn struct {
	key uint64
	any bool
}

// turns are who has each key of an operator, and who waits for it.
type turns[I any] struct {
	keyer stage.Keyer[I] // nil if the operator has no keys
	gate  gate[turn, inLine[I]]
}

// inLine is a record that waits for its turn, with what it holds already.
type inLine[I any] struct {
	record stage.Record[I]
	trial  trial
}

// takeTurn reports whether it is the record's turn, which t holds then. If not, the record waits in line,
// or has failed.
func (g *guard[I]) takeTurn(ctx context.Context, r stage.Record[I], t *trial) bool {
	var taken turn
	err := g.safely(func() error {
		taken = turn{g.keyer.KeyOf(r.Value), true}
		return nil
	})
	if err != nil {
		if g.Desc.Async {
			g.hold(1)
		}
		g.ended(ctx, r, *t, err)
		return false
	}
	t.turn = taken
	if g.turns.gate.enter(t.turn, inLine[I]{r, *t}) {
		return true
	}
	g.hold(1)
	return false
}

// endTurn lets the next record in line in, by a stretch of work of its own.
func (g *guard[I]) endTurn(of turn) {
	if !of.any {
		return
	}
	if next, ok := g.turns.gate.leave(of); ok {
		g.run.after(0, func() {
			g.seg.do(func(ctx context.Context) { g.begins(ctx, next.record, next.trial) })
		})
	}
}

// begins is the turn of a record that waited for it. Only now is it clear whether it may go on.
func (g *guard[I]) begins(ctx context.Context, r stage.Record[I], t trial) {
	defer g.hold(-1)
	k, keyed := keyOf(r.Duty)
	switch {
	case g.run.hard.Load() || keyed && k.turnedBack():
		g.handBack(r.Duty)
	case t.lane != (lane{}) && !keyed: // it was settled while it waited, so nothing of it goes on
		g.handBack(r.Duty)
	case g.leased && g.run.tooLate(r.Duty, time.Now()):
		g.expire(r.Duty)
	default:
		g.try(ctx, r, t)
		return
	}
	g.left(t)
}
