package operators

import (
	"context"
	"time"

	"github.com/rocketflow-io/rocketflow/flow/stage"
)

// Sample emits at fixed times the latest value that has come since the time before.
//
//	in    --a-b-------c--d-e----|
//	      |---every---|---every---|
//	out   ------------b-----------e|
//
// What it promises:
//   - Emits: at each multiple of every since the begin of the run, the latest value, if one has come.
//   - Order: kept.
//   - Holds: one value, for at most every, which must fit the lease.
//   - Settles: a value that another has followed done (rule 2), when that has come.
//   - Drain: emits what it holds.
//   - Fails: to build, if every is not above 0.
func Sample[T any](every time.Duration) stage.Operator[T, T] { return sampling[T]{every} }

type sampling[T any] struct{ every time.Duration }

var _ stage.Operator[int, int] = sampling[int]{}

func (s sampling[T]) Describe() stage.Description { return holdsLatest("sample", s.every) }

func (s sampling[T]) Start(rt stage.Runtime, next stage.Emitter[T]) (stage.Processor[T], error) {
	return &sampler[T]{every: s.every, rt: rt, began: rt.Now(), latest: latest[T]{next: next}}, nil
}

type sampler[T any] struct {
	latest[T]
	every   time.Duration
	rt      stage.Runtime
	began   time.Time
	waiting bool // for the next time to emit
}

// Process waits for the next time only when there is something to emit.
func (s *sampler[T]) Process(_ context.Context, r stage.Record[T]) error {
	s.put(r)
	if s.waiting {
		return nil
	}
	s.waiting = true
	s.rt.After(s.every-s.rt.Now().Sub(s.began)%s.every, func(ctx context.Context) {
		s.waiting = false
		s.emit(ctx)
	})
	return nil
}

func (s *sampler[T]) Drain(ctx context.Context) error {
	s.emit(ctx)
	return nil
}
