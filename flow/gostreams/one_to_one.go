package gostreams

import (
	"context"
	"sync"

	"github.com/reugn/go-streams"

	"github.com/rocketflow-io/rocketflow/flow/stage"
)

// OneToOne makes an operator of a flow that gives exactly one value for each, in the order in which
// it took them: Map with parallelism 1, PassThrough, Fold, Throttler with backpressure, and a [Chain]
// of such.
//
//	in   --a---b---c--|
//	out  --A---B---C--|
//
// That is the caller's word: the nth value that comes out is taken for what came of the nth that
// went in. The flow is made anew for each run and after each drain, so a Fold begins again.
//
// What it promises:
//   - Emits: what the flow gives.
//   - Order: kept.
//   - Holds: what is inside the flow: a few records, if it keeps its word.
//   - Settles: moves the duty to the result (rule 2). What has not come out when the flow has ended
//     fails with [ErrLost]; what comes out when a drain was cut short is dropped, and counted as "late".
//     Of a flow that drops values, what was dropped is taken for what came next, and as many of the
//     last records fail: duplicates, but no loss. Of one that multiplies them,
//     records may be settled early; it is found out when a value is left over: from then on records
//     fail with [ErrSurplus], and the run ends with it.
//   - Drain: ends the flow, and waits for what comes out of it.
//   - Fails: with a [*TypeError] if the flow gives no O. A panic in the flow ends the process.
func OneToOne[I, O any](newFlow func() streams.Flow) stage.Operator[I, O] {
	return oneToOne[I, O]{newFlow}
}

type oneToOne[I, O any] struct{ newFlow func() streams.Flow }

var _ stage.Operator[int, string] = oneToOne[int, string]{}

// Describe names the operator, which works beside the flow.
func (o oneToOne[I, O]) Describe() stage.Description {
	return stage.Description{
		Name: "one to one", Fallible: true, Async: true, Problem: missing(o.newFlow == nil, "OneToOne"),
	}
}

// Start makes no flow yet.
func (o oneToOne[I, O]) Start(rt stage.Runtime, next stage.Emitter[O]) (stage.Processor[I], error) {
	p := &correlator[I, O]{foreign: newForeign(o.newFlow, rt), rt: rt, next: next, inside: make(map[*instance][]stage.Record[I])}
	p.take, p.lose = p.receive, p.loseAll
	return p, nil
}

// correlator keeps the records that are inside the flow, in order.
type correlator[I, O any] struct {
	*foreign
	rt   stage.Runtime
	next stage.Emitter[O]

	mu      sync.Mutex                      // guards what follows
	inside  map[*instance][]stage.Record[I] // with records inside
	surplus bool
}

// Process blocks while the flow takes nothing: that is the backpressure.
func (p *correlator[I, O]) Process(ctx context.Context, r stage.Record[I]) error {
	if p.hasSurplus() {
		return stage.Permanent(ErrSurplus)
	}
	var in *instance
	sent := p.send(ctx, r.Value, func(i *instance) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.inside[i] = append(p.inside[i], r)
		in = i
	})
	switch {
	case sent:
		return nil
	case in == nil:
		return stage.ErrHandedBack
	}
	// The flow did not take it, but loseAll may have found it already.
	if p.remove(in, r) {
		return stage.ErrHandedBack
	}
	return nil
}

func (p *correlator[I, O]) remove(i *instance, r stage.Record[I]) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	last := len(p.inside[i]) - 1
	if last < 0 || p.inside[i][last].Duty != r.Duty {
		return false
	}
	p.inside[i] = p.inside[i][:last]
	return true
}

// pop gives the oldest record inside an instance.
func (p *correlator[I, O]) pop(i *instance) (r stage.Record[I], ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	inside := p.inside[i]
	if len(inside) == 0 {
		return r, false
	}
	r, inside[0] = inside[0], stage.Record[I]{}
	p.inside[i] = inside[1:]
	return r, true
}

func (p *correlator[I, O]) receive(i *instance, e any) {
	r, ok := p.pop(i)
	switch {
	case !ok && i.over.Load():
		p.rt.Count("late", 1)
		return
	case !ok:
		p.mu.Lock()
		p.surplus = true
		p.mu.Unlock()
		p.rt.Count("surplus", 1)
		return
	}
	p.rt.Do(func(ctx context.Context) {
		out, ok := e.(O)
		if !ok {
			stage.Complete(ctx, p.rt, r, stage.Permanent(wrongType[O](e)))
			return
		}
		p.next.Emit(ctx, r.With(out))
		stage.Complete(ctx, p.rt, r, nil)
	})
}

// Drain reports a surplus, which ends the run.
func (p *correlator[I, O]) Drain(ctx context.Context) error {
	if err := p.foreign.Drain(ctx); err != nil {
		return err
	}
	if p.hasSurplus() {
		return ErrSurplus
	}
	return nil
}

func (p *correlator[I, O]) hasSurplus() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.surplus
}

func (p *correlator[I, O]) loseAll(ctx context.Context, i *instance) {
	for r, ok := p.pop(i); ok; r, ok = p.pop(i) {
		p.rt.Count("lost", 1)
		p.rt.Do(func(doCtx context.Context) { stage.Complete(doCtx, p.rt, r, lossOf(ctx)) })
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.inside, i)
}
