package gostreams

import (
	"context"

	"github.com/reugn/go-streams"

	"github.com/rocketflow-io/rocketflow/flow/stage"
)

// AtMostOnce makes an operator of any flow, at the price that its name tells: a record is settled
// done when the flow has taken it. What the flow holds when the process ends, what it drops, and what
// fails downstream, is lost; nothing comes twice on its account.
//
//	in   --a---b---c-----|
//	       ^ settled here
//	out  -------[a b]--[c]-|
//
// What it promises:
//   - Emits: what the flow gives, as values that settle nothing.
//   - Order: the flow's.
//   - Holds: nothing that could be handed back.
//   - Settles: each record done, when the flow has taken it.
//   - Drain: ends the flow, and waits for what comes out of it.
//   - Fails: not by itself. What the flow gives that is no O is dropped, and counted as "wrong type".
//     A panic in the flow ends the process.
func AtMostOnce[I, O any](newFlow func() streams.Flow) stage.Operator[I, O] {
	return atMostOnce[I, O]{newFlow}
}

type atMostOnce[I, O any] struct{ newFlow func() streams.Flow }

var _ stage.Operator[int, string] = atMostOnce[int, string]{}

// Describe names the operator, which works beside the flow.
func (o atMostOnce[I, O]) Describe() stage.Description {
	return stage.Description{
		Name: "at most once", Fallible: true, Async: true, Unordered: true,
		Problem: missing(o.newFlow == nil, "AtMostOnce"),
	}
}

// Start makes no flow yet.
func (o atMostOnce[I, O]) Start(rt stage.Runtime, next stage.Emitter[O]) (stage.Processor[I], error) {
	p := &handover[I, O]{foreign: newForeign(o.newFlow, rt), next: next}
	p.take, p.lose = p.receive, func(context.Context, *instance) {}
	return p, nil
}

// handover settles what it hands over.
type handover[I, O any] struct {
	*foreign
	next stage.Emitter[O]
}

// Process blocks while the flow takes nothing: that is the backpressure.
func (p *handover[I, O]) Process(ctx context.Context, r stage.Record[I]) error {
	if !p.send(ctx, r.Value, func(*instance) {}) {
		return stage.ErrHandedBack
	}
	r.Done()
	stage.Complete(ctx, p.rt, r, nil)
	return nil
}

func (p *handover[I, O]) receive(_ *instance, e any) {
	out, ok := e.(O)
	if !ok {
		p.rt.Count("wrong type", 1)
		p.rt.Logger().Error("value dropped", "error", wrongType[O](e))
		return
	}
	p.rt.Do(func(ctx context.Context) { p.next.Emit(ctx, stage.Record[O]{Value: out}) })
}
