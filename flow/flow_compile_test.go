package flow_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/flow"
	"github.com/rocketflow-io/rocketflow/sources"
	"github.com/rocketflow-io/rocketflow/state"
)

// TestStream_InfersTypesBuiltFromItsOwn has one call of each method whose result is a stream of a
// type built from the receiver's. Such a method takes the type as a parameter of its own, for the
// compiler to infer; without one it would be an instantiation cycle.
func TestStream_InfersTypesBuiltFromItsOwn(t *testing.T) {
	batches := flow.From(sources.Values(1, 2, 3)).Batch(2, time.Second)
	out := &collector[[][]int]{}
	require.NoError(t, batches.Batch(2, time.Second).To(out).Run(t.Context()))
	require.Equal(t, [][][]int{{{1, 2}, {3}}}, out.values())

	byKey := &collector[[]int]{}
	keyed := flow.From(sources.Values(1, 2, 3)).KeyBy(func(v int) int { return v % 2 })
	require.NoError(t, keyed.Batch(2, time.Second).To(byKey).Run(t.Context()))
	require.Equal(t, [][]int{{1, 3}, {2}}, byKey.values())

	sums, lists := &collector[flow.Window[bool, int]]{}, &collector[flow.Window[bool, []int]]{}
	windows := func() flow.Windowed[bool, int] {
		return flow.From(sources.Values(1, 2, 3)).KeyBy(func(v int) bool { return v%2 == 0 }).
			Window(flow.Sessions(time.Hour), flow.EventTime(func(v int) time.Time { return time.Unix(int64(v), 0) }, 0)).DropLate()
	}
	add := func(sum, v int) int { return sum + v }
	require.NoError(t, windows().AggMerge(func() int { return 0 }, add, add).To(sums).Run(t.Context()))
	require.Equal(t, 4, sums.values()[1].Value)
	require.NoError(t, windows().Collect().To(lists).Run(t.Context()))
	require.Equal(t, []int{1, 3}, lists.values()[1].Value)
	tumbling := flow.From(sources.Values(1, 2, 3)).KeyBy(func(v int) bool { return v%2 == 0 }).
		Window(flow.Tumbling(time.Hour), flow.ProcessingTime[int]())
	require.NoError(t, tumbling.Agg(func() int { return 0 }, add).To(sums).Run(t.Context()))

	kept := &collector[flow.Window[bool, []int]]{}
	require.NoError(t, windows().KeptIn(state.NewMemory(), "lists").Collect().To(kept).Run(t.Context()))
	require.ElementsMatch(t, lists.values(), kept.values())

	pairs := &collector[flow.Pair[int, string]]{}
	require.NoError(t, flow.From(sources.Values(1, 2)).Zip(flow.From(sources.Values("a", "b"))).To(pairs).Run(t.Context()))
	require.Equal(t, []flow.Pair[int, string]{{Left: 1, Right: "a"}, {Left: 2, Right: "b"}}, pairs.values())

	joined := func() flow.Joined[bool, int, string] {
		second := func(n int) time.Time { return time.Unix(int64(n), 0) }
		even := func(v int) bool { return v%2 == 0 }
		words := flow.From(sources.Values("a", "bb", "cccc")).KeyBy(func(s string) bool { return even(len(s)) })
		return flow.From(sources.Values(1, 2, 3)).KeyBy(even).Join(words, flow.Within(0, time.Second),
			flow.EventTime(second, 0), flow.EventTime(func(s string) time.Time { return second(len(s)) }, 0)).DropLate()
	}
	lens := &collector[int]{}
	require.NoError(t, joined().Inner(func(n int, s string) int { return 10*n + len(s) }).To(lens).Run(t.Context()))
	require.ElementsMatch(t, []int{11, 22}, lens.values())
	require.NoError(t, joined().Left(func(n int, s *string) int { return n }).To(&collector[int]{}).Run(t.Context()))
	require.NoError(t, joined().Outer(func(n *int, s *string) bool { return n == nil || s == nil }).To(&collector[bool]{}).Run(t.Context()))

	named := func() flow.TableJoined[bool, int, string] {
		even := func(v int) bool { return v%2 == 0 }
		table := flow.From(sources.Values("bb")).KeyBy(func(s string) bool { return even(len(s)) }).Table(state.NewMemory(), "words")
		return flow.From(sources.Values(1)).KeyBy(even).JoinTable(table)
	}
	require.NoError(t, named().Inner(func(n int, s string) string { return s }).To(&collector[string]{}).Run(t.Context()))
	require.NoError(t, named().Left(func(n int, s *string) bool { return s == nil }).To(&collector[bool]{}).Run(t.Context()))

	flat := &collector[int]{}
	require.NoError(t, flow.Flatten(batches).To(flat).Run(t.Context()))
	require.Equal(t, []int{1, 2, 3}, flat.values())
}
