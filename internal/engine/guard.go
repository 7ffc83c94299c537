package engine

import (
	"context"
	"runtime/debug"

	"github.com/rocketflow-io/rocketflow/flow/stage"
)

// guard stands before an operator: it counts, turns panics into errors, and applies the stage's
// error policy, so that neither the stages above nor those below see its failures (rule 9).
type guard[I any] struct {
	*Stage
	proc    stage.Processor[I]
	gate    gate[stage.Record[I]]
	retried retried
}

// Emit takes a record from the stage above. The segment's lock is held.
func (g *guard[I]) Emit(ctx context.Context, r stage.Record[I]) {
	g.in++
	if g.detour.Load() {
		g.admit(ctx, r)
	} else if err := g.process(ctx, r); err != nil {
		g.ended(ctx, r, nil, err)
	}
}

// process calls the operator. A panic is an error of this stage alone: the stages below have
// guards of their own.
func (g *guard[I]) process(ctx context.Context, r stage.Record[I]) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = g.panicked(p)
		}
	}()
	return g.proc.Process(ctx, r)
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
	if k, ok := keyOf(r.Duty); ok {
		if k.turnedBack() {
			g.handBack(r.Duty)
			return
		}
		// Rule 8: one value of a key at a time. What finds its key taken waits at the gate.
		if !g.gate.enter(k, r) {
			g.hold(1)
			return
		}
	}
	g.try(ctx, r, nil)
}

// try runs a record through the operator, for the first time or again.
func (g *guard[I]) try(ctx context.Context, r stage.Record[I], t *tries) {
	if g.Desc.Async {
		g.hold(1)
		g.retried.put(r.Duty, t)
	}
	if err := g.process(ctx, r); err != nil || !g.Desc.Async {
		g.ended(ctx, r, t, err)
	}
}

// ended follows a try: a failure goes to the policy, and the record's key is free again unless
// it waits for another try.
func (g *guard[I]) ended(ctx context.Context, r stage.Record[I], t *tries, err error) {
	if g.Desc.Async {
		defer g.hold(-1)
	}
	if err == nil {
		g.freed(r.Duty)
		return
	}
	g.failed(attempt{
		duty:  r.Duty,
		value: func() any { return r.Value },
		tries: t,
		again: func(t *tries) {
			g.seg.do(func(ctx context.Context) { g.again(ctx, r, t) })
		},
		settled: func() { g.freed(r.Duty) },
	}, err)
}

// again is the next try of a record that waited for it.
func (g *guard[I]) again(ctx context.Context, r stage.Record[I], t *tries) {
	if g.refuse(r.Duty, t) {
		g.freed(r.Duty)
		return
	}
	g.retries.Add(1)
	g.try(ctx, r, t)
}

// freed lets the next record of the key in. It may be called with or without the lock, so the
// record goes in by a stretch of work of its own.
func (g *guard[I]) freed(d stage.Duty) {
	if !g.keyed {
		return
	}
	k, ok := keyOf(d)
	if !ok {
		return
	}
	if next, ok := g.gate.leave(k); ok {
		g.run.after(0, func() {
			g.seg.do(func(ctx context.Context) { g.resume(ctx, next) })
		})
	}
}

// resume lets in a record that waited at the gate and now holds its key.
func (g *guard[I]) resume(ctx context.Context, r stage.Record[I]) {
	defer g.hold(-1)
	if k, ok := keyOf(r.Duty); g.run.hard.Load() || ok && k.turnedBack() {
		g.handBack(r.Duty)
		g.freed(r.Duty)
		return
	}
	g.try(ctx, r, nil)
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
