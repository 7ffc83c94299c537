package sinks

import (
	"context"
	"slices"
	"sync"

	"github.com/rocketflow-io/rocketflow/flow/stage"
)

// Collector is a sink that keeps what it is given, made by [Collect]. It may be used by several
// pipelines at once, and keeps the values of all runs.
type Collector[T any] struct {
	mu     sync.Mutex // guards values
	values []T
}

var (
	_ stage.Sink[int]     = (*Collector[int])(nil)
	_ stage.SinkDescriber = (*Collector[int])(nil)
)

// Collect makes a sink that keeps what it is given.
func Collect[T any]() *Collector[T] { return &Collector[T]{} }

// Values gives a copy of what was collected, in the order of writing. It may be called at any time.
func (c *Collector[T]) Values() []T {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.values)
}

// Len gives the number of values collected. It may be called at any time.
func (c *Collector[T]) Len() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.values)
}

// SinkTraits says that writing waits for nothing and keeps the order of each key.
func (c *Collector[T]) SinkTraits() stage.SinkTraits {
	return stage.SinkTraits{Name: "collect", Immediate: true, OrderedKeys: true}
}

// Open gives a writer.
func (c *Collector[T]) Open(context.Context) (stage.Writer[T], error) {
	return collectorWriter[T]{c}, nil
}

type collectorWriter[T any] struct{ c *Collector[T] }

// Write keeps the values. It does not fail.
func (w collectorWriter[T]) Write(_ context.Context, b stage.Batch[T]) error {
	w.c.mu.Lock()
	defer w.c.mu.Unlock()
	w.c.values = append(w.c.values, b.Values...)
	return nil
}

// Close has nothing to close.
func (collectorWriter[T]) Close(context.Context) error { return nil }

// Discard makes a sink that drops what it is given.
func Discard[T any]() stage.Sink[T] { return discard[T]{} }

type discard[T any] struct{}

var (
	_ stage.Sink[int]     = discard[int]{}
	_ stage.SinkDescriber = discard[int]{}
)

// SinkTraits says that writing waits for nothing.
func (discard[T]) SinkTraits() stage.SinkTraits {
	return stage.SinkTraits{Name: "discard", Immediate: true, OrderedKeys: true}
}

// Open gives the sink itself.
func (d discard[T]) Open(context.Context) (stage.Writer[T], error) { return d, nil }

// Write drops the values.
func (discard[T]) Write(context.Context, stage.Batch[T]) error { return nil }

// Close has nothing to close.
func (discard[T]) Close(context.Context) error { return nil }
