package operators

import (
	"context"

	"github.com/rocketflow-io/rocketflow/flow/stage"
)

// unorderedMapper runs the function on its goroutines. Each record takes a slot from Process until what
// came of it is emitted; so jobs never fills up. There is nothing to drain: what it has becomes complete
// by itself, and the engine waits for that. Were the slots taken here, what is to follow, such as the
// next of a key, would wait for the slowest.
type unorderedMapper[I, O any] struct {
	stateless
	worker[I, O]
	rt    stage.Runtime
	next  stage.Emitter[O]
	slots chan struct{}
	jobs  chan stage.Record[I]
}

func startUnordered[I, O any](n int, rt stage.Runtime, next stage.Emitter[O], work worker[I, O]) stage.Processor[I] {
	window := windowFactor * n
	stage.Gauge(rt, roomGauge, func() int64 { return int64(window) })
	m := &unorderedMapper[I, O]{
		worker: work, rt: rt, next: next,
		slots: make(chan struct{}, window), jobs: make(chan stage.Record[I], window),
	}
	for range n {
		rt.Go(m.work)
	}
	return m
}

// Process waits for a slot; that is the backpressure. When ctx ends meanwhile, the record is
// handed back.
func (m *unorderedMapper[I, O]) Process(ctx context.Context, r stage.Record[I]) error {
	select {
	case m.slots <- struct{}{}:
	case <-ctx.Done():
		return stage.ErrHandedBack
	}
	m.jobs <- r
	if ctx.Err() != nil {
		m.handBack(ctx) // the goroutines may have ended before they saw it
	}
	return nil
}

// work is one of the goroutines. When ctx ends, what has begun is finished, and what has not is
// handed back.
func (m *unorderedMapper[I, O]) work(ctx context.Context) {
	for {
		select {
		case r := <-m.jobs:
			out, err := m.call(ctx, r)
			m.publish(r, out, err)
		case <-ctx.Done():
			m.handBack(ctx)
			return
		}
	}
}

func (m *unorderedMapper[I, O]) handBack(ctx context.Context) {
	for {
		select {
		case r := <-m.jobs:
			out, err := m.call(ctx, r)
			m.publish(r, out, err)
		default:
			return
		}
	}
}

func (m *unorderedMapper[I, O]) publish(r stage.Record[I], out O, err error) {
	m.rt.Do(func(ctx context.Context) {
		if err == nil {
			m.next.Emit(ctx, r.With(out))
		}
		<-m.slots
		stage.Complete(ctx, m.rt, r, err)
	})
}
