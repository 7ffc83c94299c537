package flowtest

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/rocketflow-io/rocketflow/flow/stage"
)

// Output is a sink for tests, made by [NewOutput]: it keeps what is written, and when. An
// Output[flow.Failure] takes dead letters. It may be used by several pipelines, and keeps what all
// runs have written.
type Output[T any] struct {
	name string

	mu     sync.Mutex // guards what follows
	opened time.Time
	writes []Write[T]
}

var (
	_ stage.Sink[int]     = (*Output[int])(nil)
	_ stage.SinkDescriber = (*Output[int])(nil)
)

// Write is the values of one write.
type Write[T any] struct {
	At     time.Duration // since the begin of the run
	Values []T
	Infos  []stage.Info // what the source knows of the record that each value came of
}

// NewOutput makes a sink that keeps what it is given.
func NewOutput[T any]() *Output[T] { return &Output[T]{name: "output"} }

// Named names the output: its stage, unless flow.As does. The default is "output".
func (o *Output[T]) Named(name string) *Output[T] {
	o.name = name
	return o
}

// Values gives what was written, in order. It may be called at any time.
func (o *Output[T]) Values() []T {
	var all []T
	for _, w := range o.Writes() {
		all = append(all, w.Values...)
	}
	return all
}

// Writes gives what was written, write by write. It may be called at any time.
func (o *Output[T]) Writes() []Write[T] {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.writes)
}

// SinkTraits says that writing waits for nothing, and keeps the order of each key.
func (o *Output[T]) SinkTraits() stage.SinkTraits {
	return stage.SinkTraits{Name: o.name, Immediate: true, OrderedKeys: true}
}

// Open gives a writer.
func (o *Output[T]) Open(context.Context) (stage.Writer[T], error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.opened = time.Now()
	return outputWriter[T]{o}, nil
}

type outputWriter[T any] struct{ o *Output[T] }

// Write keeps the values. It does not fail.
func (w outputWriter[T]) Write(_ context.Context, b stage.Batch[T]) error {
	infos := make([]stage.Info, b.Len())
	for i := range infos {
		infos[i] = b.At(i)
	}
	w.o.mu.Lock()
	defer w.o.mu.Unlock()
	w.o.writes = append(w.o.writes, Write[T]{
		At: time.Since(w.o.opened), Values: slices.Clone(b.Values), Infos: infos,
	})
	return nil
}

// Close has nothing to close.
func (outputWriter[T]) Close(context.Context) error { return nil }
