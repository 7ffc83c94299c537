package flowtest_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/flow"
	"github.com/rocketflow-io/rocketflow/flow/flowtest"
	"github.com/rocketflow-io/rocketflow/flow/stage"
	"github.com/rocketflow-io/rocketflow/flow/stage/stagetest"
)

func TestInput_KeepsTheContract(t *testing.T) {
	for name, in := range map[string]func() *flowtest.Input[string]{
		"plain": func() *flowtest.Input[string] { return flowtest.NewInput("a1", "b1", "a2", "b2") },
		"redelivers": func() *flowtest.Input[string] {
			return flowtest.NewInput("a1", "b1", "a2", "b2").Redeliver(flowtest.Redelivery{})
		},
		"with leases": func() *flowtest.Input[string] { return flowtest.NewInput("a1", "b1", "a2", "b2").Lease(time.Minute) },
		"with pauses": func() *flowtest.Input[string] {
			return flowtest.NewInput("a1", "b1").Pause(time.Hour).Give("a2", "b2").Pause(time.Hour)
		},
		"keyed": func() *flowtest.Input[string] {
			return flowtest.NewInput("a1", "b1", "a2", "b2").Keyed(func(v string) string { return v[:1] })
		},
	} {
		t.Run(name, func(t *testing.T) {
			stagetest.Source(t, func(*testing.T) stagetest.SourceSetup[string] {
				return stagetest.SourceSetup[string]{Source: in(), Values: []string{"a1", "b1", "a2", "b2"}}
			}, stagetest.InBubble(), stagetest.GoesOn())
		})
	}
}

func TestOutput_KeepsTheContract(t *testing.T) {
	stagetest.Sink(t, func(*testing.T) stagetest.SinkSetup[string] {
		out := flowtest.NewOutput[string]()
		return stagetest.SinkSetup[string]{Sink: out, Values: []string{"a", "b", "c", "d"}, Written: out.Values}
	})
}

// seen is a pipeline that keeps what the source knows of each record.
func seen[T any](in *flowtest.Input[T], opts ...flow.SinkOption) (*flow.Pipeline, *flowtest.Output[T]) {
	out := flowtest.NewOutput[T]()
	return flow.From(in).Map(func(v T) T { return v }).Named("stage").To(out, opts...), out
}

func TestInput_GivesWhatASourceKnows(t *testing.T) {
	at := time.Date(2024, 1, 2, 3, 4, 5, 0, time.UTC)
	in := flowtest.NewInput("a").Named("orders").GiveRecords(
		flowtest.Record[string]{Value: "b", ID: "id", Key: "k", EventTime: at, Attempt: 3})
	p, out := seen(in)
	require.NoError(t, flowtest.Run(t, p).Err)
	require.Equal(t, []stage.Info{
		{ID: "orders[0]", Position: "orders[0]", Attempt: 1, Source: "orders", Partition: "orders"},
		{ID: "id", Position: "orders[1]", Attempt: 3, Key: "k", EventTime: at, Source: "orders", Partition: "orders"},
	}, out.Writes()[0].Infos)
}

func TestInput_GivesARecordThatCannotBeDecoded(t *testing.T) {
	in := flowtest.NewInput("a").GiveRecords(flowtest.Record[string]{Undecodable: errTest}).Give("c")
	dead, out := flowtest.NewOutput[flow.Failure](), flowtest.NewOutput[string]()
	require.NoError(t, flowtest.Run(t, flow.From(in).OnError(flow.DeadLetter(dead)).To(out)).Err)
	require.Equal(t, []string{"a", "c"}, out.Values())
	require.ErrorIs(t, dead.Values()[0].Err, errTest)
	in.RequireAcked(t)
}

// The times of redelivery are those of RocketMQ's default list.
func TestRedeliver_DoesAsRocketMQDoes(t *testing.T) {
	in := flowtest.NewInput(1).Redeliver(flowtest.Redelivery{})
	p, _ := seen(in)
	require.NoError(t, flowtest.Run(t, p, flowtest.Fail("stage", errTest).Tries(4)).Err)
	in.RequireAcked(t)
	var at []time.Duration
	for i, d := range in.Outcomes()[0].Deliveries {
		at = append(at, d.At)
		require.Equal(t, i+1, d.Attempt)
	}
	require.Equal(t, []time.Duration{0, time.Second, 6 * time.Second, 16 * time.Second, 46 * time.Second}, at)

	in = flowtest.NewInput(1, 2).Redeliver(flowtest.Redelivery{})
	p, out := seen(in)
	res := flowtest.Run(t, p, flowtest.Fail("stage", errTest).On(1))
	require.NoError(t, res.Err)
	require.Equal(t, []int{2}, out.Values())
	given := in.Outcomes()[0]
	require.Equal(t, flowtest.DeadLettered, given.State)
	require.Equal(t, errTest, given.Err)
	require.Len(t, given.Deliveries, 17)
	require.Equal(t, 105*time.Minute+46*time.Second, res.Took)
}

