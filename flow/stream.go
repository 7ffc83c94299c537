package flow

import (
	"context"
	"time"

	"github.com/rocketflow-io/rocketflow/flow/stage"
	"github.com/rocketflow-io/rocketflow/internal/engine"
	"github.com/rocketflow-io/rocketflow/operators"
)

// Stream is a description of values on their way: where they come from and what was done to
// them. It is a value; each method gives a new Stream and runs nothing. A Stream goes into one
// place: to use it in several, fan it out with Broadcast.
type Stream[T any] struct {
	n      *node
	attach attachment[T]
}

// attachment adds what produces a stream to a plan, once it is known where the stream goes.
type attachment[T any] func(c *compiler, n *node, out engine.Outlet[T])

// From begins a pipeline with the records of a source.
func From[T any](src stage.Source[T]) Stream[T] {
	n := newNode(kindSource, sourceName(src))
	if d, ok := src.(stage.SourceDescriber); ok {
		n.source = d.SourceTraits()
	}
	return Stream[T]{n, func(c *compiler, n *node, out engine.Outlet[T]) {
		engine.AddSource(c.plan, c.spec(n), src, out)
	}}
}

// Via passes the stream through an operator. Every other method that transforms is a short form
// of it; operators that have none, and those of others, plug in here.
func (s Stream[T]) Via[R any](op stage.Operator[T, R]) Stream[R] {
	n := newNode(kindOperator, "", s.n)
	if op == nil {
		n.problem = errNilOperator
	} else {
		n.desc = op.Describe()
		n.name, n.problem = n.desc.Name, n.desc.Problem
	}
	return Stream[R]{n, func(c *compiler, n *node, out engine.Outlet[R]) {
		follow(c, n, s, engine.AddOperator(c.plan, c.spec(n), op, out))
	}}
}

// Named names the stage that was added last, for Explain, Snapshot, logs and errors. Names that
// occur more than once are numbered.
func (s Stream[T]) Named(name string) Stream[T] {
	n := *s.n
	n.name, n.first = name, s.n.identity()
	return Stream[T]{&n, s.attach}
}

// OnError sets the error policy of the stages since the last OnError, or since From. A stage that
// no OnError follows before the stream is fanned out, made one with another, as by Merge, Zip or a join, or
// ends has the policy of the nearest one before it, and so has a sink, unless To is given another; without
// any it is Nack. Where late values have a stream of their own, an OnError behind the results is that of
// the windows or the join, too, and of what is above windows.
func (s Stream[T]) OnError(p Policy) Stream[T] {
	n := newNode(kindPolicy, "", s.n)
	n.policy = &p
	n.problem = p.problem()
	return Stream[T]{n, func(c *compiler, n *node, out engine.Outlet[T]) { follow(c, n, s, out) }}
}

// Map turns each value into another: see [operators.Map].
func (s Stream[T]) Map[R any](f func(T) R) Stream[R] { return s.Via(operators.Map(f)) }

// TryMap turns each value into another, or fails: see [operators.TryMap].
func (s Stream[T]) TryMap[R any](f func(context.Context, T) (R, error)) Stream[R] {
	return s.Via(operators.TryMap(f))
}

// Filter lets through the values that keep is true for: see [operators.Filter].
func (s Stream[T]) Filter(keep func(T) bool) Stream[T] { return s.Via(operators.Filter(keep)) }

// TryFilter lets through the values that keep is true for, or fails: see [operators.TryFilter].
func (s Stream[T]) TryFilter(keep func(context.Context, T) (bool, error)) Stream[T] {
	return s.Via(operators.TryFilter(keep))
}

// FlatMap turns each value into any number of values: see [operators.FlatMap].
func (s Stream[T]) FlatMap[R any](f func(T) []R) Stream[R] { return s.Via(operators.FlatMap(f)) }

// TryFlatMap turns each value into any number of values, or fails: see [operators.TryFlatMap].
func (s Stream[T]) TryFlatMap[R any](f func(context.Context, T) ([]R, error)) Stream[R] {
	return s.Via(operators.TryFlatMap(f))
}

// Batch groups values into slices of n, or of what came within age of the first of them, and
// holds their acknowledgement until the slice is settled: see [operators.Batch]. B is inferred.
// To write in batches and settle each value by itself, give To the option [Batched] instead.
func (s Stream[T]) Batch[B interface{ []T }](n int, age time.Duration) Stream[B] {
	return s.Via(operators.Batch[T, B](n, age))
}

// Tap shows each value to a function, and passes it on: see [operators.Tap].
func (s Stream[T]) Tap(look func(T)) Stream[T] { return s.Via(operators.Tap(look)) }

// TryTap shows each value to a function that may fail, and passes it on: see [operators.TryTap].
func (s Stream[T]) TryTap(look func(context.Context, T) error) Stream[T] {
	return s.Via(operators.TryTap(look))
}

// Take lets the first n values through, and then ends the run: see [operators.Take].
func (s Stream[T]) Take(n int) Stream[T] { return s.Via(operators.Take[T](n)) }

// TakeWhile lets values through until keep is false for one, and then ends the run: see
// [operators.TakeWhile].
func (s Stream[T]) TakeWhile(keep func(T) bool) Stream[T] { return s.Via(operators.TakeWhile(keep)) }

// Skip drops the first n values: see [operators.Skip].
func (s Stream[T]) Skip(n int) Stream[T] { return s.Via(operators.Skip[T](n)) }

// Scan gathers values into one, and emits for each what was gathered up to it: see [operators.Scan].
func (s Stream[T]) Scan[A any](init func() A, f func(A, T) A) Stream[A] {
	return s.Via(operators.Scan(init, f))
}

// Reduce gathers all values into one, and emits it at the end of the input: see [operators.Reduce].
func (s Stream[T]) Reduce[A any](init func() A, f func(A, T) A) Stream[A] {
	return s.Via(operators.Reduce(init, f))
}

// Throttle lets values through at a rate, up to burst at once: see [operators.Throttle].
func (s Stream[T]) Throttle(perSecond float64, burst int) Stream[T] {
	return s.Via(operators.Throttle[T](perSecond, burst))
}

// Debounce emits a value when no other has come for a while: see [operators.Debounce].
func (s Stream[T]) Debounce(quiet time.Duration) Stream[T] {
	return s.Via(operators.Debounce[T](quiet))
}

// Sample emits at fixed times the latest value that has come: see [operators.Sample].
func (s Stream[T]) Sample(every time.Duration) Stream[T] { return s.Via(operators.Sample[T](every)) }

// Flatten turns a stream of slices into one of their values: see [operators.Flatten].
func Flatten[T any](s Stream[[]T]) Stream[T] { return s.Via(operators.Flatten[T]()) }

// Enrich joins each value with its row of a table, which is loaded anew each time that every has passed:
// see [operators.Enrich].
func (s Stream[T]) Enrich[K comparable, V, R any](every time.Duration, load func(context.Context) (map[K]V, error), key func(T) K, join func(v T, row V, found bool) R) Stream[R] {
	return s.Via(operators.Enrich(every, load, key, join))
}

// ParMap turns each value into another on n goroutines, in order: see [operators.ParMap].
func (s Stream[T]) ParMap[R any](n int, f func(context.Context, T) (R, error)) Stream[R] {
	return s.Via(operators.ParMap(n, f))
}

// ParMapUnordered turns each value into another on n goroutines, in any order: see
// [operators.ParMapUnordered].
func (s Stream[T]) ParMapUnordered[R any](n int, f func(context.Context, T) (R, error)) Stream[R] {
	return s.Via(operators.ParMapUnordered(n, f))
}
