package flow_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/flow"
	"github.com/rocketflow-io/rocketflow/flow/flowtest"
	"github.com/rocketflow-io/rocketflow/flow/stage"
	"github.com/rocketflow-io/rocketflow/sources"
)

// resting gives a function for TryMap that takes d for each value.
func resting(d time.Duration) func(context.Context, int) (int, error) {
	return func(ctx context.Context, v int) (int, error) {
		select {
		case <-time.After(d):
			return v, nil
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
}

func TestAsync_LetsBothSidesWorkAtOnce(t *testing.T) {
	for async, took := range map[bool]time.Duration{false: 20 * time.Second, true: 11 * time.Second} {
		in, out := flowtest.NewInput(numbers(10)...), flowtest.NewOutput[int]()
		s := flow.From(in).TryMap(resting(time.Second))
		if async {
			s = s.Async()
		}
		res := flowtest.Run(t, s.TryMap(resting(time.Second)).To(out))
		require.NoError(t, res.Err)
		require.Equal(t, numbers(10), out.Values(), "order")
		require.Equal(t, took, res.Took)
		in.RequireAcked(t)
	}
}

// What the stages behind are idle for does not wait for more.
func TestAsync_PassesOnAtOnceWhatIsWaitedFor(t *testing.T) {
	in := flowtest.NewInput(1).Pause(time.Hour).Give(2).Pause(time.Hour)
	out := flowtest.NewOutput[int]()
	res := flowtest.Run(t, flow.From(in).Async().To(out))
	require.NoError(t, res.Err)
	require.Zero(t, out.Writes()[0].At)
	require.Equal(t, time.Hour, out.Writes()[1].At)
}

// An edge is bounded in records and in bytes, whatever the shape of what comes: chunks, single records, or
// values that are larger than all the room there is.
func TestAsync_KeepsWithinItsBounds(t *testing.T) {
	size := func(v int) int { return 10 * (1 + v%5) }
	for _, c := range []struct {
		records, bytes, most int
		singles              bool
	}{
		{records: 1, most: 1}, {records: 7, most: 7}, {records: 7, most: 7, singles: true},
		{records: 100, bytes: 120, most: 12}, {records: 100, bytes: 5, most: 1}, {records: 300, most: 300},
	} {
		t.Run(fmt.Sprintf("%+v", c), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var p *flow.Pipeline
				most, fullest := 0, 0
				out := &collector[int]{traits: stage.SinkTraits{Immediate: true}}
				s := flow.From(sources.Values(numbers(1024)...))
				if c.singles {
					s = s.FlatMap(func(v int) []int { return []int{v} })
				}
				p = s.AsyncBy(c.records, c.bytes, size).Named("edge").TryMap(func(ctx context.Context, v int) (int, error) {
					synctest.Wait() // the stages before have done all that they can
					st, _ := p.Snapshot().Stage("edge")
					most, fullest = max(most, st.Edge.Records), max(fullest, st.Edge.Bytes)
					require.Equal(t, [2]int{c.records, c.bytes}, [2]int{st.Edge.MaxRecords, st.Edge.MaxBytes})
					return v, nil
				}).To(out)
				require.NoError(t, p.Run(t.Context()))
				require.Equal(t, numbers(1024), out.values())
				require.LessOrEqual(t, most, c.most)
				if c.bytes == 0 {
					require.Equal(t, c.most, most, "the room is used")
				} else {
					require.LessOrEqual(t, fullest, max(c.bytes, 50))
				}
				st, _ := p.Snapshot().Stage("edge")
				require.Zero(t, st.Edge.Records+st.Edge.Bytes+st.Waiting)
				require.EqualValues(t, 1024, st.In)
			})
		})
	}
}

