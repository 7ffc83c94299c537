package gostreams

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/reugn/go-streams"

	"github.com/rocketflow-io/rocketflow/flow"
	"github.com/rocketflow-io/rocketflow/flow/stage"
)

// handBackTimeout bounds what is done about a delivery after the context of its adapter has ended.
const handBackTimeout = 10 * time.Second

// Sink is a sink of rocketflow as a streams.Sink. [SinkOf] and [NewSink] make it.
type Sink struct{ c *chain }

var _ streams.Sink = (*Sink)(nil)

// SinkOf makes a sink a streams.Sink.
//
// What it promises:
//   - Takes: values of type T, and deliveries that carry one.
//   - Settles: a delivery done when its value has been written, and back when the write has failed
//     for good by [WithPolicy], value by value.
//   - Starts: when its input is asked for. The sink is opened then.
//   - Ends: when its input is closed, after the last write. After an error that ends it, or [WithGrace]
//     after ctx, the input is read to its end: deliveries are handed back, other values are lost, as Err
//     reports.
func SinkOf[T any](ctx context.Context, sink stage.Sink[T], opts ...Option) *Sink {
	opts = append([]Option{WithContext(ctx)}, opts...)
	return &Sink{newChain(opts, sinkLink[T]{sink}, nil)}
}

// In gives the input, and starts the sink.
func (s *Sink) In() chan<- any {
	in := s.c.input()
	s.c.begin()
	return in
}

// AwaitCompletion waits until the input has been closed, and everything was written and settled.
func (s *Sink) AwaitCompletion() { <-s.c.done }

// Err gives what went wrong, once the sink has ended; nil before. It reports what the run of the
// pipeline ended with, and a [*FailedError] if values failed that were no deliveries.
func (s *Sink) Err() error { return s.c.failure() }

// Wait waits as AwaitCompletion does, and gives Err.
func (s *Sink) Wait() error { return s.c.wait() }

// sinkLink is a sink as the end of a chain.
type sinkLink[T any] struct{ sink stage.Sink[T] }

var _ link = sinkLink[int]{}

func (l sinkLink[T]) attach(stream any, head bool, p flow.Policy) any {
	s, ok := typed[T](stream, head)
	if !ok {
		return nil
	}
	return s.OnError(p)
}

func (l sinkLink[T]) end(stream any, _ *chain, _ *atomic.Bool) *flow.Pipeline {
	return stream.(flow.Stream[T]).To(l.sink)
}

func (l sinkLink[T]) carries(e any) bool {
	_, carries, _ := unwrap[T](e)
	return carries
}
