package operators

import (
	"context"
	"fmt"
	"time"

	"github.com/rocketflow-io/rocketflow/flow/stage"
)

// Batch groups values into slices of n, or of what came within age of the first of them,
// whichever is complete sooner.
//
//	in    --a--b--c-----d-------------e-|
//	            n=3     |--- age ---|
//	out   --------[abc]-------------[d]-[e]|
//
// What it promises:
//   - Emits: at n values, at age, at the end of the input; never an empty slice.
//   - Order: kept, in a slice and from slice to slice.
//   - Holds: at most n values, each for at most age; age must fit the lease.
//   - Settles: each member when its slice is, with the same outcome (rule 3). To have each value
//     of a write settle by itself, batch at the sink instead, with flow.Batched.
//   - Drain: emits what it holds.
//   - Fails: to build, if n < 1 or age < 0. With age 0 only the count matters.
func Batch[T any, B interface{ []T }](n int, age time.Duration) stage.Operator[T, B] {
	return BatchBy[T, B](Limits[T]{Count: n, Age: age})
}

// Limits says when a batch is complete: at the first limit that it reaches.
type Limits[T any] struct {
	// Count is the number of values; 0 for no limit.
	Count int
	// Bytes is the sum of what Size gives for the values; 0 for no limit. A value larger than
	// Bytes makes a batch of its own.
	Bytes int
	Size  func(T) int
	// Age is the time since the first value came; 0 for no limit.
	Age time.Duration
}

// BatchBy groups values into slices by count, bytes and age. Its promises are those of [Batch];
// a value that would take a batch over its bytes begins the next one. It fails to build without
// a limit of count or bytes, with a negative limit, and with Bytes but no Size.
func BatchBy[T any, B interface{ []T }](limits Limits[T]) stage.Operator[T, B] {
	return batching[T, B]{limits}
}

// settlesWithBatch is how members settle.
const settlesWithBatch = "with its batch"

type batching[T any, B interface{ []T }] struct{ limits Limits[T] }

var _ stage.Operator[int, []int] = batching[int, []int]{}

func (b batching[T, B]) Describe() stage.Description {
	return stage.Description{
		Name: "batch", Holds: b.limits.Count != 1, HoldsFor: b.limits.Age, HoldsMost: b.limits.Count,
		Settles: settlesWithBatch, Problem: b.limits.problem(),
	}
}

func (l Limits[T]) problem() error {
	switch {
	case l.Count < 0 || l.Bytes < 0 || l.Age < 0:
		return fmt.Errorf("operators: batch: count %d, bytes %d, age %v: a limit may not be negative", l.Count, l.Bytes, l.Age)
	case l.Count == 0 && l.Bytes == 0:
		return fmt.Errorf("operators: batch: neither count nor bytes are limited: give a count of at least 1")
	case l.Bytes > 0 && l.Size == nil:
		return fmt.Errorf("operators: batch: limit of %d bytes without a function that measures values: set Size", l.Bytes)
	}
	return nil
}

func (b batching[T, B]) Start(rt stage.Runtime, next stage.Emitter[B]) (stage.Processor[T], error) {
	return &batcher[T, B]{limits: b.limits, rt: rt, next: next}, nil
}

// batcher holds the batch that is being filled.
type batcher[T any, B interface{ []T }] struct {
	limits Limits[T]
	rt     stage.Runtime
	next   stage.Emitter[B]

	values []T
	duties []stage.Duty
	bytes  int
	number int // of the batch; tells a late timer that its batch has gone
	stop   func() bool
}

func (b *batcher[T, B]) Process(ctx context.Context, r stage.Record[T]) error {
	size := 0
	if b.limits.Size != nil {
		size = b.limits.Size(r.Value)
	}
	if b.limits.Bytes > 0 && b.bytes+size > b.limits.Bytes {
		b.emit(ctx)
	}
	if len(b.values) == 0 {
		b.begin()
	}
	// Rule 3: the batch holds the duty of each member.
	b.values = append(b.values, r.Value)
	b.duties = append(b.duties, r.Duty)
	b.bytes += size
	if b.limits.Count > 0 && len(b.values) >= b.limits.Count || b.limits.Bytes > 0 && b.bytes >= b.limits.Bytes {
		b.emit(ctx)
	}
	return nil
}

// begin starts the age of a batch with its first value.
func (b *batcher[T, B]) begin() {
	b.number++
	if b.limits.Age == 0 {
		return
	}
	number := b.number
	b.stop = b.rt.After(b.limits.Age, func(ctx context.Context) {
		if b.number == number {
			b.emit(ctx)
		}
	})
}

func (b *batcher[T, B]) emit(ctx context.Context) {
	if b.stop != nil {
		b.stop()
		b.stop = nil
	}
	if len(b.values) == 0 {
		return
	}
	r := stage.Join(B(b.values), b.duties)
	b.values, b.duties, b.bytes = nil, nil, 0
	b.next.Emit(ctx, r)
}

func (b *batcher[T, B]) Drain(ctx context.Context) error {
	b.emit(ctx)
	return nil
}
