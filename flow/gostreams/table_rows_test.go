package gostreams_test

import (
	"context"
	"strings"
	"time"

	"github.com/reugn/go-streams"
	streamflow "github.com/reugn/go-streams/flow"

	"github.com/rocketflow-io/rocketflow/flow/gostreams"
	"github.com/rocketflow-io/rocketflow/operators"
)

// item is a value that flows are given by pointer.
type item struct{ n int }

func twice(v int) []int { return []int{v, v} }

func add(v, sum int) int { return sum + v }

func total(vs []int) (sum int) {
	for _, v := range vs {
		sum += v
	}
	return sum
}

func valueByValue() []behaviour {
	one, two := &item{1}, &item{2}
	number := func(i *item) int { return i.n }
	isOne := func(i *item) bool { return i.n == 1 }
	both := func(i *item) []*item { return []*item{i, i} }
	newMap := func() streams.Flow { return streamflow.NewMap(double, 1) }
	newUpper := func() streams.Flow { return streamflow.NewMap(strings.ToUpper, 1) }
	newNumber := func() streams.Flow { return streamflow.NewMap(number, 1) }
	newParallel := func() streams.Flow { return streamflow.NewMap(double, 3) }
	newFilter := func() streams.Flow { return streamflow.NewFilter(even, 1) }
	newIsOne := func() streams.Flow { return streamflow.NewFilter(isOne, 1) }
	newFlatMap := func() streams.Flow { return streamflow.NewFlatMap(twice, 1) }
	newBoth := func() streams.Flow { return streamflow.NewFlatMap(both, 1) }
	newFlatten := func() streams.Flow { return streamflow.Flatten[int](1) }
	newPass := func() streams.Flow { return streamflow.NewPassThrough() }
	return []behaviour{
		{
			name: "map", in: []any{1, 2, 3}, want: []any{2, 4, 6},
			stock: newMap,
			inside: map[string]transform{
				"at most once": by(gostreams.AtMostOnce[int, int](newMap)),
				"one to one":   by(gostreams.OneToOne[int, int](newMap)),
				"enveloped": by(gostreams.Enveloped[int, int](func() streams.Flow {
					return streamflow.NewMap(gostreams.Lift(double), 1)
				})),
			},
			ours: func() streams.Flow { return gostreams.Flow(operators.Map(double)) },
		}, {
			name: "map of strings", in: []any{"a", "b"}, want: []any{"A", "B"},
			stock: newUpper,
			inside: map[string]transform{
				"at most once": by(gostreams.AtMostOnce[string, string](newUpper)),
				"one to one":   by(gostreams.OneToOne[string, string](newUpper)),
			},
			ours: func() streams.Flow { return gostreams.Flow(operators.Map(strings.ToUpper)) },
		}, {
			name: "map of pointers", in: []any{one, two}, want: []any{1, 2},
			stock:  newNumber,
			inside: map[string]transform{"one to one": by(gostreams.OneToOne[*item, int](newNumber))},
			ours:   func() streams.Flow { return gostreams.Flow(operators.Map(number)) },
		}, {
			name: "map in parallel", in: []any{1, 2, 3, 4}, want: []any{2, 4, 6, 8}, unordered: true,
			stock: newParallel,
			inside: map[string]transform{
				"at most once": by(gostreams.AtMostOnce[int, int](newParallel)),
				"enveloped": by(gostreams.Enveloped[int, int](func() streams.Flow {
					return streamflow.NewMap(gostreams.Lift(double), 3)
				})),
			},
			ours: func() streams.Flow {
				return gostreams.Flow(operators.ParMapUnordered(3, func(_ context.Context, v int) (int, error) { return double(v), nil }))
			},
		}, {
			name: "filter", in: []any{1, 2, 3, 4}, want: []any{2, 4},
			stock: newFilter,
			inside: map[string]transform{
				"at most once": by(gostreams.AtMostOnce[int, int](newFilter)),
				"enveloped": by(gostreams.Enveloped[int, int](func() streams.Flow {
					return streamflow.NewFilter(gostreams.LiftFilter(even), 1)
				})),
			},
			ours: func() streams.Flow { return gostreams.Flow(operators.Filter(even)) },
		}, {
			name: "filter of pointers", in: []any{one, two, one}, want: []any{one, one},
			stock:  newIsOne,
			inside: map[string]transform{"at most once": by(gostreams.AtMostOnce[*item, *item](newIsOne))},
			ours:   func() streams.Flow { return gostreams.Flow(operators.Filter(isOne)) },
		}, {
			name: "flat map", in: []any{1, 2}, want: []any{1, 1, 2, 2},
			stock: newFlatMap,
			inside: map[string]transform{
				"at most once": by(gostreams.AtMostOnce[int, int](newFlatMap)),
				"enveloped": by(gostreams.Enveloped[int, int](func() streams.Flow {
					return streamflow.NewFlatMap(gostreams.LiftFlatMap(twice), 1)
				})),
			},
			ours: func() streams.Flow { return gostreams.Flow(operators.FlatMap(twice)) },
		}, {
			name: "flat map of pointers", in: []any{one, two}, want: []any{one, one, two, two},
			stock:  newBoth,
			inside: map[string]transform{"at most once": by(gostreams.AtMostOnce[*item, *item](newBoth))},
			ours:   func() streams.Flow { return gostreams.Flow(operators.FlatMap(both)) },
		}, {
			name: "flatten", in: []any{[]int{1, 2}, []int{}, []int{3}}, want: []any{1, 2, 3},
			stock:  newFlatten,
			inside: map[string]transform{"at most once": by(gostreams.AtMostOnce[[]int, int](newFlatten))},
			ours:   func() streams.Flow { return gostreams.Flow(operators.Flatten[int]()) },
		}, {
			name: "pass through", in: []any{1, "a", one}, want: []any{1, "a", one},
			stock: newPass,
			inside: map[string]transform{
				"at most once": by(gostreams.AtMostOnce[any, any](newPass)),
				"one to one":   by(gostreams.OneToOne[any, any](newPass)),
				"enveloped":    by(gostreams.Enveloped[any, any](newPass)),
			},
			ours: func() streams.Flow { return gostreams.Flow(operators.Map(func(v any) any { return v })) },
		},
	}
}

