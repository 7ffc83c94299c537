package gostreams

import (
	"context"
	"sync"

	"github.com/rocketflow-io/rocketflow/flow/stage"
)

// outlet is an output, which is closed once.
type outlet struct {
	values chan any
	once   sync.Once
	shut   chan struct{}
}

func newOutlet() *outlet {
	return &outlet{values: make(chan any, edgeSize), shut: make(chan struct{})}
}

// close is called when nothing is being sent.
func (o *outlet) close() {
	o.once.Do(func() {
		close(o.shut)
		close(o.values)
	})
}

func (o *outlet) closed() bool {
	select {
	case <-o.shut:
		return true
	default:
		return false
	}
}

// handOut is the operator at the end of a chain. It hands out records, and emits nothing. What came
// of a delivery goes out as a delivery, whose duty is held until it is settled by hand.
type handOut[T any] struct {
	out     *outlet
	carries func(e any) bool // tells of an element of the head whether it is a delivery
}

var _ stage.Operator[int, struct{}] = handOut[int]{}

// Describe says that deliveries are held.
func (h handOut[T]) Describe() stage.Description {
	return stage.Description{Name: "hand out", Fallible: true, Holds: true}
}

// Start needs nothing.
func (h handOut[T]) Start(stage.Runtime, stage.Emitter[struct{}]) (stage.Processor[T], error) {
	return h, nil
}

// Process blocks while no one takes the value: that is the backpressure.
func (h handOut[T]) Process(ctx context.Context, r stage.Record[T]) error {
	if h.out.closed() {
		return stage.ErrHandedBack
	}
	var e any = r.Value
	carries := h.carries(r.Origin())
	if carries {
		e = &Delivery[T]{Value: r.Value, Info: r.Info(), claim: duty{r.Duty}}
	}
	select {
	case h.out.values <- e:
	case <-ctx.Done():
		return stage.ErrHandedBack
	}
	if !carries {
		r.Done()
	}
	return nil
}

// Drain closes the output: no record follows, since the head has no more. Deliveries that are out
// keep the run open.
func (h handOut[T]) Drain(context.Context) error {
	h.out.close()
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
