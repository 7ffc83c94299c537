package gostreams

import (
	"context"
	"sync"
	"time"

	"github.com/reugn/go-streams"

	"github.com/rocketflow-io/rocketflow/flow/stage"
)

// Enveloped makes an operator of a flow that works on deliveries: it takes *[Delivery][I] and gives
// *[Delivery][O], whose duty it got from those by its functions, which [Lift], [TryLift], [LiftFilter]
// and [LiftFlatMap] make of plain ones.
//
//	in   --a---b---c--|
//	                       flow.NewFilter(gostreams.LiftFilter(keep), 4)
//	out  ------c---a--|
//
// What it promises:
//   - Emits: the value of each delivery that comes out.
//   - Order: the flow's.
//   - Holds: what is inside the flow.
//   - Settles: moves the duty with the delivery (rule 2). A delivery that its function acknowledged or
//     handed back is settled so. One that is in the output several times, as of a sliding window, is
//     settled with the first, and with those others that come before that; later ones are emitted all
//     the same, and counted as "uncovered". One that has not come out when its lease ends or the flow
//     has ended is counted as "lost", and fails with [ErrLost]; if it comes out later, it is dropped
//     and counted as "late".
//   - Drain: ends the flow, and waits for what comes out of it. The next record gets a new one.
//   - Fails: when a delivery is handed back by a function, and by what comes out that is no
//     *Delivery[O]: it is dropped, and counted as "wrong type". A panic in the flow ends the process.
func Enveloped[I, O any](newFlow func() streams.Flow) stage.Operator[I, O] {
	return enveloped[I, O]{newFlow: newFlow, name: "enveloped", receive: emitOne[I, O]}
}

// EnvelopedBatches makes an operator of a flow that works on deliveries and gives slices of them, as
// Batch and the windows do: flow.NewBatch[*gostreams.Delivery[T]](500, time.Second).
//
//	in   --a--b--c-----d--|
//	out  --------[abc]----[d]-|
//
// A slice holds the duty of each member, and settles them with the same outcome (rule 3). Its other
// promises are those of [Enveloped]. A slice none of whose members is still held is dropped. It cannot
// follow a source with keys, whose queue it would stall.
func EnvelopedBatches[T any, B interface{ []T }](newFlow func() streams.Flow) stage.Operator[T, B] {
	return enveloped[T, B]{newFlow: newFlow, name: "enveloped batches", holds: true, receive: emitSlice[T, B]}
}

type enveloped[I, O any] struct {
	newFlow func() streams.Flow
	name    string
	holds   bool
	receive func(p *enveloper[I, O], e any) // emits what came out
}

var _ stage.Operator[int, string] = enveloped[int, string]{}

// Describe names the operator, which works beside the flow.
func (o enveloped[I, O]) Describe() stage.Description {
	return stage.Description{
		Name: o.name, Fallible: true, Async: true, Unordered: true, Holds: o.holds,
		Problem: missing(o.newFlow == nil, o.name),
	}
}

// Start makes no flow yet.
func (o enveloped[I, O]) Start(rt stage.Runtime, next stage.Emitter[O]) (stage.Processor[I], error) {
	p := &enveloper[I, O]{foreign: newForeign(o.newFlow, rt), next: next, open: newEnvelopes[I](rt)}
	p.take = func(_ *instance, e any) { o.receive(p, e) }
	p.lose = func(ctx context.Context, i *instance) { p.open.loseAll(i, lossOf(ctx)) }
	return p, nil
}

// enveloper keeps account of the records that are inside the flow.
type enveloper[I, O any] struct {
	*foreign
	next stage.Emitter[O]
	open *envelopes[I]

	mu    sync.Mutex
	timed bool // a sweep is due; under mu
}

// Process blocks while the flow takes nothing: that is the backpressure.
func (p *enveloper[I, O]) Process(ctx context.Context, r stage.Record[I]) error {
	d, e := p.open.enclose(r)
	added := false
	enter := func(i *instance) {
		e.in, added = i, true
		p.open.add(e)
	}
	if p.send(ctx, d, enter) {
		p.sweepAt(r.Expires())
		return nil
	}
	if added && !p.open.forget(e) {
		return nil // given up meanwhile
	}
	return stage.ErrHandedBack
}

// sweepAt looks for records whose lease has ended then. One sweep is due at a time: later leases are
// its business.
func (p *enveloper[I, O]) sweepAt(end time.Time) {
	p.mu.Lock()
	due := !p.timed && !end.IsZero()
	p.timed = p.timed || due
	p.mu.Unlock()
	if due {
		p.rt.After(max(0, end.Sub(p.rt.Now())), p.sweep)
	}
}

func (p *enveloper[I, O]) sweep(ctx context.Context) {
	p.mu.Lock()
	p.timed = false
	p.mu.Unlock()
	var next time.Time
	for _, e := range p.open.all() {
		end := e.record.Expires()
		switch {
		case end.IsZero():
		case !end.After(p.rt.Now()):
			p.open.lose(ctx, e, ErrLost)
		case next.IsZero() || end.Before(next):
			next = end
		}
	}
	p.sweepAt(next)
}

// emitOne emits a delivery that came out.
func emitOne[I, O any](p *enveloper[I, O], out any) {
	d, ok := out.(*Delivery[O])
	if !ok || d == nil {
		p.wrongType(wrongType[*Delivery[O]](out))
		return
	}
	p.rt.Do(func(ctx context.Context) {
		o, ok := takeOut[I](d)
		if !ok {
			p.rt.Count("late", 1)
			return
		}
		p.next.Emit(ctx, stage.Record[O]{Value: d.Value, Duty: o.duty})
		p.emitted(ctx, o)
	})
}

// emitSlice emits the members of a slice that came out, as one.
func emitSlice[T any, B interface{ []T }](p *enveloper[T, B], out any) {
	ds, ok := out.([]*Delivery[T])
	if !ok {
		p.wrongType(wrongType[[]*Delivery[T]](out))
		return
	}
	p.rt.Do(func(ctx context.Context) {
		var (
			values []T
			duties []stage.Duty
			outs   []outgoing[T]
		)
		for _, d := range ds {
			o, ok := takeOut[T](d)
			if !ok {
				p.rt.Count("late", 1)
				continue
			}
			values, duties, outs = append(values, d.Value), append(duties, o.duty), append(outs, o)
		}
		if len(values) > 0 {
			p.next.Emit(ctx, stage.Join(B(values), duties)) // rule 3
		}
		p.emitted(ctx, outs...)
	})
}

func (p *enveloper[I, O]) emitted(ctx context.Context, outs ...outgoing[I]) {
	for _, o := range outs {
		switch {
		case o.own != nil:
			o.own.emitted(ctx)
		case o.duty == stage.Duty{}:
			p.rt.Count("uncovered", 1)
		}
	}
}

func (p *enveloper[I, O]) wrongType(err error) {
	p.rt.Count("wrong type", 1)
	p.rt.Logger().Error("value dropped", "error", err)
}
