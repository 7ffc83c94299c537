package book

import (
	"context"
	"errors"

	"github.com/rocketflow-io/rocketflow/flow/stage"
)

// observed is a source whose records are shown to a book.
type observed[T any] struct {
	stage.Source[T]
	read func(values []T)       // sees the values of a read, and may change them
	done func(values []T) error // hears of values that are done, before the source does
	lost func(values []T)       // hears that the source did not take that; nil if nobody cares
}

// SourceTraits gives those of the source.
func (o observed[T]) SourceTraits() stage.SourceTraits { return traitsOf(o.Source) }

// Open opens the source.
func (o observed[T]) Open(ctx context.Context) (stage.Reader[T], error) {
	r, err := o.Source.Open(ctx)
	if err != nil {
		return nil, err
	}
	return &observedReader[T]{Reader: r, source: o}, nil
}

func traitsOf(v any) stage.SourceTraits {
	if d, ok := v.(stage.SourceDescriber); ok {
		return d.SourceTraits()
	}
	return stage.SourceTraits{}
}

type observedReader[T any] struct {
	stage.Reader[T]
	source observed[T]
}

// SourceTraits gives those of the reader, and of the source if the reader has none.
func (r *observedReader[T]) SourceTraits() stage.SourceTraits {
	if d, ok := r.Reader.(stage.SourceDescriber); ok {
		return d.SourceTraits()
	}
	return traitsOf(r.source.Source)
}

// Read puts the book between the pipeline and the source's own settler.
func (r *observedReader[T]) Read(ctx context.Context) (stage.Batch[T], error) {
	b, err := r.Reader.Read(ctx)
	if len(b.Values) > 0 {
		r.source.read(b.Values)
		b.Settler = &observedBatch[T]{source: r.source, values: b.Values, next: b.Settler}
	}
	return b, err
}

type observedBatch[T any] struct {
	source observed[T]
	values []T
	next   stage.Settler // nil if the source wants no outcomes
}

// Settle tells the book first: what it has not noted is not acknowledged, and comes again.
func (b *observedBatch[T]) Settle(ctx context.Context, outcomes []stage.Outcome) error {
	if err := b.source.done(b.done(outcomes, nil)); err != nil {
		return err
	}
	if b.next == nil {
		return nil
	}
	err := b.next.Settle(ctx, outcomes)
	if err != nil && b.source.lost != nil {
		b.source.lost(b.done(outcomes, err))
	}
	return err
}

// done gives the values that are done: of an error those that it names as lost, or all if it names
// none.
func (b *observedBatch[T]) done(outcomes []stage.Outcome, err error) []T {
	var some *stage.BatchError
	named := errors.As(err, &some)
	done := make([]T, 0, len(outcomes))
	for _, o := range outcomes {
		if o.Err == nil && (!named || some.Failed[o.Index] != nil) {
			done = append(done, b.values[o.Index])
		}
	}
	return done
}
