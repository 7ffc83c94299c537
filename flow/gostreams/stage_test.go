package gostreams_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/reugn/go-streams"
	ext "github.com/reugn/go-streams/extension"
	streamflow "github.com/reugn/go-streams/flow"
	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/flow"
	"github.com/rocketflow-io/rocketflow/flow/gostreams"
	"github.com/rocketflow-io/rocketflow/operators"
)

func double(v int) int { return 2 * v }
func even(v int) bool  { return v%2 == 0 }

// The behaviour of go-streams' own flows, by our operators.
func TestFlow_BehavesAsStockFlowsDo(t *testing.T) {
	twice := func(v int) []int { return []int{v, v} }
	tests := []struct {
		name  string
		stage *gostreams.Stage
		in    []any
		want  []any
	}{
		{"map", gostreams.Flow(operators.Map(double)), []any{1, 2, 3}, []any{2, 4, 6}},
		{"map to another type", gostreams.Flow(operators.Map(strings.ToUpper)), []any{"a", "b"}, []any{"A", "B"}},
		{"filter", gostreams.Flow(operators.Filter(even)), []any{1, 2, 3, 4}, []any{2, 4}},
		{"flat map", gostreams.Flow(operators.FlatMap(twice)), []any{1, 2}, []any{1, 1, 2, 2}},
		{"pass through", gostreams.Flow(operators.Map(func(e any) any { return e })), []any{1, "a"}, []any{1, "a"}},
		{"batch by count, and the rest at the end", gostreams.Flow(operators.Batch[int, []int](2, 0)), []any{1, 2, 3},
			[]any{[]int{1, 2}, []int{3}}},
		{"parallel map in order", gostreams.Flow(operators.ParMap(4, func(_ context.Context, v int) (int, error) {
			return double(v), nil
		})), []any{1, 2, 3}, []any{2, 4, 6}},
		{"nothing", gostreams.Flow(operators.Map(double)), nil, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := all(given(test.in...).Via(test.stage))
			require.Equal(t, test.want, got)
			require.NoError(t, test.stage.Wait())
		})
	}
}

func TestFlow_WorksAmongStockFlows(t *testing.T) {
	t.Run("between", func(t *testing.T) {
		s := gostreams.Flow(operators.Map(double))
		out := given(1, 2, 3).
			Via(streamflow.NewMap(func(v int) int { return v + 1 }, 1)).
			Via(s).
			Via(streamflow.NewFilter(func(v int) bool { return v > 4 }, 1))
		require.Equal(t, []any{6, 8}, all(out))
		require.NoError(t, s.Wait())
	})
	t.Run("split and merge", func(t *testing.T) {
		branches := streamflow.Split(given(1, 2, 3, 4), even)
		evens, odds := gostreams.Flow(operators.Map(double)), gostreams.Flow(operators.Map(func(v int) int { return -v }))
		merged := streamflow.Merge(branches[0].Via(evens), branches[1].Via(odds))
		require.ElementsMatch(t, []any{4, 8, -1, -3}, all(merged))
	})
	t.Run("fan out", func(t *testing.T) {
		var got []any
		branches := streamflow.FanOut(given(1, 2), 2)
		merged := streamflow.Merge(branches[0].Via(gostreams.Flow(operators.Map(double))),
			branches[1].Via(gostreams.Flow(operators.Map(double))))
		got = all(merged)
		require.ElementsMatch(t, []any{2, 2, 4, 4}, got)
	})
	t.Run("one for each key", func(t *testing.T) {
		pairs := func() streams.Flow { return gostreams.Flow(operators.Batch[int, []int](2, 0)) }
		out := given(1, 2, 3, 4, 5, 6).Via(streamflow.NewKeyed(even, pairs))
		require.ElementsMatch(t, []any{[]int{1, 3}, []int{5}, []int{2, 4}, []int{6}}, all(out))
	})
	t.Run("zipped", func(t *testing.T) {
		sum := func(vs []int) int { return vs[0] + vs[1] }
		out := streamflow.ZipWith(sum, given(1, 2).Via(gostreams.Flow(operators.Map(double))),
			given(10, 20).Via(gostreams.Flow(operators.Map(double))))
		require.Equal(t, []any{22, 44}, all(out))
	})
	t.Run("flattened and reduced", func(t *testing.T) {
		out := given(1, 2, 3).Via(gostreams.Flow(operators.Batch[int, []int](2, 0))).
			Via(streamflow.Flatten[int](1)).
			Via(streamflow.NewReduce(func(a, b int) int { return a + b }))
		require.Equal(t, []any{1, 3, 6}, all(out))
	})
	t.Run("to a stock sink", func(t *testing.T) {
		out := make(chan any, 3)
		given(1, 2, 3).Via(gostreams.Flow(operators.Map(double))).To(ext.NewChanSink(out))
		var got []any
		for e := range out {
			got = append(got, e)
		}
		require.Equal(t, []any{2, 4, 6}, got)
	})
}

