package operators

import (
	"context"

	"github.com/rocketflow-io/rocketflow/flow/stage"
)

// Map turns each value into another.
//
//	in   --a---b---c--|
//	out  --A---B---C--|
//
// What it promises:
//   - Emits: one value for each.
//   - Order: kept.
//   - Holds: nothing.
//   - Settles: moves the duty to the result (rule 2).
//   - Drain: has nothing to emit.
//   - Fails: by a panic of f alone.
func Map[I, O any](f func(I) O) stage.Operator[I, O] { return mapping[I, O]{f} }

// TryMap turns each value into another, by a function that may fail.
//
//	in   --a---b---c--|
//	out  --A---x---C--|
//
// What it promises:
//   - Emits: one value for each that did not fail.
//   - Order: kept, but a record that waits for a retry is overtaken, unless it has a key (rule 8).
//   - Holds: nothing.
//   - Settles: moves the duty to the result (rule 2).
//   - Drain: has nothing to emit.
//   - Fails: when f does; the record then goes by the stage's policy.
func TryMap[I, O any](f func(context.Context, I) (O, error)) stage.Operator[I, O] {
	return tryMapping[I, O]{f}
}

type mapping[I, O any] struct{ f func(I) O }

var _ stage.Operator[int, string] = mapping[int, string]{}

func (m mapping[I, O]) Describe() stage.Description {
	return stage.Description{Name: "map", Problem: missing(m.f == nil, "map")}
}

func (m mapping[I, O]) Start(_ stage.Runtime, next stage.Emitter[O]) (stage.Processor[I], error) {
	return &mapper[I, O]{f: m.f, next: next}, nil
}

type mapper[I, O any] struct {
	stateless
	f    func(I) O
	next stage.Emitter[O]
}

func (m *mapper[I, O]) Process(ctx context.Context, r stage.Record[I]) error {
	m.next.Emit(ctx, r.With(m.f(r.Value)))
	return nil
}

func (m *mapper[I, O]) ProcessChunk(_ context.Context, c *stage.Chunk[I, O]) error {
	f, in := m.f, c.In
	for i := c.At; i < len(in); i++ {
		c.At = i
		r := &in[i]
		c.Out = append(c.Out, stage.Record[O]{Value: f(r.Value), Duty: r.Duty})
	}
	return nil
}

type tryMapping[I, O any] struct {
	f func(context.Context, I) (O, error)
}

var _ stage.Operator[int, string] = tryMapping[int, string]{}

func (m tryMapping[I, O]) Describe() stage.Description {
	return stage.Description{Name: "map", Fallible: true, Problem: missing(m.f == nil, "map")}
}

func (m tryMapping[I, O]) Start(_ stage.Runtime, next stage.Emitter[O]) (stage.Processor[I], error) {
	return &tryMapper[I, O]{f: m.f, next: next}, nil
}

type tryMapper[I, O any] struct {
	stateless
	f    func(context.Context, I) (O, error)
	next stage.Emitter[O]
}

func (m *tryMapper[I, O]) Process(ctx context.Context, r stage.Record[I]) error {
	out, err := m.f(ctx, r.Value)
	if err != nil {
		return err
	}
	m.next.Emit(ctx, r.With(out))
	return nil
}

func (m *tryMapper[I, O]) ProcessChunk(ctx context.Context, c *stage.Chunk[I, O]) error {
	for i := c.At; i < len(c.In); i++ {
		c.At = i
		r := &c.In[i]
		out, err := m.f(ctx, r.Value)
		if err != nil {
			return err
		}
		c.Out = append(c.Out, stage.Record[O]{Value: out, Duty: r.Duty})
	}
	return nil
}
