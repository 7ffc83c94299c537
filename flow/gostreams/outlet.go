package gostreams

import (
	"context"
	"sync/atomic"

	"github.com/rocketflow-io/rocketflow/flow/stage"
)

// outlet is an output, which is closed once.
type outlet struct {
	values chan any
	turn   chan struct{} // a token, held by who sends or closes
	shut   bool          // under the turn
}

func newOutlet() *outlet {
	o := &outlet{values: make(chan any, edgeSize), turn: make(chan struct{}, 1)}
	o.turn <- struct{}{}
	return o
}

// send waits until the element is taken; false if ctx ends first, or the output is closed.
func (o *outlet) send(ctx context.Context, e any) bool {
	select {
	case <-o.turn:
	case <-ctx.Done():
		return false
	}
	defer func() { o.turn <- struct{}{} }()
	if o.shut {
		return false
	}
	select {
	case o.values <- e:
		return true
	case <-ctx.Done():
		return false
	}
}

// close waits for who is sending.
func (o *outlet) close() {
	<-o.turn
	defer func() { o.turn <- struct{}{} }()
	if !o.shut {
		o.shut = true
		close(o.values)
	}
}

// handOut is the operator at the end of a chain. It hands out values, and emits nothing. What came of
// a delivery goes out as a delivery, and the engine waits until it is settled by hand.
type handOut[T any] struct {
	out *outlet
	// carrying says that a delivery has come in. From then on all that comes out is one: an operator
	// may have joined it with what came before.
	carrying *atomic.Bool
}

var _ stage.Operator[int, struct{}] = handOut[int]{}

// Describe says that records are out of its hands for a while.
func (h handOut[T]) Describe() stage.Description {
	return stage.Description{Name: "hand out", Fallible: true, Async: true}
}

// Start makes a running operator.
func (h handOut[T]) Start(rt stage.Runtime, _ stage.Emitter[struct{}]) (stage.Processor[T], error) {
	return &handingOut[T]{handOut: h, rt: rt, open: newEnvelopes[T](rt)}, nil
}

type handingOut[T any] struct {
	handOut[T]
	rt   stage.Runtime
	open *envelopes[T]
}

// Process blocks while no one takes the value: that is the backpressure.
func (h *handingOut[T]) Process(ctx context.Context, r stage.Record[T]) error {
	if !h.carrying.Load() {
		if !h.out.send(ctx, r.Value) {
			return stage.ErrHandedBack
		}
		r.Done()
		stage.Complete(ctx, h.rt, r, nil)
		return nil
	}
	d, e := h.open.enclose(r)
	h.open.add(e)
	if !h.out.send(ctx, d) && h.open.forget(e) {
		return stage.ErrHandedBack
	}
	return nil
}

// Drain closes the output, since nothing follows, and waits for what is out. When ctx ends, that is
// handed back.
func (h *handingOut[T]) Drain(ctx context.Context) error {
	h.out.close()
	for len(h.open.all()) > 0 {
		select {
		case <-h.open.empty:
		case <-ctx.Done():
			h.open.loseAll(nil, stage.ErrHandedBack)
		}
	}
	return nil
}

// nowhere is the sink behind handOut, which never gets a record.
type nowhere struct{}

var _ stage.Sink[struct{}] = nowhere{}

// SinkTraits makes it part of the stage above.
func (n nowhere) SinkTraits() stage.SinkTraits {
	return stage.SinkTraits{Name: "output", Immediate: true}
}

// Open gives itself.
func (n nowhere) Open(context.Context) (stage.Writer[struct{}], error) { return n, nil }

// Write has nothing to do.
func (n nowhere) Write(context.Context, stage.Batch[struct{}]) error { return nil }

// Close has nothing to do.
func (n nowhere) Close(context.Context) error { return nil }
