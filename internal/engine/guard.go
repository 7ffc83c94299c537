package engine

import (
	"context"
	"runtime/debug"

	"github.com/rocketflow-io/rocketflow/flow/stage"
)

// guard stands before an operator: it counts, turns panics into errors, and applies the stage's
// error policy, so that neither the stages above nor those below see its failures (rule 9).
type guard[I any] struct {
	stage *Stage
	op    guarded[I]
	proc  stage.Processor[I]
	ctx   context.Context // what the operator's functions get: the run's, with the stage
	gates gates
	keyer stage.Keyer[I] // nil if the operator has no keys

	chunks bool // the operator takes records by the chunk,
	limit  int  // and so many with the next, if the stage may be slow
}

// guarded is an operator, whatever it emits.
type guarded[I any] interface {
	start(rt stage.Runtime) (stage.Processor[I], error)
	// chunks tells whether the operator's processor takes chunks.
	chunks(proc stage.Processor[I]) bool
	emitChunk(ctx context.Context, rs []stage.Record[I])
}

var _ part = (*guard[int])(nil)

func (g *guard[I]) base() *Stage { return g.stage }

func (g *guard[I]) start(ctx context.Context) error {
	g.ctx = stage.WithScope(g.stage.run.userCtx, g.stage)
	rt := &runtime[I]{g: g, disturb: g.stage.run.cfg.Probe.disturbance(g.stage.Name)}
	err := g.gates.start(ctx, func() (_ any, err error) {
		g.proc, err = g.op.start(rt)
		return g.proc, err
	})
	if err != nil {
		return err
	}
	if g.keyer, _ = g.proc.(stage.Keyer[I]); g.keyer != nil || g.stage.Desc.Async {
		g.stage.detour.Store(true)
	}
	if rt.disturb != nil && !rt.disturbs {
		g.proc = disturbedProcessor[I]{g.proc, rt.disturb}
	}
	g.chunks = g.op.chunks(g.proc)
	return nil
}

func (g *guard[I]) drain(context.Context) error { return g.gates.drain(g.ctx, g.proc.Drain) }

func (g *guard[I]) unfinished() bool {
	u, ok := g.proc.(stage.Unfinished)
	return ok && u.Unfinished()
}

func (g *guard[I]) close(context.Context) error {
	if e, ok := g.proc.(interface{ end() }); ok {
		e.end()
	}
	return nil
}

// emit takes a record from the stage above. The segment's lock is held.
func (g *guard[I]) emit(ctx context.Context, r stage.Record[I]) {
	g.stage.in++
	if g.stage.detour.Load() {
		g.admit(ctx, r)
	} else if err := g.process(r); err != nil {
		g.ended(r, trial{}, err)
	}
}

// process calls the operator. A panic is an error of this stage alone: the stages below have
// guards of their own.
func (g *guard[I]) process(r stage.Record[I]) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = g.stage.panicked(p)
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
	if g.stage.run.hard.Load() {
		g.stage.handBack(r.Duty)
		return
	}
	k, ok := keyOf(r.Duty)
	if !ok {
		g.try(ctx, r, trial{})
		return
	}
	// Rule 8: one value of a key at a time. What finds its key taken waits at the gate.
	for l := k.lane(); !g.gates.lanes.enter(l); {
		if g.gates.lanes.wait(l, g.inLane(r, l)) {
			g.stage.hold(1)
			return
		}
	}
	g.enter(ctx, r, k, trial{})
}

// inLane is a record that waits for the key of its source.
func (g *guard[I]) inLane(r stage.Record[I], l lane) *waiter {
	return &waiter{trial{lane: l}, func(ctx context.Context, t trial) {
		if k, ok := keyOf(r.Duty); ok {
			g.enter(ctx, r, k, t)
			return
		}
		g.stage.handBack(r.Duty) // it was settled while it waited, so nothing of it goes on
		g.gates.left(t)
	}}
}

// enter takes in a record that holds its key. Only now is it clear whether it may go on: until
// the key was free, an earlier record of it could still be handed back.
func (g *guard[I]) enter(ctx context.Context, r stage.Record[I], k keyRef, t trial) {
	t.lane = k.lane()
	if g.gates.goesOn(r.Duty, k, true) {
		g.try(ctx, r, t)
	} else {
		g.gates.left(t)
	}
}

// try runs a record through the operator, for the first time or again.
func (g *guard[I]) try(ctx context.Context, r stage.Record[I], t trial) {
	if g.keyer != nil && !t.turn.any && !g.takeTurn(ctx, r, &t) {
		return
	}
	if !g.stage.Desc.Async {
		g.ended(r, t, g.process(r))
		return
	}
	g.stage.hold(1)
	taken := stage.Record[I]{Value: r.Value, Duty: g.stage.begin(r.Duty, t)}
	if err := g.process(taken); err != nil {
		g.ended(r, t, err) // the operator did not take the record
	}
}

// takeTurn reports whether it is the record's turn, which t holds then. If not, the record waits in line,
// or has failed.
func (g *guard[I]) takeTurn(ctx context.Context, r stage.Record[I], t *trial) bool {
	of, err := g.turnOf(r.Value)
	if err != nil {
		if g.stage.Desc.Async {
			g.stage.hold(1)
		}
		g.ended(r, *t, err)
		return false
	}
	t.turn = of
	for !g.gates.turns.enter(of) {
		if g.gates.turns.wait(of, g.inTurn(r, *t)) {
			g.stage.hold(1)
			return false
		}
	}
	return true
}

func (g *guard[I]) turnOf(value I) (of turn, err error) {
	err = g.stage.safely(func() error {
		of = turn{g.keyer.KeyOf(value), true}
		return nil
	})
	return of, err
}

// inTurn is a record that waits for the key of the operator.
func (g *guard[I]) inTurn(r stage.Record[I], t trial) *waiter {
	return &waiter{t, func(ctx context.Context, t trial) {
		k, keyed := keyOf(r.Duty)
		switch {
		case t.lane != (lane{}) && !keyed:
			g.stage.handBack(r.Duty) // as above
		case g.gates.goesOn(r.Duty, k, keyed):
			g.try(ctx, r, t)
			return
		}
		g.gates.left(t)
	}}
}

// ended follows a try: a failure goes to the policy, and the record's key is free again unless
// it waits for another try.
func (g *guard[I]) ended(r stage.Record[I], t trial, err error) {
	if g.stage.Desc.Async {
		defer g.stage.hold(-1)
	}
	if err == nil {
		g.gates.passed(t)
	} else {
		g.failed(r, t, err)
	}
}

// failed is for itself, so that no record is moved to the heap but one that has failed.
func (g *guard[I]) failed(r stage.Record[I], t trial, err error) {
	value := func() any { return r.Value }
	again := func(ctx context.Context, t trial) { g.try(ctx, r, t) }
	g.gates.failed(r.Duty, value, t, again, err)
}