func TestRedeliver_FollowsTheGroup(t *testing.T) {
	in := flowtest.NewInput(1).Redeliver(flowtest.Redelivery{MaxAttempts: 3, Backoff: []time.Duration{time.Hour}})
	p, _ := seen(in)
	require.Equal(t, 2*time.Hour, flowtest.Run(t, p, flowtest.Fail("stage", nil)).Took)
	require.Equal(t, []flowtest.State{flowtest.DeadLettered}, in.States())

	in = flowtest.NewInput[int]().GiveRecords(flowtest.Record[int]{Value: 1, Attempt: 3}).Redeliver(flowtest.Redelivery{MaxAttempts: 3})
	p, _ = seen(in)
	flowtest.Run(t, p, flowtest.Fail("stage", nil))
	require.Len(t, in.Outcomes()[0].Deliveries, 1, "it had been delivered twice before")

	in = flowtest.NewInput(1).Redeliver(flowtest.Redelivery{MaxAttempts: -1})
	p, _ = seen(in)
	flowtest.Run(t, p, flowtest.Fail("stage", nil).Times(30))
	in.RequireAcked(t)
}

// Rule 8: nothing of the key overtakes a record that failed, and other keys do not wait for it.
func TestKeyed_KeepsTheOrderOfAKey(t *testing.T) {
	in := flowtest.NewInput("a1", "b1", "a2", "b2", "a3").Keyed(func(v string) string { return v[:1] }).
		Redeliver(flowtest.Redelivery{MaxAttempts: 3, Backoff: []time.Duration{time.Hour}})
	p, out := seen(in)
	require.NoError(t, flowtest.Run(t, p, flowtest.Fail("stage", errTest).On("a1").Times(2)).Err)
	require.Equal(t, []string{"b1", "b2", "a1", "a2", "a3"}, out.Values())
	in.RequireAcked(t)
	require.Equal(t, 2*time.Hour, in.Outcomes()[4].Deliveries[len(in.Outcomes()[4].Deliveries)-1].At)

	// At the group's maximum the record goes to the dead letters, and its key goes on.
	in = flowtest.NewInput("a1", "a2").Keyed(func(v string) string { return v[:1] }).Redeliver(flowtest.Redelivery{MaxAttempts: 2})
	p, out = seen(in)
	require.NoError(t, flowtest.Run(t, p, flowtest.Fail("stage", errTest).On("a1")).Err)
	require.Equal(t, []string{"a2"}, out.Values())
	require.Equal(t, []flowtest.State{flowtest.DeadLettered, flowtest.Acked}, in.States())
}

func TestLease_TakesBackWhatIsHeldTooLong(t *testing.T) {
	in, out := flowtest.NewInput(1, 2).Lease(time.Minute), flowtest.NewOutput[int]()
	work := func(_ context.Context, v int) (int, error) { return v, nil }
	p := flow.From(in).ParMap(2, work).Named("enrich").To(out)
	res := flowtest.Run(t, p, flowtest.Delay("enrich", 2*time.Minute).On(2).Times(1))
	require.NoError(t, res.Err)
	require.Equal(t, 1, res.Snapshot.Stages[0].Source.Lost, "the late outcome is refused")
	deliveries := in.Outcomes()[1].Deliveries
	require.Len(t, deliveries, 2)
	require.Equal(t, 2, deliveries[1].Attempt)
	in.RequireAcked(t)
}

// At least once: a lost acknowledgement makes a duplicate.
func TestInput_GivesARecordAgainWhoseAckIsLost(t *testing.T) {
	in := flowtest.NewInput[int]().GiveRecords(flowtest.Record[int]{Value: 1, AckLost: true}).Give(2)
	p, out := seen(in)
	res := flowtest.Run(t, p)
	require.NoError(t, res.Err)
	require.Equal(t, []int{1, 2, 1}, out.Values())
	require.Len(t, in.Outcomes()[0].Deliveries, 2)
	in.RequireAcked(t)
}

func TestInput_IsInOneRunAtATime(t *testing.T) {
	in := flowtest.NewInput(1)
	p, _ := seen(in)
	q, _ := seen(in)
	require.ErrorContains(t, flowtest.Run(t, flow.Join(p, q)).Err, `open input "input": it is in a run already`)
}