func together() []behaviour {
	newFold := func() streams.Flow { return streamflow.NewFold(10, add) }
	newReduce := func() streams.Flow { return streamflow.NewReduce(func(sum, v int) int { return add(v, sum) }) }
	newBatch := func() streams.Flow { return streamflow.NewBatch[int](2, time.Hour) }
	newAged := func() streams.Flow { return streamflow.NewBatch[int](10, ms(50)) }
	scan := func(init int) func() streams.Flow {
		return func() streams.Flow {
			return gostreams.Flow(operators.Scan(func() int { return init }, func(sum, v int) int { return add(v, sum) }))
		}
	}
	return []behaviour{
		{
			name: "fold", in: []any{1, 2, 3}, want: []any{11, 13, 16},
			stock: newFold,
			inside: map[string]transform{
				"at most once": by(gostreams.AtMostOnce[int, int](newFold)),
				"one to one":   by(gostreams.OneToOne[int, int](newFold)),
			},
			ours: scan(10),
		}, {
			name: "reduce", in: []any{1, 2, 3}, want: []any{1, 3, 6},
			stock: newReduce,
			inside: map[string]transform{
				"at most once": by(gostreams.AtMostOnce[int, int](newReduce)),
				"one to one":   by(gostreams.OneToOne[int, int](newReduce)),
			},
			ours: scan(0),
		}, {
			name: "batch by count", in: []any{1, 2, 3, 4, 5}, want: []any{[]int{1, 2}, []int{3, 4}, []int{5}},
			stock: newBatch,
			inside: map[string]transform{
				"at most once": by(gostreams.AtMostOnce[int, []int](newBatch)),
				"enveloped": by(gostreams.EnvelopedBatches[int, []int](func() streams.Flow {
					return streamflow.NewBatch[*delivery](2, time.Hour)
				})),
			},
			ours: func() streams.Flow { return gostreams.Flow(operators.Batch[int, []int](2, time.Hour)) },
		}, {
			name: "batch by age", in: []any{1, 2, ms(120), 3}, want: []any{[]int{1, 2}, []int{3}},
			stock: newAged,
			inside: map[string]transform{
				"at most once": by(gostreams.AtMostOnce[int, []int](newAged)),
				"enveloped": by(gostreams.EnvelopedBatches[int, []int](func() streams.Flow {
					return streamflow.NewBatch[*delivery](10, ms(50))
				})),
			},
			ours: func() streams.Flow { return gostreams.Flow(operators.Batch[int, []int](10, ms(50))) },
		},
	}
}

