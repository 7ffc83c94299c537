package sim

import (
	"context"
	"time"

	"github.com/cenkalti/backoff/v4"

	"github.com/rocketflow-io/rocketflow/client"
	"github.com/rocketflow-io/rocketflow/flow"
	"github.com/rocketflow-io/rocketflow/flow/stage"
	"github.com/rocketflow-io/rocketflow/internal/randpipe"
	"github.com/rocketflow-io/rocketflow/sinks"
)

// The functions of a random pipeline are of the world, whichever process calls them, and fail also when
// the storm is over.
var _ randpipe.Env = (*world)(nil)

// Sleep lets a function take its time.
func (w *world) Sleep(stage string, it randpipe.Item, d time.Duration) {
	w.happened(FunctionSlow, "%s %x", stage, it.ID)
	w.sleep(context.Background(), d)
}

// Stall lets a function take longer than the lease.
func (w *world) Stall(stage string, it randpipe.Item) {
	if !w.stormy() {
		return
	}
	w.happened(LeaseExpired, "%s %x of delivery %d", stage, it.ID, it.Delivery)
	w.sleep(context.Background(), w.lease+w.lease/4)
}

// Failed notes that a function fails.
func (w *world) Failed(stage string, f randpipe.Fault, items []randpipe.Item) {
	kind := FunctionFailed
	switch f {
	case randpipe.OfStore: // the store has told of itself
		kind = none
	case randpipe.Permanent:
		kind = FunctionFailedForGood
	case randpipe.Panic:
		kind = FunctionPanicked
	}
	if kind != none {
		w.happened(kind, "%s %x of delivery %d", stage, items[0].ID, items[0].Delivery)
	}
	for _, it := range items {
		w.ledger.failed(it.At(stage), f == randpipe.Permanent)
	}
}

// Dropped notes that an operator may drop a value.
func (w *world) Dropped(at randpipe.Place) {
	w.note("%s may drop %x of delivery %d", at.Stage, at.ID, at.Delivery)
	w.ledger.dropped(at)
}

// Kept notes that a store has a value.
func (w *world) Kept(at randpipe.Place) {
	w.note("%s has %x of delivery %d", at.Stage, at.ID, at.Delivery)
	w.ledger.kept(at)
}

// Arrived notes that a value is in a table.
func (w *world) Arrived(where string, it randpipe.Item) {
	w.note("%s has %x of delivery %d", where, it.ID, it.Delivery)
	w.ledger.arrives(where, it)
}

// Copies tells how often the broker has an input.
func (w *world) Copies(src int) int { return w.host.copiesOf(src) }

// Repeated notes that an operator gives a value once more.
func (w *world) Repeated(at randpipe.Place) {
	w.note("%s gives %x of delivery %d again", at.Stage, at.ID, at.Delivery)
	w.ledger.repeated(at)
}

// Wrong notes that an operator does not do what it promises.
func (w *world) Wrong(format string, args ...any) { w.ledger.violated(Promise, format, args...) }

// outfit is what one process has for its pipeline.
type outfit struct {
	w *world
	p *process
	d *design
}

var _ randpipe.Host = outfit{}

// Sink gives a sink as the process has it.
func (o outfit) Sink(spec *randpipe.Sink) stage.Sink[randpipe.Item] {
	door := door{o.w, spec, o.p}
	if spec.Topic == "" {
		return &memorySink{door}
	}
	inner := sinks.RocketMQOf(o.p.client, spec.Topic, func(it randpipe.Item) (*client.Message, error) {
		return messageOf(it, spec.Topic), nil
	}, sinks.WithConcurrency(spec.Concurrency))
	return &topicSink{inner, door}
}

// Grave gives a sink of dead letters as the process has it.
func (o outfit) Grave(spec *randpipe.Grave) stage.Sink[flow.Failure] {
	g := grave{spec: spec, w: o.w, process: o.p}
	if !o.d.returns(o.w.seed, spec) {
		return g
	}
	g.tries = len(o.d.delays)
	return retrySink{topic: sinks.RetryTopic(o.p.client, retryTopic, g, o.d.delays...), grave: g}
}

// BackOff gives a backoff whose delays end at instants of their own.
func (o outfit) BackOff(d time.Duration) backoff.BackOff { return ownInstants{o.w, d} }

type ownInstants struct {
	w     *world
	delay time.Duration
}

func (o ownInstants) NextBackOff() time.Duration { return o.w.instant(o.delay) }
func (o ownInstants) Reset()                     {}
