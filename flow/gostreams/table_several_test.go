package gostreams_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/reugn/go-streams"
	"github.com/reugn/go-streams/extension"
	streamflow "github.com/reugn/go-streams/flow"
	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/flow"
	"github.com/rocketflow-io/rocketflow/flow/gostreams"
	"github.com/rocketflow-io/rocketflow/operators"
)

func stars(s string) []string { return []string{s + "*", s + "**"} }

func noA(s string) bool { return !strings.Contains(s, "A") }

// graph is a flow that is made of several, from the input of the first to the output of the last.
type graph struct {
	streams.Flow
	first streams.Flow
}

// In gives the input of the first.
func (g graph) In() chan<- any { return g.first.In() }

// graphOf makes a flow of what a function adds to its input.
func graphOf(build func(in streams.Outlet) streams.Flow) func() streams.Flow {
	return func() streams.Flow {
		first := streamflow.NewPassThrough()
		return graph{build(first), first}
	}
}

func several() []behaviour {
	newChain := func() streams.Flow {
		return gostreams.Chain(
			streamflow.NewMap(strings.ToUpper, 1), streamflow.NewPassThrough(), streamflow.NewFlatMap(stars, 1),
			streamflow.NewTumblingWindow[string](ms(20)), streamflow.Flatten[string](1),
			streamflow.NewThrottler(10, ms(20), 50, streamflow.Backpressure), streamflow.NewFilter(noA, 1))
	}
	newSplit := graphOf(func(in streams.Outlet) streams.Flow {
		branches := streamflow.Split(in, even)
		return streamflow.Merge(branches[0].Via(streamflow.NewMap(double, 1)), branches[1])
	})
	newFanOut := graphOf(func(in streams.Outlet) streams.Flow {
		branches := streamflow.FanOut(in, 2)
		return streamflow.Merge(branches[0].Via(streamflow.NewMap(double, 1)), branches[1])
	})
	newRoundRobin := graphOf(func(in streams.Outlet) streams.Flow {
		branches := streamflow.RoundRobin(in, 2)
		return streamflow.Merge(branches[0].Via(streamflow.NewMap(double, 1)), branches[1].Via(streamflow.NewMap(double, 1)))
	})
	newZip := graphOf(func(in streams.Outlet) streams.Flow {
		branches := streamflow.FanOut(in, 2)
		return streamflow.ZipWith(total, branches[0].Via(streamflow.NewMap(double, 1)), branches[1])
	})
	return []behaviour{
		{
			name: "a chain of many", in: []any{"a", "b", "c", ms(30), "d"}, want: []any{"B*", "B**", "C*", "C**", "D*", "D**"},
			stock:  newChain,
			inside: map[string]transform{"at most once": by(gostreams.AtMostOnce[string, string](newChain))},
			ours: func() streams.Flow {
				w := operators.Windowing[int, string]{
					Key: func(string) int { return 0 }, Windows: operators.Tumbling(ms(20)), Clock: operators.ProcessingTime[string](),
				}
				return gostreams.Chain(
					gostreams.Flow(operators.Map(strings.ToUpper)), gostreams.Flow(operators.FlatMap(stars)),
					gostreams.Flow(operators.Aggregate[int, string, []string, operators.Window[int, []string]](w, operators.Collected[string]())),
					gostreams.Flow(operators.Map(valuesOf[string])), gostreams.Flow(operators.Flatten[string]()),
					gostreams.Flow(operators.Throttle[string](500, 10)), gostreams.Flow(operators.Filter(noA)))
			},
		}, {
			name: "split and merge", in: []any{1, 2, 3, 4}, want: []any{1, 3, 4, 8}, unordered: true,
			stock:  newSplit,
			inside: map[string]transform{"at most once": by(gostreams.AtMostOnce[int, int](newSplit))},
		}, {
			name: "fan out and merge", in: []any{1, 2, 3}, want: []any{1, 2, 2, 3, 4, 6}, unordered: true,
			stock:  newFanOut,
			inside: map[string]transform{"at most once": by(gostreams.AtMostOnce[int, int](newFanOut))},
		}, {
			name: "round robin and merge", in: []any{1, 2, 3}, want: []any{2, 4, 6}, unordered: true,
			stock:  newRoundRobin,
			inside: map[string]transform{"at most once": by(gostreams.AtMostOnce[int, int](newRoundRobin))},
		}, {
			name: "zip", in: []any{1, 2, 3}, want: []any{3, 6, 9},
			stock:  newZip,
			inside: map[string]transform{"at most once": by(gostreams.AtMostOnce[int, int](newZip))},
		},
	}
}

