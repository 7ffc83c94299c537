package operators

import "github.com/rocketflow-io/rocketflow/flow/stage"

// Flatten turns each slice into its values.
//
//	in   --[a b]---[]---[c]--|
//	out  --a-b----------c----|
//
// What it promises:
//   - Emits: the values of each slice.
//   - Order: kept.
//   - Holds: nothing.
//   - Settles: the record, when all its values have; done if there are none (rule 2).
//   - Drain: has nothing to emit.
//   - Fails: never.
func Flatten[T any]() stage.Operator[[]T, T] { return flattening[T]{} }

type flattening[T any] struct{}

var _ stage.Operator[[]int, int] = flattening[int]{}

func (flattening[T]) Describe() stage.Description {
	return stage.Description{Name: "flatten", Settles: settlesWithAll}
}

func (flattening[T]) Start(_ stage.Runtime, next stage.Emitter[T]) (stage.Processor[[]T], error) {
	return &flatMapper[[]T, T]{next: next, f: func(values []T) []T { return values }}, nil
}
