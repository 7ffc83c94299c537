//go:build !race

// The race detector has a heap of its own.

package flow_test

import (
	"context"
	"io"
	"runtime"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/flow"
	"github.com/rocketflow-io/rocketflow/flow/stage"
	"github.com/rocketflow-io/rocketflow/operators"
	"github.com/rocketflow-io/rocketflow/state"
)

const (
	stepRecords = 100              // that come each second
	stepsToWarm = 1500             // until all that is kept for a time is let go, and maps are as large as they get
	stepsToTell = 1500             // from then to the end
	keysStep    = stepRecords / 10 // keys that begin and end each second
	// mayGrow is what the heap may differ by, by chance: 4 bytes a record.
	mayGrow = 4 * stepRecords * stepsToTell
)

// passage is a source of records each second, of keys that come and go. It measures the process when all
// has come to rest after the first steps, and after the last.
type passage struct {
	redelivers bool
	next       int

	heap       [2]int64
	goroutines [2]int
}

func (p *passage) SourceTraits() stage.SourceTraits {
	t := stage.SourceTraits{Name: "passage"}
	if p.redelivers {
		t.Redelivers, t.Lease = true, 2*time.Minute
	}
	return t
}

func (p *passage) Open(context.Context) (stage.Reader[int], error) { return p, nil }

func (p *passage) Read(context.Context) (stage.Batch[int], error) {
	switch p.next {
	case stepRecords * stepsToWarm:
		p.measure(0)
	case stepRecords * (stepsToWarm + stepsToTell):
		p.measure(1)
		return stage.Batch[int]{}, io.EOF
	}
	time.Sleep(time.Second)
	values := make([]int, stepRecords)
	for i := range values {
		values[i] = p.next
		p.next++
	}
	b := stage.Batch[int]{Values: values, Settler: settled{}, Info: func(i int) stage.Info {
		return stage.Info{ID: strconv.Itoa(values[i]), Attempt: 1}
	}}
	if p.redelivers {
		b.Expires = time.Now().Add(2 * time.Minute)
	}
	return b, nil
}

func (p *passage) Close(context.Context) error { return nil }

func (p *passage) measure(i int) {
	time.Sleep(30 * time.Second)
	synctest.Wait()
	for range 3 { // what pools hold is free after the second
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	p.heap[i], p.goroutines[i] = int64(m.HeapAlloc), runtime.NumGoroutine()
}

type settled struct{}

func (settled) Settle(context.Context, []stage.Outcome) error { return nil }

// nothing is a sink that keeps nothing.
type nothing[T any] struct{}

func (n nothing[T]) Open(context.Context) (stage.Writer[T], error) { return n, nil }
func (nothing[T]) Write(context.Context, stage.Batch[T]) error     { return nil }
func (nothing[T]) Close(context.Context) error                     { return nil }

// remembering is what keeps more on a source that redelivers, and so is tried on one that does not as well.
var remembering = map[string]bool{
	"tumbling": true, "sliding": true, "sessions": true, "counts": true, "dedupe": true, "inner join": true, "outer join": true, "table": true,
}

// Memory and goroutines do not grow with the records that have been processed, nor with keys that are over:
// of each kind of operator.
func TestPipelines_DoNotGrowWithWhatTheyHaveProcessed(t *testing.T) {
	for name, build := range growing() {
		for _, redelivers := range []bool{false, true} {
			if !redelivers && !remembering[name] {
				continue
			}
			t.Run(name+", redelivers "+strconv.FormatBool(redelivers), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					src := &passage{redelivers: redelivers}
					require.NoError(t, build(flow.From(src)).Run(t.Context()))
					require.Equal(t, src.goroutines[0], src.goroutines[1], "goroutines")
					require.Less(t, src.heap[1]-src.heap[0], int64(mayGrow), "bytes that are alive")
				})
			})
		}
	}
}

