package gostreams

import (
	"context"
	"fmt"

	"github.com/reugn/go-streams"

	"github.com/rocketflow-io/rocketflow/flow/stage"
)

// To makes a sink of a streams.Sink, which is made anew for each run.
//
// What it promises: a record is settled done when the sink has taken the value out of its input. What
// the sink does with it then, go-streams has no way to tell: stock sinks log a failed write and go on.
// So values that the sink holds when the process ends, and those it fails to write, are lost. It is
// for what may be lost, such as logs and metrics; or see [ToEach].
//
// Values are taken in order. Close ends the sink and waits for it, until its context ends; a sink that
// goes on after that is left alone.
func To[T any](newSink func() streams.Sink) stage.Sink[T] {
	return foreignSink[T]{newSink: newSink, name: "To"}
}

// ToEach makes a sink of a streams.Sink, which is made anew for each write, given its values, and
// waited for.
//
// What it promises: a record is settled done when a sink that got it has reported, by
// AwaitCompletion, that it has processed all it got and has cleaned up. For a stock sink that writes a
// file this means that the file is written and closed, if nothing failed: of a failure it tells
// nothing, and the record is settled all the same. With a sink that stops the process when it fails,
// nothing is lost. How many values a write has is up to flow.Batched.
//
// When the context of a write ends before the sink completes, the values fail, and the sink is left
// alone.
func ToEach[T any](newSink func() streams.Sink) stage.Sink[T] {
	return foreignSink[T]{newSink: newSink, name: "ToEach", each: true}
}

type foreignSink[T any] struct {
	newSink func() streams.Sink
	name    string // of the adapter
	each    bool
}

var (
	_ stage.Sink[int]     = foreignSink[int]{}
	_ stage.SinkDescriber = foreignSink[int]{}
)

// SinkTraits names the sink.
func (s foreignSink[T]) SinkTraits() stage.SinkTraits {
	return stage.SinkTraits{Name: "go-streams sink"}
}

// Open makes the sink, unless each write does.
func (s foreignSink[T]) Open(context.Context) (stage.Writer[T], error) {
	if err := missing(s.newSink == nil, s.name); err != nil {
		return nil, stage.Permanent(err)
	}
	if s.each {
		return eachWriter[T]{s.newSink}, nil
	}
	return &foreignWriter[T]{sink: s.newSink()}, nil
}

type foreignWriter[T any] struct {
	sink   streams.Sink
	closed bool
}

// Write hands the values over.
func (w *foreignWriter[T]) Write(ctx context.Context, b stage.Batch[T]) error {
	in := w.sink.In()
	var failed stage.BatchError
	for i, v := range b.Values {
		if ctx.Err() != nil {
			failed.Fail(i, ctx.Err())
			continue
		}
		select {
		case in <- v:
		case <-ctx.Done():
			failed.Fail(i, ctx.Err())
		}
	}
	return failed.OrNil()
}

// Close ends the sink, and waits for it.
func (w *foreignWriter[T]) Close(ctx context.Context) error {
	if !w.closed {
		w.closed = true
		close(w.sink.In())
	}
	completed := make(chan struct{})
	go func() { // go-streams has no way to stop it
		defer close(completed)
		w.sink.AwaitCompletion()
	}()
	select {
	case <-completed:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("gostreams: close sink: it did not complete: %w", ctx.Err())
	}
}

type eachWriter[T any] struct{ newSink func() streams.Sink }

// Write writes the values by a sink of their own.
func (w eachWriter[T]) Write(ctx context.Context, b stage.Batch[T]) error {
	one := &foreignWriter[T]{sink: w.newSink()}
	err := one.Write(ctx, b)
	if closeErr := one.Close(ctx); closeErr != nil {
		return closeErr // what it did is unknown
	}
	return err
}

// Close has nothing to do: each write has closed its sink.
func (w eachWriter[T]) Close(context.Context) error { return nil }
