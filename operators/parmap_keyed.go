package operators

import (
	"context"
	"hash/maphash"

	"github.com/rocketflow-io/rocketflow/flow/stage"
)

// ParMapKeyed turns each value into another on n goroutines: values of one key one at a time and in order,
// those of different keys independently of each other.
//
//	in   --a1-a2-b1-b2-------|
//	         f(a1) is slow
//	out  --------b1-b2-a1-a2-|
//
// What it promises:
//   - Emits: one value for each that did not fail.
//   - Order: kept for values of one key, also while one waits for a retry: those of its key wait behind it,
//     and no others (rule 9). One that is handed back is passed by; it comes again when its source
//     delivers it again.
//   - Holds: at most 4n records, while f works on them or they wait for a goroutine; besides those that
//     wait for their key, as many as the sources may have in the pipeline. A key is forgotten when nothing
//     of it is here.
//   - Settles: moves the duty to the result (rule 2).
//   - Drain: waits for f to return.
//   - Fails: when f does, by itself; others go on (rule 9). Fails to build if n < 1.
func ParMapKeyed[K comparable, I, O any](n int, key func(I) K, f func(context.Context, I) (O, error)) stage.Operator[I, O] {
	return keyedMapping[K, I, O]{parMapping[I, O]{n: n, f: f}, key}
}

type keyedMapping[K comparable, I, O any] struct {
	parMapping[I, O]
	key func(I) K
}

var _ stage.Operator[int, string] = keyedMapping[string, int, string]{}

func (m keyedMapping[K, I, O]) Describe() stage.Description {
	d := m.parMapping.Describe()
	d.PerKey = true
	if d.Problem == nil {
		d.Problem = missing(m.key == nil, "parallel map by key")
	}
	return d
}

func (m keyedMapping[K, I, O]) Start(rt stage.Runtime, next stage.Emitter[O]) (stage.Processor[I], error) {
	work := worker[I, O]{f: m.f, disturb: stage.Disturbance(rt)}
	return &keyedMapper[K, I, O]{startUnordered(m.n, rt, next, work), m.key, maphash.MakeSeed()}, nil
}

// keyedMapper works on what it is given: it is given one value of a key at a time.
type keyedMapper[K comparable, I, O any] struct {
	stage.Processor[I]
	key  func(I) K
	seed maphash.Seed
}

var _ stage.Keyer[int] = (*keyedMapper[string, int, string])(nil)

func (m *keyedMapper[K, I, O]) KeyOf(v I) uint64 { return maphash.Comparable(m.seed, m.key(v)) }