func growing() map[string]func(flow.Stream[int]) *flow.Pipeline {
	same := func(_ context.Context, v int) (int, error) { return v, nil }
	key := func(v int) int { return v / (stepRecords / keysStep) }
	when := func(v int) time.Time { return time.Unix(int64(v/stepRecords), int64(v%stepRecords)) }
	clock := flow.EventTime(when, time.Second)
	add := func(a, b int) int { return a + b }
	none := func() int { return 0 }
	windows := func(s flow.Stream[int], w flow.Windows) *flow.Pipeline {
		return s.KeyBy(key).Window(w, clock).AllowedLateness(5*time.Second).Early(time.Second).DropLate().
			AggMerge(none, add, add).To(nothing[flow.Window[int, int]]{})
	}
	id := func(v int) string { return strconv.Itoa(v) }
	// Half of the values are joined, with several partners or with none: the maps of what is known get as
	// large as they do only after a while, so they are to be small.
	joined := func(s flow.Stream[int], join func(flow.Joined[int, int, int]) flow.Stream[int]) *flow.Pipeline {
		both := s.Broadcast(2)
		left := both[0].Filter(func(v int) bool { return v%4 == 0 }).KeyBy(key)
		right := both[1].Filter(func(v int) bool { return v%4 == 1 && key(v)%7 != 0 }).KeyBy(key)
		return join(left.Join(right, flow.Within(time.Second, time.Second), clock, clock).DropLate()).To(nothing[int]{})
	}
	return map[string]func(flow.Stream[int]) *flow.Pipeline{
		"chain": func(s flow.Stream[int]) *flow.Pipeline {
			return s.Map(func(v int) int { return v }).TryMap(same).Filter(func(int) bool { return true }).
				FlatMap(func(v int) []int { return []int{v, v} }).Tap(func(int) {}).Skip(10).Take(1<<40).
				TakeWhile(func(int) bool { return true }).Scan(none, add).To(nothing[int]{})
		},
		"parallel": func(s flow.Stream[int]) *flow.Pipeline {
			return s.Async().ParMap(4, same).ParMapUnordered(4, same).KeyBy(key).ParMap(4, same).To(nothing[int]{}, flow.Batched(50, time.Second))
		},
		"batches": func(s flow.Stream[int]) *flow.Pipeline {
			return flow.Flatten(flow.Flatten(s.KeyBy(key).Batch(7, 2*time.Second).Batch(3, time.Second))).To(nothing[int]{})
		},
		"pace": func(s flow.Stream[int]) *flow.Pipeline {
			return s.Throttle(1000, 100).Sample(time.Second).Debounce(100 * time.Millisecond).To(nothing[int]{})
		},
		"calls": func(s flow.Stream[int]) *flow.Pipeline {
			breaker := &operators.Breaker{}
			cached := operators.Cached(100, time.Minute, same)
			return s.ParMap(4, operators.Hedge(time.Second, operators.Timeout(time.Second, operators.CircuitBreaker(breaker, cached)))).To(nothing[int]{})
		},
		"fans": func(s flow.Stream[int]) *flow.Pipeline {
			both := s.Broadcast(3)
			odd, even := both[0].Partition(func(v int) bool { return v%2 == 1 })
			return flow.Join(flow.Merge(odd, even, both[1]).To(nothing[int]{}), both[2].Optional(100).To(nothing[int]{}))
		},
		"dedupe": func(s flow.Stream[int]) *flow.Pipeline {
			return s.Dedupe(id, state.NewMemory(), "seen", 10*time.Second).To(nothing[int]{})
		},
		"failures": func(s flow.Stream[int]) *flow.Pipeline {
			return s.TryMap(func(_ context.Context, v int) (int, error) {
				if v%10 == 0 {
					return 0, errTest
				}
				return v, nil
			}).OnError(flow.Retry(1, nil).Then(flow.DeadLetter(nothing[flow.Failure]{}))).To(nothing[int]{})
		},
		"inner join": func(s flow.Stream[int]) *flow.Pipeline {
			return joined(s, func(j flow.Joined[int, int, int]) flow.Stream[int] { return j.Inner(add) })
		},
		"outer join": func(s flow.Stream[int]) *flow.Pipeline {
			return joined(s, func(j flow.Joined[int, int, int]) flow.Stream[int] {
				return j.Outer(func(l, r *int) int { return 0 })
			})
		},
		"table": func(s flow.Stream[int]) *flow.Pipeline {
			both := s.Broadcast(2)
			row := func(v int) int { return v % 10 }
			table := both[1].KeyBy(row).Table(state.NewMemory(), "rows").Deletes(func(v int) bool { return v%20 == 0 }).Remember(3 * time.Minute)
			return both[0].KeyBy(row).JoinTable(table).WaitFor(time.Second).Inner(add).To(nothing[int]{})
		},
		"tumbling": func(s flow.Stream[int]) *flow.Pipeline { return windows(s, flow.Tumbling(10*time.Second)) },
		"sliding": func(s flow.Stream[int]) *flow.Pipeline {
			return windows(s, flow.Sliding(10*time.Second, 5*time.Second))
		},
		"sessions": func(s flow.Stream[int]) *flow.Pipeline { return windows(s, flow.Sessions(3*time.Second)) },
		"counts": func(s flow.Stream[int]) *flow.Pipeline {
			return s.KeyBy(func(v int) int { return v % 10 }).Window(flow.Counts(30), clock).
				Agg(none, add).To(nothing[flow.Window[int, int]]{})
		},
	}
}
