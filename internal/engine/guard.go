package engine

import (
	"context"
	"runtime/debug"
	"time"

	"github.com/rocketflow-io/rocketflow/flow/stage"
)

// guard stands before an operator: it counts, turns panics into errors, and applies the stage's
// error policy, so that neither the stages above nor those below see its failures (rule 9).
type guard[I any] struct {
	*Stage
	proc stage.Processor[I]
	turns[I]
	down *Segment // where the operator emits: its own segment, or the one below if asynchronous
	gate gate[lane, inLine[I]]
	ctx  context.Context // what the operator's functions get: the run's, with the stage
}

// Emit takes a record from the stage above. The segment's lock is held.
func (g *guard[I]) Emit(ctx context.Context, r stage.Record[I]) {
	g.in++
	if g.detour.Load() {
		g.admit(ctx, r)
	} else if err := g.process(r); err != nil {
		g.ended(ctx, r, trial{}, err)
	}
}

// process calls the operator. A panic is an error of this stage alone: the stages below have
// guards of their own.
func (g *guard[I]) process(r stage.Record[I]) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = g.panicked(p)
		}
	}()
	return g.proc.Process(g.ctx, r)
}

func (s *Stage) panicked(value any) error {
	s.panics.Add(1)
	return &stage.PanicError{Value: value, Stack: debug.Stack()}
}

// admit is the way in for records that may have to wait or turn back.
func (g *guard[I]) admit(ctx context.Context, r stage.Record[I]) {
	if g.run.hard.Load() {
		g.handBack(r.Duty)
		return
	}
	k, ok := keyOf(r.Duty)
	if !ok {
		g.try(ctx, r, trial{})
		return
	}
	// Rule 8: one value of a key at a time. What finds its key taken waits at the gate.
	if !g.gate.enter(k.lane(), inLine[I]{record: r}) {
		g.hold(1)
		return
	}
	g.enter(ctx, r, k, trial{})
}

// enter takes in a record that holds its key. Only now is it clear whether it may go on: until
// the key was free, an earlier record of it could still be handed back.
func (g *guard[I]) enter(ctx context.Context, r stage.Record[I], k keyRef, t trial) {
	t.lane = k.lane()
	switch {
	case g.run.hard.Load() || k.turnedBack():
		g.handBack(r.Duty)
	case g.leased && g.run.tooLate(r.Duty, time.Now()):
		// Its source has delivered it again, or is about to: what an old copy comes to helps no one,
		// and holds up the new one.
		g.expire(r.Duty)
	default:
		g.try(ctx, r, t)
		return
	}
	g.left(t)
}

// try runs a record through the operator, for the first time or again.
func (g *guard[I]) try(ctx context.Context, r stage.Record[I], t trial) {
	if g.keyer != nil && !t.turn.any && !g.takeTurn(ctx, r, &t) {
		return
	}
	if !g.Desc.Async {
		g.ended(ctx, r, t, g.process(r))
		return
	}
	g.hold(1)
	taken := stage.Record[I]{Value: r.Value, Duty: g.begin(r.Duty, t)}
	if err := g.process(taken); err != nil {
		g.ended(ctx, r, t, err) // the operator did not take the record
	}
}

// ended follows a try: a failure goes to the policy, and the record's key is free again unless
// it waits for another try.
func (g *guard[I]) ended(ctx context.Context, r stage.Record[I], t trial, err error) {
	if g.Desc.Async {
		defer g.hold(-1)
	}
	if err == nil {
		g.freed(t)
		g.cameThrough(t.tries)
		return
	}
	g.failed(attempt{
		duty:  r.Duty,
		value: func() any { return r.Value },
		tries: t.tries,
		again: func(again *tries) {
			g.seg.do(func(ctx context.Context) { g.again(ctx, r, trial{again, t.lane, t.turn}) })
		},
		waits:   func() { g.delays(t) },
		settled: func() { g.freed(t) },
	}, err)
}

// delays counts who stands in line behind a record that waits for another try.
func (g *guard[I]) delays(t trial) {
	if t.lane != (lane{}) {
		g.gate.delays(t.lane)
	}
	if t.turn.any {
		g.turns.gate.delays(t.turn)
	}
}

// delayed lets a record that stands in line behind one that has failed be counted with those that wait
// for another try: it comes as late.
func (g *guard[I]) delayed(w inLine[I]) inLine[I] {
	if w.trial.tries == nil {
		w.trial.tries = &tries{place: g.retrying.join()}
	}
	return w
}

// cameThrough ends the wait of a record that was tried again, or stood in line behind one, once what came
// of it has been sent on: with the stretch of work that it was emitted in, which may not have ended.
// Where it has come to an edge, it is counted there from then on.
func (g *guard[I]) cameThrough(t *tries) {
	if t == nil || t.place == 0 {
		return
	}
	g.run.after(0, func() {
		g.down.root().do(func(context.Context) {})
		g.delayBelow()
		g.retrying.leave(t.place)
	})
}

// again is the next try of a record that waited for it.
func (g *guard[I]) again(ctx context.Context, r stage.Record[I], t trial) {
	if g.refuse(r.Duty, t.tries) {
		g.left(t)
		return
	}
	g.retries.Add(1)
	g.try(ctx, r, t)
}

// freed lets the next record of each key in that a record held.
func (g *guard[I]) freed(t trial) {
	g.endTurn(t.turn)
	g.leave(t.lane)
}

// left ends the way of a record that does not go on.
func (g *guard[I]) left(t trial) {
	g.freed(t)
	if t.tries != nil && t.tries.place > 0 {
		g.retrying.leave(t.tries.place)
	}
}

// leave lets the next record of a key of a source in. It may be called with or without the lock, so the
// record goes in by a stretch of work of its own.
func (g *guard[I]) leave(l lane) {
	if l == (lane{}) {
		return
	}
	if next, ok := g.gate.leave(l); ok {
		g.run.after(0, func() {
			g.seg.do(func(ctx context.Context) { g.resume(ctx, next.record, l, next.trial) })
		})
	}
}

// resume lets in a record that waited at the gate and now holds its key.
func (g *guard[I]) resume(ctx context.Context, r stage.Record[I], l lane, t trial) {
	defer g.hold(-1)
	k, ok := keyOf(r.Duty)
	if !ok { // it was settled while it waited, so nothing of it goes on
		g.handBack(r.Duty)
		t.lane = l
		g.left(t)
		return
	}
	g.enter(ctx, r, k, t)
}

// drain has the operator emit what it holds, until nothing is held and nothing waits. A
// synchronous operator is drained when the waits are over, so that what waited can still join
// what is held; an asynchronous one may need Drain for them to end.
func (g *guard[I]) drain(ctx context.Context) error {
	if idle := g.untilIdle(); idle != nil && !g.Desc.Async {
		<-idle
	}
	for {
		if err := g.drainOnce(ctx); err != nil {
			return err
		}
		idle := g.untilIdle()
		if idle == nil {
			return nil
		}
		<-idle
	}
}

func (g *guard[I]) drainOnce(ctx context.Context) (err error) {
	if g.Desc.Async {
		return g.safeDrain(ctx)
	}
	g.seg.do(func(context.Context) { err = g.safeDrain(ctx) })
	return err
}

func (g *guard[I]) safeDrain(ctx context.Context) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = g.panicked(p)
		}
	}()
	return g.proc.Drain(ctx)
}