func TestAsync_HandsBackWhatIsOnItWhenTheDrainMustEnd(t *testing.T) {
	in := flowtest.NewInput(numbers(8)...).Redeliver(flowtest.Redelivery{})
	out := flowtest.NewOutput[int]()
	p := flow.From(in).AsyncBy(4, 0, nil).TryMap(resting(10 * time.Second)).To(out)
	res := flowtest.Run(t, p, flowtest.StopAfter(15*time.Second), flowtest.With(flow.WithDrainTimeout(10*time.Second)))
	var cut *flow.DrainError
	require.ErrorAs(t, res.Err, &cut)
	require.Equal(t, 6, cut.HandedBack)
	require.Equal(t, 25*time.Second, res.Took)
	require.Len(t, out.Values(), 2)
	for i, state := range in.States() {
		want := flowtest.HandedBack
		if i < 2 {
			want = flowtest.Acked
		}
		require.Equal(t, want, state, i)
	}
}

// Rule 8 holds across an edge: a failure behind it turns back what of its key is on it.
func TestAsync_KeepsTheOrderOfKeys(t *testing.T) {
	in := flowtest.NewInput(numbers(40)...).Keyed(func(v int) string { return fmt.Sprint(v % 2) }).
		Redeliver(flowtest.Redelivery{})
	out := flowtest.NewOutput[int]()
	p := flow.From(in).TryMap(resting(time.Millisecond)).Async().TryMap(resting(time.Second)).Named("behind").To(out)
	res := flowtest.Run(t, p, flowtest.Fail("behind", errTest).On(3, 8).Times(2))
	require.NoError(t, res.Err)
	in.RequireAcked(t)
	var last [2]int
	for _, v := range out.Values() {
		require.LessOrEqual(t, last[v%2], v)
		last[v%2] = v
	}
	require.Len(t, out.Values(), 40)
}

func TestAsync_CarriesRetriesAndBatches(t *testing.T) {
	in := flowtest.NewInput(numbers(100)...)
	out := flowtest.NewOutput[[]int]()
	p := flow.From(in).Async().TryMap(resting(time.Millisecond)).Named("flaky").
		OnError(flow.Retry(3, seconds(1))).Async().Batch(7, time.Second).Async().To(out)
	res := flowtest.Run(t, p, flowtest.Fail("flaky", errTest).On(5, 50).Times(4))
	require.NoError(t, res.Err)
	in.RequireAcked(t)
	var all []int
	for _, b := range out.Values() {
		all = append(all, b...)
	}
	require.ElementsMatch(t, numbers(100), all)
}

// A function that measures is the user's: when it panics the records still bound the edge.
func TestAsync_BearsAFunctionThatPanics(t *testing.T) {
	out := &collector[int]{}
	p := flow.From(sources.Values(numbers(20)...)).AsyncBy(3, 5, func(int) int { panic(errTest) }).To(out)
	require.NoError(t, p.Run(t.Context()))
	require.Equal(t, numbers(20), out.values())
	st, _ := p.Snapshot().Stage("async")
	require.Positive(t, st.Panics)
}

func TestAsync_DoesNotBuildOutOfRange(t *testing.T) {
	from := func() flow.Stream[int] { return flow.From(sources.Values(1)) }
	for _, s := range []flow.Stream[int]{from().AsyncBy(-1, 0, nil), from().AsyncBy(0, -1, nil), from().AsyncBy(0, 1, nil)} {
		require.ErrorContains(t, s.To(&collector[int]{}).Validate(), `flow: stage "async"`)
	}
}

func TestExplain_ShowsEdges(t *testing.T) {
	p := flow.From(sources.Values(1)).Async().AsyncBy(10, 2000, func(int) int { return 8 }).To(&collector[int]{})
	require.Contains(t, p.Explain(), "s2 edge        async; from s1; keeps order; parts goroutines; room for 1024 records; settles with the value\n")
	require.Contains(t, p.Explain(), "s3 edge        async; from s2; keeps order; parts goroutines; room for 10 records of 2000 bytes; settles with the value\n")
	require.Contains(t, p.Mermaid(), "s2 ==> s3")
}
