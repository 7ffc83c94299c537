package flow_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/rocketflow-io/rocketflow/flow"
	"github.com/rocketflow-io/rocketflow/flow/stage"
	"github.com/rocketflow-io/rocketflow/operators"
	"github.com/rocketflow-io/rocketflow/sources"
)

var errTest = errors.New("test failure")

// collector is a sink that keeps what is written. Its function, if any, may fail a write first.
type collector[T any] struct {
	traits stage.SinkTraits
	before func(ctx context.Context, values []T) error
	opens  error // of Open

	mu      sync.Mutex
	batches [][]T
	times   []time.Time // when each batch was written
	calls   int
}

func (c *collector[T]) SinkTraits() stage.SinkTraits { return c.traits }

func (c *collector[T]) Open(context.Context) (stage.Writer[T], error) { return c, c.opens }

func (c *collector[T]) Close(context.Context) error { return nil }

func (c *collector[T]) Write(ctx context.Context, b stage.Batch[T]) error {
	c.mu.Lock()
	c.calls++
	c.mu.Unlock()
	values := append([]T(nil), b.Values...)
	if c.before != nil {
		err := c.before(ctx, values)
		var failed *stage.BatchError
		switch {
		case errors.As(err, &failed):
			kept := values[:0:0]
			for i, v := range values {
				if failed.Failed[i] == nil {
					kept = append(kept, v)
				}
			}
			c.keep(kept)
			return err
		case err != nil:
			return err
		}
	}
	c.keep(values)
	return nil
}

func (c *collector[T]) keep(values []T) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(values) > 0 {
		c.batches, c.times = append(c.batches, values), append(c.times, time.Now())
	}
}

// values gives all that was written, in order.
func (c *collector[T]) values() []T {
	c.mu.Lock()
	defer c.mu.Unlock()
	var all []T
	for _, b := range c.batches {
		all = append(all, b...)
	}
	return all
}

// slow is a function for collectors that makes each write take d.
func slow[T any](d time.Duration) func(context.Context, []T) error {
	return func(ctx context.Context, _ []T) error {
		select {
		case <-time.After(d):
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// numbers gives the ints from 0 to n-1.
func numbers(n int) []int {
	all := make([]int, n)
	for i := range all {
		all[i] = i
	}
	return all
}

// failing gives a function for TryMap that fails for some values.
func failing(fails func(int) bool) func(context.Context, int) (int, error) {
	return func(_ context.Context, v int) (int, error) {
		if fails(v) {
			return 0, errTest
		}
		return v, nil
	}
}

func is(n int) func(int) bool { return func(v int) bool { return v == n } }

// done tells how many values of a source are done, and how many are not.
func done[T any](src *sources.Memory[T]) (done, open int) {
	for _, o := range src.Outcomes() {
		if o.Done {
			done++
		} else {
			open++
		}
	}
	return done, open
}

// runtimeOperator is an operator that a test makes of functions, as a third party's would be.
type runtimeOperator struct {
	desc  stage.Description
	start func(rt stage.Runtime, next stage.Emitter[int]) (stage.Processor[int], error)
}

func (o runtimeOperator) Describe() stage.Description { return o.desc }

func (o runtimeOperator) Start(rt stage.Runtime, next stage.Emitter[int]) (stage.Processor[int], error) {
	return o.start(rt, next)
}

// processor is the running operator of a runtimeOperator.
type processor struct {
	process func(ctx context.Context, r stage.Record[int]) error
}

func (p processor) Process(ctx context.Context, r stage.Record[int]) error { return p.process(ctx, r) }

func (p processor) Drain(context.Context) error { return nil }

var (
	_ stage.Sink[int]          = (*collector[int])(nil)
	_ stage.Operator[int, int] = runtimeOperator{}
	_ stage.Operator[int, int] = operators.Map(func(v int) int { return v })
	_ stage.Sink[flow.Failure] = (*collector[flow.Failure])(nil)
)

// faultySource gives 1, something that cannot be decoded but for half of it, and 3.
type faultySource struct{ half int }

func (s faultySource) Open(context.Context) (stage.Reader[int], error) { return s, nil }

func (s faultySource) Read(context.Context) (stage.Batch[int], error) {
	return stage.Batch[int]{
		Values: []int{1, s.half, 3},
		Info:   func(i int) stage.Info { return stage.Info{Position: fmt.Sprintf("line %d", i+1)} },
		Faults: []stage.Fault{{Index: 1, Err: errTest, Raw: []byte("two")}},
	}, io.EOF
}

func (faultySource) Close(context.Context) error { return nil }

// settlingSource gives its values in one read, once, and settles by a function.
type settlingSource struct {
	values []int
	settle func() error
	read   bool
}

func (s *settlingSource) Open(context.Context) (stage.Reader[int], error) { return s, nil }

func (s *settlingSource) Read(context.Context) (stage.Batch[int], error) {
	if s.read {
		return stage.Batch[int]{}, io.EOF
	}
	s.read = true
	return stage.Batch[int]{Values: s.values, Settler: s}, nil
}

func (s *settlingSource) Settle(context.Context, []stage.Outcome) error { return s.settle() }

func (s *settlingSource) Close(context.Context) error { return nil }
