package operators_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/flow"
	"github.com/rocketflow-io/rocketflow/flow/flowtest"
	"github.com/rocketflow-io/rocketflow/sources"
)

type pair = flow.Pair[int, string]

// zipped pairs two inputs. What comes before the zip of each has an error policy of its own.
func zipped(left *flowtest.Input[int], right *flowtest.Input[string], out *flowtest.Output[pair]) *flow.Pipeline {
	return flow.From(left).Map(func(v int) int { return v }).
		Zip(flow.From(right).ParMap(3, passOn).Named("slow")).OnError(flow.Stop()).To(out)
}

// Rule 3: both values settle with their pair.
func TestZip_PairsByPosition(t *testing.T) {
	left, right := flowtest.NewInput(1, 2, 3, 4).Named("left"), flowtest.NewInput("a", "b").Pause(time.Hour).Give("c", "d").Named("right")
	out := flowtest.NewOutput[pair]()
	res := flowtest.Run(t, zipped(left, right, out),
		flowtest.Delay("slow", time.Minute).On("a"), flowtest.Fail("output", errTest).On(pair{Left: 2, Right: "b"}))
	var stopped *flow.PolicyError
	require.ErrorAs(t, res.Err, &stopped)
	require.Equal(t, []pair{{Left: 1, Right: "a"}}, out.Values()[:1])
	require.Equal(t, time.Minute, out.Writes()[0].At)
	require.Equal(t, []flowtest.State{flowtest.Acked, flowtest.Nacked}, left.States()[:2])
	require.Equal(t, []flowtest.State{flowtest.Acked, flowtest.Nacked}, right.States()[:2])
}

func TestZip_FailsWhatIsLeftOver(t *testing.T) {
	for name, c := range map[string]struct {
		left  []int
		right []string
		isOf  bool
	}{
		"of the left":  {[]int{1, 2, 3}, []string{"a"}, true},
		"of the right": {[]int{1}, []string{"a", "b", "c"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			left, right := flowtest.NewInput(c.left...).Named("left"), flowtest.NewInput(c.right...).Named("right")
			out := flowtest.NewOutput[pair]()
			res := flowtest.Run(t, zipped(left, right, out))
			failed, ok := errors.AsType[*flow.FailedError](res.Err)
			require.True(t, ok)
			require.Equal(t, 2, failed.Count)
			over, ok := errors.AsType[*flow.LeftOverError](failed.First)
			require.True(t, ok)
			require.Equal(t, c.isOf, over.Left)
			require.Equal(t, []pair{{Left: 1, Right: "a"}}, out.Values())
			st, _ := res.Snapshot.Stage("zip")
			require.EqualValues(t, 2, st.Counters["left_over"])
		})
	}
}

// What waits for a partner when the run is ended is handed back, and no failure.
func TestZip_HandsBackWhatWaitsWhenTheRunIsEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		left, right := flowtest.NewInput(1, 2, 3), flowtest.NewInput("a").Pause(time.Hour).Give("b").Named("right")
		out := flowtest.NewOutput[pair]()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		require.NoError(t, zipped(left, right, out).Run(ctx))
		require.Equal(t, []pair{{Left: 1, Right: "a"}}, out.Values())
		require.Equal(t, []flowtest.State{flowtest.Acked, flowtest.HandedBack, flowtest.HandedBack}, left.States())
	})
}

// A stream that is ahead waits: its source reads no more than a pipeline may have in flight.
func TestZip_HoldsABoundedNumberOfValues(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		read := 0
		endless := func(yield func(int) bool) {
			for yield(read) {
				read++
			}
		}
		silent := make(chan string)
		p := flow.From(sources.Seq(endless)).Zip(flow.FromChan(silent)).To(flowtest.NewOutput[pair]())
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- p.Run(ctx) }()
		synctest.Wait()
		require.Positive(t, read)
		require.Less(t, read, 10_000)
		cancel()
		require.NoError(t, <-ended)
	})
}

func TestZip_RefusesSourcesThatGiveNoPosition(t *testing.T) {
	right := func() *flowtest.Input[string] { return flowtest.NewInput("a").Named("right") }
	for want, p := range map[string]*flow.Pipeline{
		"delivers what fails again": zipped(flowtest.NewInput(1).Redeliver(flowtest.Redelivery{}), right(), flowtest.NewOutput[pair]()),
		"without a bound in time":   zipped(flowtest.NewInput(1), right().Lease(time.Minute), flowtest.NewOutput[pair]()),
		"orders by key":             zipped(flowtest.NewInput(1), right().Keyed(letter), flowtest.NewOutput[pair]()),
		"has no input":              flow.From(right()).Zip(flow.Stream[int]{}).To(flowtest.NewOutput[flow.Pair[string, int]]()),
	} {
		require.ErrorContains(t, p.Validate(), want)
	}
}

// Were both of one source, a value that one side drops would leave the other side's waiting, and the source
// waiting for them.
func TestZip_RefusesStreamsOfOneSource(t *testing.T) {
	both := flow.From(flowtest.NewInput(1, 2)).Broadcast(2)
	even := func(v int) bool { return v%2 == 0 }
	p := both[0].Named("all").Zip(both[1].Filter(even)).To(flowtest.NewOutput[flow.Pair[int, int]]())
	require.ErrorContains(t, p.Validate(), `stage "zip" at zip_test.go`)
	require.ErrorContains(t, p.Validate(), `both streams come from source "input"`)
	other := flow.From(flowtest.NewInput(3).Named("other"))
	split := flow.From(flowtest.NewInput(1, 2)).Split(2, func(v int) int { return v % 2 })
	p = flow.Merge(split[0], other).Zip(split[1]).To(flowtest.NewOutput[flow.Pair[int, int]]())
	require.ErrorContains(t, p.Validate(), `both streams come from source "input"`)
}

func TestZip_IsExplainedWithBothInputs(t *testing.T) {
	p := zipped(flowtest.NewInput(1).Named("left"), flowtest.NewInput("a").Named("right"), flowtest.NewOutput[pair]())
	require.Equal(t, `pipeline
  s1 source      left; on error: nack
  s2 operator    map; from s1; keeps order; fused; settles with what comes of it; on error: nack
  s3 source      right; on error: nack
  s4 operator    slow; from s3; keeps order; on 3 goroutines; settles with what comes of it; on error: nack
  s5 operator    zip; from s2, s4; keeps order; fused; settles with its pair; holds what is ahead; on error: stop
  s6 sink        output; from s5; keeps order; fused; settles each value when it is written; on error: stop
`, p.Explain())
}
