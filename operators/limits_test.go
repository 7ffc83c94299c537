package operators_test

import (
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/flow"
	"github.com/rocketflow-io/rocketflow/flow/flowtest"
	"github.com/rocketflow-io/rocketflow/flow/stage"
	"github.com/rocketflow-io/rocketflow/operators"
	"github.com/rocketflow-io/rocketflow/sources"
)

// through runs an operator between an input and an output, both the test's.
func through[I, O any](t *testing.T, op stage.Operator[I, O], in *flowtest.Input[I], opts ...flowtest.Option) (*flowtest.Output[O], *flowtest.Result) {
	t.Helper()
	out := flowtest.NewOutput[O]()
	res := flowtest.Run(t, flow.From(in).Via(op).To(out), opts...)
	require.NoError(t, res.Err)
	return out, res
}

func TestTake_EndsTheRunAndHandsBackTheRest(t *testing.T) {
	in := flowtest.NewInput(1, 2, 3, 4).Pause(time.Hour).Give(5).Redeliver(flowtest.Redelivery{})
	out, res := through(t, operators.Take[int](2), in)
	require.Equal(t, []int{1, 2}, out.Values())
	require.Zero(t, res.Took)
	require.Equal(t, []flowtest.State{flowtest.Acked, flowtest.Acked, flowtest.HandedBack, flowtest.HandedBack, flowtest.Unread}, in.States())

	out, _ = through(t, operators.Take[int](2), in)
	require.Equal(t, []int{3, 4}, out.Values(), "the count begins with each run")
}

// What a source does not deliver again is no failure when the run is ended on purpose.
func TestTake_EndsTheRunWithoutAnError(t *testing.T) {
	for range 20 {
		out := flowtest.NewOutput[int]()
		require.NoError(t, flow.From(sources.Values(1, 2, 3)).Take(1).To(out).Run(t.Context()))
		require.Equal(t, []int{1}, out.Values())
	}
}

// A branch that ends the run ends the others, and what they were to share comes again.
func TestTake_EndsAllBranches(t *testing.T) {
	in := flowtest.NewInput(1, 2, 3).Redeliver(flowtest.Redelivery{})
	few, all := flowtest.NewOutput[int](), flowtest.NewOutput[int]()
	branches := flow.From(in).Broadcast(2)
	res := flowtest.Run(t, flow.Join(branches[0].Take(1).To(few), branches[1].To(all)))
	require.NoError(t, res.Err)
	require.Equal(t, []int{1}, few.Values())
	require.Equal(t, []flowtest.State{flowtest.Acked, flowtest.HandedBack, flowtest.HandedBack}, in.States())
}

func TestTakeWhile_EndsTheRunAtTheFirstThatIsNotKept(t *testing.T) {
	in := flowtest.NewInput(2, 4, 5, 6).Redeliver(flowtest.Redelivery{})
	out, _ := through(t, operators.TakeWhile(even), in)
	require.Equal(t, []int{2, 4}, out.Values())
	require.Equal(t, []flowtest.State{flowtest.Acked, flowtest.Acked, flowtest.HandedBack, flowtest.HandedBack}, in.States())
}

// Rule 2: what is dropped is settled done.
func TestSkip_SettlesWhatItDrops(t *testing.T) {
	b := start(t, operators.Skip[int](2))
	b.keep = true
	b.give(1, 2, 3)
	require.Equal(t, []int{3}, b.emitted)
	require.Equal(t, []bool{true, true, false}, b.settled())
	b.give(4)
	require.Equal(t, []int{3, 4}, b.emitted)
}

func TestThrottle_LetsABurstThroughAndThenARate(t *testing.T) {
	in := flowtest.NewInput(1, 2, 3, 4).Pause(time.Minute).Give(5, 6, 7)
	out, _ := through(t, operators.Throttle[int](0.5, 2), in)
	var at []time.Duration
	for _, w := range out.Writes() {
		for range w.Values {
			at = append(at, w.At)
		}
	}
	const s = time.Second
	require.Equal(t, []time.Duration{0, 0, 2 * s, 4 * s, 60 * s, 60 * s, 62 * s}, at)
	require.Equal(t, []int{1, 2, 3, 4, 5, 6, 7}, out.Values())
	in.RequireAcked(t)
}

