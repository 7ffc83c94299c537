package operators

import (
	"container/list"
	"context"
	"fmt"
	"math"
	"time"

	"github.com/rocketflow-io/rocketflow/flow/stage"
)

// DefaultBatchKeys is how many keys the Batch of a keyed stream gathers for at once.
const DefaultBatchKeys = 1024

// BatchKeyed groups values of one key into slices of n, or of what came within age of the first of them,
// whichever is complete sooner. It gathers for at most so many keys at once: a value of one more sends
// out the slice that was begun first.
//
//	in   --a1-b1-a2-c1-------------|
//	           n=2 |--- age ---|
//	out  --------[a1 a2]-[b1]--[c1]|
//
// What it promises:
//   - Emits: at n values of a key, at age, for want of room (counted as evicted), at the end of the
//     input; never an empty slice, and never values of several keys in one.
//   - Order: kept in each key. Slices leave in the order in which they are complete.
//   - Holds: at most n values for each of keys keys, each for at most age; age must fit the lease. A key is
//     forgotten with its slice.
//   - Settles: each member when its slice is, with the same outcome (rule 3).
//   - Drain: emits what it holds, what was begun first first.
//   - Fails: to build, if n or keys < 1, or age < 0. With age 0 only the count matters.
func BatchKeyed[K comparable, T any, B interface{ []T }](key func(T) K, n int, age time.Duration, keys int) stage.Operator[T, B] {
	return keyedBatching[K, T, B]{key, n, age, keys}
}

type keyedBatching[K comparable, T any, B interface{ []T }] struct {
	key  func(T) K
	n    int
	age  time.Duration
	keys int
}

var _ stage.Operator[int, []int] = keyedBatching[string, int, []int]{}

func (b keyedBatching[K, T, B]) Describe() stage.Description {
	d := stage.Description{
		Name: "batch", Unordered: true, PerKey: true, Holds: b.n != 1, HoldsFor: b.age,
		Settles: settlesWithBatch, Problem: missing(b.key == nil, "batch by key"),
	}
	switch {
	case b.n < 1 || b.keys < 1 || b.age < 0:
		d.Problem = fmt.Errorf("operators: batch by key: %d values of each of %d keys within %v: both numbers must be at least 1, and the age not negative", b.n, b.keys, b.age)
	case b.n > math.MaxInt32/b.keys:
		d.HoldsMost = math.MaxInt32
	default:
		d.HoldsMost = b.n * b.keys
	}
	return d
}

func (b keyedBatching[K, T, B]) Start(rt stage.Runtime, next stage.Emitter[B]) (stage.Processor[T], error) {
	return &keyedBatcher[K, T, B]{keyedBatching: b, rt: rt, next: next, at: make(map[K]*list.Element)}, nil
}

// keyedBatcher holds the slices that are being filled.
type keyedBatcher[K comparable, T any, B interface{ []T }] struct {
	keyedBatching[K, T, B]
	rt   stage.Runtime
	next stage.Emitter[B]

	open list.List           // of *filling[K, T], in the order in which they were begun
	at   map[K]*list.Element // of open
	stop func() bool         // ends the timer for the first of them; nil if there is none
}

// filling is the slice of a key.
type filling[K comparable, T any] struct {
	key    K
	values []T
	duties []stage.Duty
	begun  time.Time
}

func (b *keyedBatcher[K, T, B]) Process(ctx context.Context, r stage.Record[T]) error {
	key := b.key(r.Value)
	if b.n == 1 || key != key { // what equals nothing, such as NaN, is alone of its key
		b.next.Emit(ctx, stage.Join(B([]T{r.Value}), []stage.Duty{r.Duty}))
		return nil
	}
	e, ok := b.at[key]
	if !ok {
		e = b.begin(ctx, key)
	}
	// Rule 3: the slice holds the duty of each member.
	f := e.Value.(*filling[K, T])
	f.values = append(f.values, r.Value)
	f.duties = append(f.duties, r.Duty)
	if len(f.values) >= b.n {
		b.emit(ctx, e)
	}
	return nil
}

// begin makes room for another key.
func (b *keyedBatcher[K, T, B]) begin(ctx context.Context, key K) *list.Element {
	if b.open.Len() >= b.keys {
		b.rt.Count("evicted", 1)
		b.emit(ctx, b.open.Front())
	}
	e := b.open.PushBack(&filling[K, T]{key: key, begun: b.rt.Now()})
	b.at[key] = e
	b.watch()
	return e
}

// watch sets the timer for the first of the slices, unless it is set. A slice that is complete sooner
// leaves it set, to be set anew when it is over.
func (b *keyedBatcher[K, T, B]) watch() {
	if b.age == 0 || b.stop != nil || b.open.Len() == 0 {
		return
	}
	due := b.open.Front().Value.(*filling[K, T]).begun.Add(b.age)
	b.stop = b.rt.After(due.Sub(b.rt.Now()), func(ctx context.Context) {
		b.stop = nil
		for e := b.open.Front(); e != nil && !b.rt.Now().Before(e.Value.(*filling[K, T]).begun.Add(b.age)); e = b.open.Front() {
			b.emit(ctx, e)
		}
		b.watch()
	})
}

func (b *keyedBatcher[K, T, B]) emit(ctx context.Context, e *list.Element) {
	f := b.open.Remove(e).(*filling[K, T])
	delete(b.at, f.key)
	b.next.Emit(ctx, stage.Join(B(f.values), f.duties))
}

func (b *keyedBatcher[K, T, B]) Drain(ctx context.Context) error {
	for e := b.open.Front(); e != nil; e = b.open.Front() {
		b.emit(ctx, e)
	}
	if b.stop != nil {
		b.stop()
		b.stop = nil
	}
	return nil
}
