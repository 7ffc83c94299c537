package flowtest_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cenkalti/backoff/v4"
	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/flow"
	"github.com/rocketflow-io/rocketflow/flow/flowtest"
	"github.com/rocketflow-io/rocketflow/sources"
)

func TestRun_TellsWhatBecameOfEachInput(t *testing.T) {
	in, out, dead := flowtest.NewInput("1", "x", "3", "4"), flowtest.NewOutput[int](), flowtest.NewOutput[flow.Failure]()
	p := flow.From(in).TryMap(parse).Named("parse").OnError(flow.DeadLetter(dead)).
		Map(same).Named("double").OnError(flow.Nack()).To(out)
	res := flowtest.Run(t, p, flowtest.Fail("double", errTest).On(3))

	require.ErrorIs(t, res.Err, errTest, "the input cannot redeliver")
	require.Equal(t, []int{1, 4}, out.Values())
	require.Len(t, dead.Values(), 1)
	require.Equal(t, "x", dead.Values()[0].Source)
	require.Equal(t, []flowtest.State{flowtest.Acked, flowtest.Acked, flowtest.Nacked, flowtest.Acked}, in.States())
	failed := in.Outcomes()[2]
	require.Equal(t, errTest, failed.Err)
	require.Equal(t, "double", failed.Stage)
	st, ok := res.Snapshot.Stage("parse")
	require.True(t, ok)
	require.EqualValues(t, 4, st.In)
	require.Contains(t, res.String(), `input[2]`)
}

func TestRun_PassesTimeAsTheScriptSays(t *testing.T) {
	in, out := flowtest.NewInput(1, 2).Pause(3*time.Second).Give(3).Pause(time.Hour), flowtest.NewOutput[[]int]()
	res := flowtest.Run(t, flow.From(in).Batch(500, time.Second).To(out))
	require.NoError(t, res.Err)
	require.Equal(t, [][]int{{1, 2}, {3}}, out.Values())
	require.Equal(t, time.Second, out.Writes()[0].At, "at the age of the first")
	require.Equal(t, 4*time.Second, out.Writes()[1].At)
	require.Equal(t, time.Hour+3*time.Second, res.Took)
	in.RequireAcked(t)
}

func TestRun_UsesTheBubbleThatItIsIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		in := flowtest.NewInput(1).Pause(time.Hour)
		require.NoError(t, flowtest.Run(t, flow.From(in).To(flowtest.NewOutput[int]())).Err)
		require.Equal(t, time.Hour, time.Since(began))
	})
}

func TestRun_WaitsForRetries(t *testing.T) {
	in, out := flowtest.NewInput(1), flowtest.NewOutput[int]()
	hourly := func() backoff.BackOff { return backoff.NewConstantBackOff(time.Hour) }
	p := flow.From(in).Map(same).OnError(flow.Retry(5, hourly)).To(out)
	res := flowtest.Run(t, p, flowtest.Fail("map", nil).Times(3))
	require.NoError(t, res.Err)
	require.Equal(t, 3*time.Hour, res.Took)
	require.Len(t, in.Outcomes()[0].Deliveries, 1)
}

func TestStopAfter_DrainsThePipeline(t *testing.T) {
	in, out := flowtest.NewInput(1, 2).Pause(time.Hour).Give(3), flowtest.NewOutput[[]int]()
	res := flowtest.Run(t, flow.From(in).Batch(500, 0).To(out), flowtest.StopAfter(time.Minute))
	require.NoError(t, res.Err)
	require.Equal(t, time.Minute, res.Took)
	require.Equal(t, [][]int{{1, 2}}, out.Values())
	require.Equal(t, []flowtest.State{flowtest.Acked, flowtest.Acked, flowtest.Unread}, in.States())

	res = flowtest.Run(t, flow.From(in).Batch(500, 0).To(out))
	require.NoError(t, res.Err)
	require.Equal(t, [][]int{{1, 2}, {3}}, out.Values(), "a later run goes on")
	in.RequireAcked(t)
}

func TestStopAfter_HandsBackWhatADrainDoesNotFinish(t *testing.T) {
	in, out := flowtest.NewInput(1).Redeliver(flowtest.Redelivery{}), flowtest.NewOutput[int]()
	work := func(ctx context.Context, v int) (int, error) { return v, nil }
	p := flow.From(in).ParMap(2, work).Named("enrich").To(out)
	res := flowtest.Run(t, p, flowtest.Delay("enrich", time.Hour), flowtest.StopAfter(time.Minute), flowtest.With(flow.WithDrainTimeout(time.Second)))
	var drain *flow.DrainError
	require.ErrorAs(t, res.Err, &drain)
	require.Equal(t, time.Minute+time.Second, res.Took)
	require.Equal(t, flowtest.HandedBack, in.Outcomes()[0].State)
	require.Equal(t, "enrich", in.Outcomes()[0].Stage, "which had it")

	require.NoError(t, flowtest.Run(t, p).Err)
	in.RequireAcked(t)
}

func TestStopWhen_EndsARunOfASourceThatDoesNotEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, out := make(chan int, 3), flowtest.NewOutput[int]()
		c <- 1
		time.AfterFunc(time.Hour, func() { c <- 2 })
		p := flow.From(sources.Channel(c)).To(out)
		res := flowtest.Run(t, p, flowtest.StopWhen(func() bool { return len(out.Values()) == 2 }))
		require.NoError(t, res.Err)
		require.Equal(t, []int{1, 2}, out.Values())
		require.InDelta(t, time.Hour, res.Took, float64(time.Second))
	})
}

// A pipeline that was mended must not go on being tested by what it was.
func TestRun_MayBeRepeated(t *testing.T) {
	down := flowtest.Fail("map", errTest).Times(1)
	for range 2 {
		in, out := flowtest.NewInput(1).Redeliver(flowtest.Redelivery{}), flowtest.NewOutput[int]()
		require.NoError(t, flowtest.Run(t, flow.From(in).Map(same).To(out), down).Err)
		require.Len(t, in.Outcomes()[0].Deliveries, 2, "a fault counts anew in each run")
	}
}
