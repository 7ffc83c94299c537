package gostreams

import (
	"context"
	"fmt"
	"sync/atomic"

	"github.com/reugn/go-streams"

	"github.com/rocketflow-io/rocketflow/flow/stage"
)

// foreign is a flow of go-streams at work in a pipeline. An instance is made when there is something
// for it, and ends at a drain, since a stock flow gives what it holds only when its input is closed.
type foreign struct {
	newFlow func() streams.Flow
	rt      stage.Runtime
	take    func(i *instance, e any)               // takes what comes out; called by one goroutine at a time for each
	lose    func(ctx context.Context, i *instance) // gives up what did not come out

	turn    chan struct{} // a token, held by who sends to or replaces the instance
	current *instance     // under the turn
	retired []*instance   // of which lose was not told; under the turn
}

// instance is one flow, from its making to the end of its output. Its records are its own: while a
// Drain waits for it, records that are tried again go into the next.
type instance struct {
	in   chan<- any
	done chan struct{} // closed when the output has ended
	over atomic.Bool   // what did not come out is given up
}

func newForeign(newFlow func() streams.Flow, rt stage.Runtime) *foreign {
	f := &foreign{newFlow: newFlow, rt: rt, turn: make(chan struct{}, 1)}
	f.turn <- struct{}{}
	return f
}

// send gives an element to the flow; before is called with the instance when nothing can keep it from
// being sent but the end of ctx, which send reports as false.
func (f *foreign) send(ctx context.Context, e any, before func(i *instance)) bool {
	select {
	case <-f.turn:
	case <-ctx.Done():
		return false
	}
	defer func() { f.turn <- struct{}{} }()
	if ctx.Err() != nil {
		return false
	}
	if f.current == nil {
		f.current = f.begin()
	}
	before(f.current)
	select {
	case f.current.in <- e:
		return true
	case <-ctx.Done():
		return false
	}
}

func (f *foreign) begin() *instance {
	flow := f.newFlow()
	i := &instance{in: flow.In(), done: make(chan struct{})}
	out := make(chan any)
	// Both end with the flow's output, which Drain brings about, or the end of the run, if there was a
	// retry after the last Drain. Until then the flow's own goroutines need someone to read it. To it
	// must be, for it is there that a Throttler waits.
	f.rt.Go(func(context.Context) { flow.To(collector(out)) })
	f.rt.Go(func(ctx context.Context) {
		defer close(i.done)
		defer context.AfterFunc(ctx, func() { f.retire(i) })()
		for e := range out {
			f.take(i, e)
		}
	})
	return i
}

// collector is a sink whose values are taken from the channel.
type collector chan any

var _ streams.Sink = collector(nil)

// In gives the channel, which the flow closes.
func (c collector) In() chan<- any { return c }

// AwaitCompletion has nothing to wait for: who reads the channel sees its end.
func (c collector) AwaitCompletion() {}

// Drain closes the flow and waits for what still comes out of it. What does not is lost; when ctx
// ends before, it is handed back.
func (f *foreign) Drain(ctx context.Context) error {
	f.retire(nil)
	for _, i := range f.takeRetired() {
		select {
		case <-i.done:
		case <-ctx.Done():
		}
		i.over.Store(true)
		f.lose(ctx, i)
	}
	return nil
}

// retire closes the input of the current instance, if it is the given one or that is nil.
func (f *foreign) retire(only *instance) {
	<-f.turn // whoever has it gives it back when its ctx ends, at the latest
	defer func() { f.turn <- struct{}{} }()
	i := f.current
	if i == nil || only != nil && i != only {
		return
	}
	f.current = nil
	f.retired = append(f.retired, i)
	close(i.in)
}

func (f *foreign) takeRetired() []*instance {
	<-f.turn
	defer func() { f.turn <- struct{}{} }()
	all := f.retired
	f.retired = nil
	return all
}

// lossOf is the failure of a record that did not come out, which is not to blame if time was cut
// short.
func lossOf(ctx context.Context) error {
	if ctx.Err() != nil {
		return stage.ErrHandedBack
	}
	return ErrLost
}

// missing is the problem of an adapter whose function is nil.
func missing(isNil bool, adapter string) error {
	if !isNil {
		return nil
	}
	return fmt.Errorf("gostreams: %s: function is nil: give one that makes the flow or sink", adapter)
}