// Age counts from the first member. A stock Batch counts from the last one, and gives nothing here.
func TestFlow_BatchesByAgeUnderSteadyInput(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in := make(chan any)
		go func() {
			defer close(in)
			for i := range 5 {
				in <- i
				time.Sleep(20 * time.Millisecond)
			}
		}()
		out := ext.NewChanSource(in).Via(gostreams.Flow(operators.Batch[int, []int](1000, 50*time.Millisecond)))
		require.Equal(t, []any{[]int{0, 1, 2}, []int{3, 4}}, all(out))
	})
}

func TestFlow_FusesNeighbours(t *testing.T) {
	before := runtime.NumGoroutine()
	a := gostreams.Flow(operators.Map(double))
	b := gostreams.Flow(operators.Filter(func(v int) bool { return v > 2 }))
	c := gostreams.Flow(operators.Map(func(v int) string { return fmt.Sprint(v) }))
	last := a.Via(b).Via(c)
	require.Equal(t, before, runtime.NumGoroutine(), "nothing is started before there is an output")
	require.Equal(t, a.In(), last.In())
	require.Equal(t, a.Out(), last.Out())

	in := a.In()
	in <- 1
	in <- 2
	close(in)
	require.Equal(t, []any{"4"}, all(last))
	require.NoError(t, a.Wait())
	require.NoError(t, c.Err())
}

func TestFlow_FusesAcrossTypes(t *testing.T) {
	a := gostreams.Flow(operators.Map(func(v int) any {
		if v == 2 {
			return "two"
		}
		return v
	}))
	b := gostreams.Flow(operators.Map(double))
	require.Equal(t, []any{2, 6}, all(given(1, 2, 3).Via(a).Via(b)))
	var wrong *gostreams.TypeError
	require.ErrorAs(t, b.Wait(), &wrong)
	require.Equal(t, "string", wrong.Got)
}

func TestFlow_DoesNotFuseWhatIsInUse(t *testing.T) {
	a, b := gostreams.Flow(operators.Map(double)), gostreams.Flow(operators.Map(double))
	b.In() <- 1
	require.Equal(t, []any{2, 8}, all(given(2).Via(a).Via(b)), "what was in b's input comes first")
	require.NoError(t, b.Wait())
}

func TestFlow_TakesTheWrongTypeForAFailure(t *testing.T) {
	t.Run("and reports it", func(t *testing.T) {
		s := gostreams.Flow(operators.Map(double))
		require.Equal(t, []any{2, 6}, all(given(1, "x", nil, 3).Via(s)))
		var failed *gostreams.FailedError
		require.ErrorAs(t, s.Wait(), &failed)
		require.Equal(t, 2, failed.Count)
		require.EqualError(t, failed.First, "gostreams: value of type string: the stage takes int: convert it before")
	})
	t.Run("for a function", func(t *testing.T) {
		var got []any
		s := gostreams.Flow(operators.Map(double), gostreams.WithFailures(func(v any, err error) {
			got = append(got, v, err)
		}))
		require.Equal(t, []any{2}, all(given(1, "x").Via(s)))
		require.NoError(t, s.Wait())
		require.Equal(t, "x", got[0])
	})
	t.Run("or skips it", func(t *testing.T) {
		s := gostreams.Flow(operators.Map(double), gostreams.WithPolicy(flow.Skip()))
		require.Equal(t, []any{2}, all(given(1, "x").Via(s)))
		require.NoError(t, s.Wait())
	})
}

func TestFlow_SurvivesAPanic(t *testing.T) {
	s := gostreams.Flow(operators.Map(func(v int) int { return 6 / v }))
	require.Equal(t, []any{6, 3}, all(given(1, 0, 2).Via(s)))
	require.ErrorContains(t, s.Wait(), "divide by zero")
}

func TestFlow_ReadsOnAfterAFatalError(t *testing.T) {
	bad := errors.New("bad")
	s := gostreams.Flow(operators.TryMap(func(_ context.Context, v int) (int, error) {
		if v == 1 {
			return 0, bad
		}
		return v, nil
	}), gostreams.WithPolicy(flow.Stop()))
	in := make(chan any) // a stock source blocks here until someone reads
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		for i := range 1000 {
			in <- i
		}
		close(in)
	}()
	all(ext.NewChanSource(in).Via(s))
	<-sent
	require.ErrorIs(t, s.Wait(), bad)
}

func TestFlow_EndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		s := gostreams.Flow(operators.Batch[int, []int](10, 0), gostreams.WithContext(ctx))
		in, out := s.In(), s.Out()
		in <- 1
		cancel()
		time.Sleep(gostreams.DefaultGrace - time.Second)
		in <- 2 // was on its way when the context ended
		require.Equal(t, []int{1, 2}, <-out, "what it held, when the grace is over")
		_, open := <-out
		require.False(t, open)
		in <- 3
		close(in)
		require.ErrorIs(t, s.Wait(), gostreams.ErrEnded)
	})
}
