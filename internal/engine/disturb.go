package engine

import (
	"context"
	"errors"

	"github.com/rocketflow-io/rocketflow/flow/stage"
)

// disturbedProcessor fails, or dawdles, before the operator that it stands for. It works on records
// one by one.
type disturbedProcessor[I any] struct {
	stage.Processor[I]
	disturb Disturbance
}

func (p disturbedProcessor[I]) Process(ctx context.Context, r stage.Record[I]) error {
	if err := p.disturb(ctx, r.Value, r.Info()); err != nil {
		return err
	}
	return p.Processor.Process(ctx, r)
}

// disturbedReader fails, or dawdles, before each read.
type disturbedReader[T any] struct {
	stage.Reader[T]
	disturb Disturbance
}

func (r disturbedReader[T]) Read(ctx context.Context) (stage.Batch[T], error) {
	if err := r.disturb(ctx, nil, stage.Info{}); err != nil {
		return stage.Batch[T]{}, err
	}
	return r.Reader.Read(ctx)
}

// disturbedWriter fails, or dawdles, for each value of a write, and writes the others.
type disturbedWriter[T any] struct {
	stage.Writer[T]
	disturb Disturbance
	ordered bool // the writer keeps the order of keys, and so must this one
}

func (w disturbedWriter[T]) Write(ctx context.Context, b stage.Batch[T]) error {
	var failed stage.BatchError
	broken := make(map[string]bool)
	var values []T
	var at []int
	for i, v := range b.Values {
		info := b.At(i)
		// Rule 8: a writer with ordered keys stops a key at its first failure.
		if w.ordered && broken[info.Key] {
			failed.Fail(i, stage.ErrHandedBack)
			continue
		}
		if err := w.disturb(ctx, v, info); err != nil {
			failed.Fail(i, err)
			broken[info.Key] = info.Key != ""
			continue
		}
		values, at = append(values, v), append(at, i)
	}
	if len(values) == 0 {
		return failed.OrNil()
	}
	err := w.Writer.Write(ctx, stage.Batch[T]{Values: values, Info: func(i int) stage.Info { return b.At(at[i]) }})
	return joinFailures(&failed, at, err)
}

// joinFailures adds to failures what a write of other values has told of those; at gives their places.
func joinFailures(failed *stage.BatchError, at []int, err error) error {
	var named *stage.BatchError
	switch {
	case err == nil:
	case errors.As(err, &named) && names(named, len(at)):
		for i, e := range named.Failed {
			failed.Fail(at[i], e)
		}
	case len(failed.Failed) == 0:
		return err
	default:
		for _, i := range at {
			failed.Fail(i, err)
		}
	}
	return failed.OrNil()
}