// What waits for its turn must not stop the clocks of the stages below.
func TestThrottle_LetsBatchesBelowGetOld(t *testing.T) {
	in, out := flowtest.NewInput(1, 2, 3), flowtest.NewOutput[[]int]()
	res := flowtest.Run(t, flow.From(in).Throttle(0.1, 1).Batch(100, time.Second).To(out))
	require.NoError(t, res.Err)
	require.Equal(t, [][]int{{1}, {2}, {3}}, out.Values())
	require.Equal(t, 11*time.Second, out.Writes()[1].At)
}

func TestThrottle_HandsBackWhatWaitsWhenTheDrainMustEnd(t *testing.T) {
	in, out := flowtest.NewInput(1, 2, 3).Redeliver(flowtest.Redelivery{}), flowtest.NewOutput[int]()
	res := flowtest.Run(t, flow.From(in).Throttle(1, 1).To(out), flowtest.StopAfter(500*time.Millisecond), flowtest.With(flow.WithDrainTimeout(time.Second)))
	var cut *flow.DrainError
	require.ErrorAs(t, res.Err, &cut)
	require.Equal(t, []flowtest.State{flowtest.Acked, flowtest.Acked, flowtest.HandedBack}, in.States())
	require.Equal(t, 1500*time.Millisecond, res.Took)
}

func TestThrottle_BearsRatesOfAnySize(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, rate := range []float64{math.Inf(1), 1e12, math.SmallestNonzeroFloat64} {
			b := start(t, operators.Throttle[int](rate, 1000))
			require.Equal(t, []error{nil, nil}, b.give(1, 2))
			require.Equal(t, []error{nil, nil}, b.completed)
		}
	})
}

func TestDebounce_EmitsTheLastOfThoseThatFollowClosely(t *testing.T) {
	in := flowtest.NewInput(1, 2).Pause(500 * time.Millisecond).Give(3).Pause(time.Minute).Give(4).Pause(time.Millisecond)
	out, _ := through(t, operators.Debounce[int](time.Second), in)
	require.Equal(t, []int{3, 4}, out.Values())
	require.Equal(t, 1500*time.Millisecond, out.Writes()[0].At)
	require.Equal(t, 60501*time.Millisecond, out.Writes()[1].At, "at the end of the input")
	in.RequireAcked(t)
}

func TestSample_EmitsTheLatestAtFixedTimes(t *testing.T) {
	in := flowtest.NewInput(1).Pause(900 * time.Millisecond).Give(2).Pause(900 * time.Millisecond).Give(3).
		Pause(10 * time.Second).Give(4).Pause(time.Millisecond)
	out, _ := through(t, operators.Sample[int](time.Second), in)
	require.Equal(t, []int{2, 3, 4}, out.Values())
	for i, at := range []time.Duration{time.Second, 2 * time.Second, 11801 * time.Millisecond} {
		require.Equal(t, at, out.Writes()[i].At, i)
	}
	in.RequireAcked(t)
}

// A value is done as soon as another takes its place, and the one that is emitted when it is written.
func TestLatest_IsAnsweredForWhenItIsWritten(t *testing.T) {
	for name, op := range map[string]stage.Operator[int, int]{
		"debounce": operators.Debounce[int](time.Second), "sample": operators.Sample[int](time.Second),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := start(t, op)
				b.keep = true
				b.give(1, 2, 3)
				require.Equal(t, []bool{true, true, false}, b.settled())
				time.Sleep(time.Second)
				synctest.Wait()
				require.Equal(t, []int{3}, b.out())
				require.Equal(t, []bool{true, true, false}, b.settled())
				require.NoError(t, b.proc.Drain(t.Context()))
				require.Equal(t, []int{3}, b.out(), "there is no more")
			})
		})
	}
}

func TestLimits_DoNotBuildOutOfRange(t *testing.T) {
	for _, problem := range []error{
		operators.Take[int](0).Describe().Problem, operators.TakeWhile[int](nil).Describe().Problem,
		operators.Skip[int](-1).Describe().Problem,
		operators.Throttle[int](0, 1).Describe().Problem, operators.Throttle[int](1, 0).Describe().Problem,
		operators.Throttle[int](math.NaN(), 1).Describe().Problem,
		operators.Debounce[int](0).Describe().Problem, operators.Sample[int](-1).Describe().Problem,
		operators.Tap[int](nil).Describe().Problem, operators.TryTap[int](nil).Describe().Problem,
		operators.Scan[int, int](nil, nil).Describe().Problem, operators.Reduce[int, int](nil, nil).Describe().Problem,
	} {
		require.ErrorContains(t, problem, "operators: ")
	}
}
