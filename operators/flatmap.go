package operators

import (
	"context"

	"github.com/rocketflow-io/rocketflow/flow/stage"
)

// FlatMap turns each value into any number of values.
//
//	in   --a------b---c------|
//	out  --A-A'-------C-C'---|
//
// What it promises:
//   - Emits: what f returned, when it has returned.
//   - Order: kept.
//   - Holds: nothing.
//   - Settles: the record, when all its values have; done if there are none (rule 2).
//   - Drain: has nothing to emit.
//   - Fails: by a panic of f alone.
func FlatMap[I, O any](f func(I) []O) stage.Operator[I, O] { return flatMapping[I, O]{f} }

// TryFlatMap turns each value into any number of values, by a function that may fail.
//
//	in   --a------b---c------|
//	out  --A-A'---x---C-C'---|
//
// What it promises:
//   - Emits: what f returned, when it has returned without error; else nothing (rule 9).
//   - Order: kept, but a record that waits for a retry is overtaken, unless it has a key (rule 8).
//   - Holds: nothing.
//   - Settles: the record, when all its values have; done if there are none (rule 2).
//   - Drain: has nothing to emit.
//   - Fails: when f does; the record then goes by the stage's policy.
func TryFlatMap[I, O any](f func(context.Context, I) ([]O, error)) stage.Operator[I, O] {
	return tryFlatMapping[I, O]{f}
}

// settlesWithAll is how a record settles of which any number of values come.
const settlesWithAll = "with all of its values, or as done if there are none"

type flatMapping[I, O any] struct{ f func(I) []O }

var _ stage.Operator[int, string] = flatMapping[int, string]{}

func (m flatMapping[I, O]) Describe() stage.Description {
	return stage.Description{Name: "flat map", Settles: settlesWithAll, Problem: missing(m.f == nil, "flat map")}
}

func (m flatMapping[I, O]) Start(_ stage.Runtime, next stage.Emitter[O]) (stage.Processor[I], error) {
	return &flatMapper[I, O]{f: m.f, next: next}, nil
}

type flatMapper[I, O any] struct {
	stateless
	f    func(I) []O
	next stage.Emitter[O]
}

func (m *flatMapper[I, O]) Process(ctx context.Context, r stage.Record[I]) error {
	emitAll(ctx, r, m.f(r.Value), m.next)
	return nil
}

type tryFlatMapping[I, O any] struct {
	f func(context.Context, I) ([]O, error)
}

var _ stage.Operator[int, string] = tryFlatMapping[int, string]{}

func (m tryFlatMapping[I, O]) Describe() stage.Description {
	return stage.Description{Name: "flat map", Fallible: true, Settles: settlesWithAll, Problem: missing(m.f == nil, "flat map")}
}

func (m tryFlatMapping[I, O]) Start(_ stage.Runtime, next stage.Emitter[O]) (stage.Processor[I], error) {
	return &tryFlatMapper[I, O]{f: m.f, next: next}, nil
}

type tryFlatMapper[I, O any] struct {
	stateless
	f    func(context.Context, I) ([]O, error)
	next stage.Emitter[O]
}

func (m *tryFlatMapper[I, O]) Process(ctx context.Context, r stage.Record[I]) error {
	outs, err := m.f(ctx, r.Value)
	if err != nil {
		return err
	}
	emitAll(ctx, r, outs, m.next)
	return nil
}

// emitAll emits what came of a record. Rule 2: all duties are taken before the first emission.
// Taken one by one they could reach zero early: the first value is emitted and settled, the
// record is acknowledged, and the others are lost with the process.
func emitAll[I, O any](ctx context.Context, r stage.Record[I], outs []O, next stage.Emitter[O]) {
	if len(outs) == 0 {
		r.Done()
		return
	}
	r.Retain(len(outs) - 1)
	rs := make([]stage.Record[O], len(outs))
	for i, out := range outs {
		rs[i] = r.With(out)
	}
	next.EmitAll(ctx, rs)
}
