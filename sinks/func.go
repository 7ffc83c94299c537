package sinks

import (
	"context"

	"github.com/rocketflow-io/rocketflow/flow/stage"
)

// FuncSink is a sink that calls a function, made by [Func] or [FuncBatch].
type FuncSink[T any] struct {
	name        string
	concurrency int
	write       func(ctx context.Context, b stage.Batch[T]) error
}

var (
	_ stage.Sink[int]     = (*FuncSink[int])(nil)
	_ stage.SinkDescriber = (*FuncSink[int])(nil)
)

// Func makes a sink that calls write with each value, one at a time and in order unless
// [FuncSink.Concurrently] says otherwise. A value is safe when write has returned nil; an error
// fails that value alone, and goes by the error policy of the sink's stage.
func Func[T any](write func(ctx context.Context, v T) error) *FuncSink[T] {
	return &FuncSink[T]{name: "func", write: func(ctx context.Context, b stage.Batch[T]) error {
		return writeEach(ctx, b, write)
	}}
}

// FuncBatch makes a sink that calls write with several values at once. How many is the pipeline's
// business (flow.Batched); the slice may not be kept. An error of write fails all values, unless it
// is a [*stage.BatchError] that names them.
func FuncBatch[T any](write func(ctx context.Context, values []T) error) *FuncSink[T] {
	return &FuncSink[T]{name: "func", write: func(ctx context.Context, b stage.Batch[T]) error {
		return write(ctx, b.Values)
	}}
}

// Concurrently lets up to n batches be written at once, so that values are no longer written in
// order. The default is 1; less than 1 means 1.
func (s *FuncSink[T]) Concurrently(n int) *FuncSink[T] {
	s.concurrency = n
	return s
}

// SinkTraits tells what the options make of the sink.
func (s *FuncSink[T]) SinkTraits() stage.SinkTraits {
	return stage.SinkTraits{Name: s.name, Concurrency: s.concurrency}
}

// Open gives a writer.
func (s *FuncSink[T]) Open(context.Context) (stage.Writer[T], error) { return funcWriter[T]{s}, nil }

type funcWriter[T any] struct{ sink *FuncSink[T] }

// Write calls the function.
func (w funcWriter[T]) Write(ctx context.Context, b stage.Batch[T]) error {
	return w.sink.write(ctx, b)
}

// Close has nothing to close.
func (funcWriter[T]) Close(context.Context) error { return nil }

// writeEach writes the values one by one. When ctx ends, those that are left fail with its error.
func writeEach[T any](ctx context.Context, b stage.Batch[T], write func(context.Context, T) error) error {
	var failed stage.BatchError
	for i, v := range b.Values {
		err := ctx.Err()
		if err == nil {
			err = write(ctx, v)
		}
		if err != nil {
			failed.Fail(i, err)
		}
	}
	return failed.OrNil()
}