// Streams of ours that part and meet, between a source and a sink of theirs.
func TestStreams_PartAndMeetBetweenTheirSourceAndSink(t *testing.T) {
	tests := []struct {
		name  string
		build func(flow.Stream[int]) flow.Stream[int]
		want  []any
	}{
		{"split and merge", func(s flow.Stream[int]) flow.Stream[int] {
			evens, odds := s.Partition(even)
			return flow.Merge(evens.Map(double), odds)
		}, []any{1, 3, 4, 8}},
		{"fan out and merge", func(s flow.Stream[int]) flow.Stream[int] {
			branches := s.Broadcast(2)
			return flow.Merge(branches[0].Map(double), branches[1])
		}, []any{1, 2, 2, 3, 4, 4, 6, 8}},
		{"round robin and merge", func(s flow.Stream[int]) flow.Stream[int] {
			turn := 0
			branches := s.Split(2, func(int) int { turn++; return turn % 2 })
			return flow.Merge(branches[0].Map(double), branches[1].Map(double))
		}, []any{2, 4, 6, 8}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			out := make(chan any, 10)
			p := test.build(flow.From(gostreams.From[int](given(1, 2, 3, 4)))).
				To(gostreams.To[int](func() streams.Sink { return extension.NewChanSink(out) }))
			require.NoError(t, p.Run(t.Context()))
			var got []any
			for e := range out {
				got = append(got, e)
			}
			require.ElementsMatch(t, test.want, got)
		})
	}
	t.Run("zip", func(t *testing.T) {
		out := make(chan any, 10)
		left, right := flow.From(gostreams.From[int](given(1, 2, 3))), flow.From(gostreams.From[int](given(10, 20, 30)))
		p := left.Zip(right).Map(func(p flow.Pair[int, int]) int { return p.Left + p.Right }).
			To(gostreams.To[int](func() streams.Sink { return extension.NewChanSink(out) }))
		require.NoError(t, p.Run(t.Context()))
		require.Equal(t, []any{11, 22, 33}, all(extension.NewChanSource(out)))
	})
}

// A stock flow panics where it is made with arguments that make no sense; ours tells when it is run.
func TestFlow_TellsOfArgumentsThatMakeNoSense(t *testing.T) {
	tests := map[string]struct {
		stock func() streams.Flow
		ours  *gostreams.Stage
	}{
		"batch of none":    {func() streams.Flow { return streamflow.NewBatch[int](0, time.Second) }, gostreams.Flow(operators.Batch[int, []int](-1, time.Second))},
		"no rate":          {func() streams.Flow { return streamflow.NewThrottler(0, time.Second, 1, streamflow.Backpressure) }, gostreams.Flow(operators.Throttle[int](0, 1))},
		"no buffer":        {func() streams.Flow { return streamflow.NewThrottler(1, time.Second, 0, streamflow.Backpressure) }, gostreams.Flow(operators.Throttle[int](1, 0))},
		"no parallelism":   {func() streams.Flow { return streamflow.NewMap(double, 0) }, gostreams.Flow(operators.ParMap(0, func(_ context.Context, v int) (int, error) { return v, nil }))},
		"windows of gaps":  {func() streams.Flow { return streamflow.NewSlidingWindow[int](ms(10), ms(20)) }, nil},
		"no flow for keys": {func() streams.Flow { return streamflow.NewKeyed[bool, int](even) }, nil},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			require.Panics(t, func() { test.stock() })
			if test.ours == nil {
				return
			}
			require.Empty(t, all(given(1).Via(test.ours)))
			require.Error(t, test.ours.Wait())
		})
	}
}