func throttled() []behaviour {
	newThrottler := func() streams.Flow { return streamflow.NewThrottler(2, ms(10), 2, streamflow.Backpressure) }
	newDiscarding := func() streams.Flow { return streamflow.NewThrottler(2, ms(20), 1, streamflow.Discard) }
	return []behaviour{
		{
			name: "throttler", in: []any{1, 2, 3, 4, 5, 6, 7}, want: []any{1, 2, 3, 4, 5, 6, 7}, takes: ms(25),
			stock: newThrottler,
			inside: map[string]transform{
				"at most once": by(gostreams.AtMostOnce[int, int](newThrottler)),
				"one to one":   by(gostreams.OneToOne[int, int](newThrottler)),
			},
			ours: func() streams.Flow { return gostreams.Flow(operators.Throttle[int](200, 2)) },
		}, {
			// The third waits for the next period, and the fourth in the buffer. Ours discards nothing.
			name: "throttler that discards", in: []any{1, ms(1), 2, ms(1), 3, ms(1), 4, ms(1), 5, ms(1), 6}, want: []any{1, 2, 3, 4},
			stock:  newDiscarding,
			inside: map[string]transform{"at most once": by(gostreams.AtMostOnce[int, int](newDiscarding))},
		},
	}
}

func keyed() []behaviour {
	newKeyed := func(more ...func() streams.Flow) func() streams.Flow {
		batch := func() streams.Flow { return streamflow.NewBatch[int](2, time.Hour) }
		return func() streams.Flow {
			return streamflow.NewKeyed(even, append([]func() streams.Flow{batch}, more...)...)
		}
	}
	newSum := func() streams.Flow { return streamflow.NewMap(total, 1) }
	batches := func() *gostreams.Stage {
		return gostreams.Flow(operators.BatchKeyed[bool, int, []int](even, 2, time.Hour, 10))
	}
	return []behaviour{
		{
			name: "keyed batches", in: []any{1, 2, 3, 4, 5, 6, 7}, unordered: true,
			want:  []any{[]int{1, 3}, []int{2, 4}, []int{5, 7}, []int{6}},
			stock: newKeyed(),
			inside: map[string]transform{
				"at most once": by(gostreams.AtMostOnce[int, []int](newKeyed())),
				"enveloped": by(gostreams.EnvelopedBatches[int, []int](func() streams.Flow {
					return streamflow.NewKeyed(func(d *delivery) bool { return even(d.Value) }, func() streams.Flow {
						return streamflow.NewBatch[*delivery](2, time.Hour)
					})
				})),
			},
			ours: func() streams.Flow { return batches() },
		}, {
			name: "keyed, of several flows", in: []any{1, 2, 3, 4, 5, 6, 7}, unordered: true,
			want:   []any{12, 4, 6, 6},
			stock:  newKeyed(newSum),
			inside: map[string]transform{"at most once": by(gostreams.AtMostOnce[int, int](newKeyed(newSum)))},
			ours:   func() streams.Flow { return batches().Via(gostreams.Flow(operators.Map(total))) },
		},
	}
}
