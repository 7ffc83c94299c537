package engine

import (
	"context"
	"fmt"
	"time"

	"github.com/rocketflow-io/rocketflow/flow/stage"
)

// gates is what of a guard does not depend on the type of its records: the lines that they wait in for
// their keys, and what ends a try. It is compiled once.
type gates struct {
	stage *Stage
	down  *Segment            // where the operator emits: its own segment, or the one below if asynchronous
	lanes gate[lane, *waiter] // by the keys of the source,
	turns gate[turn, *waiter] // and by those of the operator
}

// turn is a key by which an operator deals with one record at a time; the zero turn is none. A record
// takes its turn when it holds the key of its source, if that orders by key, and so waits for no one who
// waits for it.
type turn struct {
	key uint64
	any bool
}

// waiter is a record that waits for a key, with what it holds already.
type waiter struct {
	trial trial
	goOn  func(ctx context.Context, t trial) // called when it has the key
}

// start has an operator make its processor, and that prepare itself.
func (g *gates) start(ctx context.Context, start func() (any, error)) error {
	g.down = g.down.root()
	g.lanes.delay, g.turns.delay = g.delay, g.delay
	err := g.stage.safely(func() error {
		proc, err := start()
		if err != nil {
			return err
		}
		if p, ok := proc.(stage.Preparer); ok {
			err = p.Prepare(stage.WithScope(ctx, g.stage))
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("flow: start stage %q: %w", g.stage.Name, err)
	}
	return nil
}

// goesOn tells whether a record that holds its keys may go on; else it is handed back. Its place in the
// order of its source's key counts, if it has one.
func (g *gates) goesOn(d stage.Duty, k keyRef, keyed bool) bool {
	switch {
	case g.stage.run.hard.Load() || keyed && k.turnedBack():
		g.stage.handBack(d)
	case g.stage.leased && g.stage.run.tooLate(d, time.Now()):
		// Its source has delivered it again, or is about to: what an old copy comes to helps no one,
		// and holds up the new one.
		g.stage.expire(d)
	default:
		return true
	}
	return false
}

// passed ends the way of a record that did not fail.
func (g *gates) passed(t trial) {
	g.freed(t)
	if t.tries != nil && t.tries.place != 0 {
		g.cameThrough(t.tries.place)
	}
}

// failed hands a record to the policy. Again is its next try.
func (g *gates) failed(d stage.Duty, value func() any, t trial, again func(ctx context.Context, t trial), err error) {
	g.stage.failed(attempt{
		duty:  d,
		value: value,
		tries: t.tries,
		again: func(next *tries) {
			g.stage.seg.do(func(ctx context.Context) { g.again(ctx, d, trial{next, t.lane, t.turn}, again) })
		},
		waits:   func() { g.delays(t) },
		settled: func() { g.freed(t) },
	}, err)
}

// again is the next try of a record that waited for it.
func (g *gates) again(ctx context.Context, d stage.Duty, t trial, try func(ctx context.Context, t trial)) {
	if g.stage.refuse(d, t.tries) {
		g.left(t)
		return
	}
	g.stage.retries.Add(1)
	try(ctx, t)
}

// delays counts who stands in line behind a record that waits for another try.
func (g *gates) delays(t trial) {
	if t.lane != (lane{}) {
		g.lanes.delays(t.lane)
	}
	if t.turn.any {
		g.turns.delays(t.turn)
	}
}

// delay lets a record that stands in line behind one that has failed be counted with those that wait
// for another try: it comes as late.
func (g *gates) delay(w *waiter) {
	if w.trial.tries == nil {
		w.trial.tries = &tries{place: g.stage.retrying.join()}
	}
}

// cameThrough ends the wait of a record that was tried again, or stood in line behind one, once what came
// of it has been sent on: with the stretch of work that it was emitted in, which may not have ended.
// Where it has come to an edge, it is counted there from then on.
func (g *gates) cameThrough(place uint64) {
	g.stage.run.after(0, func() {
		g.down.root().do(func(context.Context) {})
		g.stage.delayBelow()
		g.stage.retrying.leave(place)
	})
}

// freed lets the next record of each key in that a record held.
func (g *gates) freed(t trial) {
	if t.turn.any {
		g.letIn(g.turns.leave(t.turn))
	}
	if t.lane != (lane{}) {
		g.letIn(g.lanes.leave(t.lane))
	}
}

// letIn lets in a record that waited and has its key now; none if there is none. It may be called with or
// without the lock, so the record goes in by a stretch of work of its own.
func (g *gates) letIn(w *waiter, ok bool) {
	if !ok {
		return
	}
	g.stage.run.after(0, func() {
		g.stage.seg.do(func(ctx context.Context) {
			defer g.stage.hold(-1)
			w.goOn(ctx, w.trial)
		})
	})
}

// left ends the way of a record that does not go on.
func (g *gates) left(t trial) {
	g.freed(t)
	if t.tries != nil && t.tries.place > 0 {
		g.stage.retrying.leave(t.tries.place)
	}
}

// drain has the operator emit what it holds, until nothing is held and nothing waits, and what it emitted
// is with the stages below. A synchronous operator is drained when the waits are over, so that what waited
// can still join what is held; an asynchronous one may need it for them to end, and may complete its last
// record in the middle of a stretch of work, whose end sends on what is emitted.
func (g *gates) drain(ctx context.Context, drain func(ctx context.Context) error) error {
	if g.stage.Desc.Async {
		defer g.down.do(func(context.Context) {})
	} else if idle := g.stage.untilIdle(); idle != nil {
		<-idle
	}
	for {
		if err := g.drainOnce(ctx, drain); err != nil {
			return err
		}
		idle := g.stage.untilIdle()
		if idle == nil {
			return nil
		}
		<-idle
	}
}

func (g *gates) drainOnce(ctx context.Context, drain func(ctx context.Context) error) (err error) {
	safely := func() error { return g.stage.safely(func() error { return drain(ctx) }) }
	if g.stage.Desc.Async {
		return safely()
	}
	g.stage.seg.do(func(context.Context) { err = safely() })
	return err
}
