package gostreams

import (
	"sync/atomic"

	"github.com/reugn/go-streams"

	"github.com/rocketflow-io/rocketflow/flow"
	"github.com/rocketflow-io/rocketflow/flow/stage"
	"github.com/rocketflow-io/rocketflow/operators"
)

// Stage is an operator of rocketflow, or several of them fused, as a streams.Flow. [Flow] makes it.
type Stage struct{ c *chain }

var _ streams.Flow = (*Stage)(nil)

// Flow makes an operator a streams.Flow.
//
//	in   --1--2--"x"--3--|
//	                           operators.Map(double), of int
//	out  --2--4--------6-|     "x" goes by the policy
//
// What it promises:
//   - Takes: values of type I, and deliveries that carry one: those come out as a *Delivery[O], to be
//     settled downstream, and are settled at their source when all that came of them is. Without
//     deliveries in the input, Os come out; do not mix the two.
//   - Starts: when its output is asked for by Out, Via or To. Before, there is no goroutine.
//   - Fuses: Via with another Flow that nothing was sent to yet makes the two one.
//   - Order: what the operator promises.
//   - Fails: by [WithPolicy], a value of the wrong type too; never by a panic.
//   - Ends: when its input is closed, after what the operator holds has come out. After an error that
//     ends it, or the grace after its context, the output is closed and the input read to its end:
//     deliveries are handed back, other values are lost, as Err reports.
func Flow[I, O any](op stage.Operator[I, O], opts ...Option) *Stage {
	return &Stage{newChain(opts, opLink[I, O]{op}, newOutlet())}
}

// In gives the input. Closing it ends the stage.
func (s *Stage) In() chan<- any { return s.c.input() }

// Out gives the output, and starts the stage.
func (s *Stage) Out() <-chan any {
	t := s.c.tail()
	t.begin()
	if t.out == nil { // fused to a sink, which has all that comes out
		return closed()
	}
	return t.out.values
}

// Via continues with another flow, and gives what is then the last one. If that is a Stage of this
// package that nothing was sent to yet, the two are fused and give each other's ends.
func (s *Stage) Via(next streams.Flow) streams.Flow {
	if n, ok := next.(*Stage); ok && s.c.tail().fuse(n.c) {
		return n
	}
	out := s.Out()
	go transmit(out, next) // ends when out is closed, by this stage
	return next
}

// To sends what comes out to a sink, and waits until the sink is done. A [Sink] of this package is
// fused.
func (s *Stage) To(sink streams.Sink) {
	if own, ok := sink.(*Sink); ok && s.c.tail().fuse(own.c) {
		own.c.begin()
	} else {
		transmit(s.Out(), sink)
	}
	sink.AwaitCompletion()
}

// Err gives what went wrong, once the stage has ended; nil before. It reports what the run of the
// pipeline ended with, and a [*FailedError] if values failed that were no deliveries.
func (s *Stage) Err() error { return s.c.failure() }

// Wait waits until the stage has ended, which must have been started, and gives its Err. It ends when
// the input was closed and each delivery that came out has been settled, or handed back since the
// context has ended.
func (s *Stage) Wait() error { return s.c.wait() }

func transmit(from <-chan any, to streams.Inlet) {
	in := to.In()
	for e := range from {
		in <- e
	}
	close(in)
}

func closed() <-chan any {
	c := make(chan any)
	close(c)
	return c
}

// opLink is an operator as part of a chain.
type opLink[I, O any] struct{ op stage.Operator[I, O] }

var (
	_ link  = opLink[int, string]{}
	_ inner = opLink[int, string]{}
)

func (l opLink[I, O]) attach(stream any, head bool, p flow.Policy) any {
	s, ok := typed[I](stream, head)
	if !ok {
		return nil
	}
	return s.Via(l.op).OnError(p)
}

func (l opLink[I, O]) generalize(stream any) flow.Stream[any] {
	return stream.(flow.Stream[O]).Via(operators.Map(func(v O) any { return v }))
}

func (l opLink[I, O]) end(stream any, c *chain, carrying *atomic.Bool) *flow.Pipeline {
	return stream.(flow.Stream[O]).Via(handOut[O]{c.out, carrying}).OnError(flow.Nack()).To(nowhere{})
}

func (l opLink[I, O]) carries(e any) bool {
	_, carries, _ := unwrap[I](e)
	return carries
}
