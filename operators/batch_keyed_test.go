package operators_test

import (
	"context"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/flow"
	"github.com/rocketflow-io/rocketflow/flow/flowtest"
	"github.com/rocketflow-io/rocketflow/flow/stage"
	"github.com/rocketflow-io/rocketflow/operators"
)

// Rule 3: a slice holds the duty of each member.
func TestBatchKeyed_HoldsTheDutiesOfTheMembersOfAKey(t *testing.T) {
	b := start(t, operators.BatchKeyed[string, string, []string](letter, 2, 0, 10))
	b.keep = true
	b.give("a0", "b0", "a1", "c0", "c1", "a2")
	require.Equal(t, [][]string{{"a0", "a1"}, {"c0", "c1"}}, b.emitted)
	b.kept[1].Done()
	require.Equal(t, []bool{false, false, false, true, true, false}, b.settled())
	b.kept[0].Done()
	require.Equal(t, []bool{true, false, true, true, true, false}, b.settled())
	require.NoError(t, b.proc.Drain(t.Context()))
	require.Equal(t, [][]string{{"b0"}, {"a2"}}, b.emitted[2:], "what was begun first first")
	require.NoError(t, b.proc.Drain(t.Context()))
	require.Len(t, b.emitted, 4, "never an empty slice")
}

// Each slice has its own age, also when another that was begun before it is complete.
func TestBatchKeyed_EmitsEachSliceAtItsAge(t *testing.T) {
	in, out := flowtest.NewInput[string](), flowtest.NewOutput[[]string]()
	in.Give("a0").Pause(300*time.Millisecond).Give("b0").Pause(300*time.Millisecond).Give("a1").
		Pause(300*time.Millisecond).Give("c0", "b1").Pause(time.Hour).Give("a2", "d0").Pause(time.Minute)
	in.Lease(time.Minute)
	res := flowtest.Run(t, flow.From(in).KeyBy(letter).Batch(2, time.Second).To(out))
	require.NoError(t, res.Err)
	in.RequireAcked(t)
	at := map[string]time.Duration{}
	for _, w := range out.Writes() {
		for _, slice := range w.Values {
			for _, v := range slice {
				at[v] = w.At
			}
		}
	}
	later := time.Hour + 1900*time.Millisecond
	require.Equal(t, map[string]time.Duration{
		"a0": 600 * time.Millisecond, "a1": 600 * time.Millisecond, "b0": 900 * time.Millisecond, "b1": 900 * time.Millisecond,
		"c0": 1900 * time.Millisecond, "a2": later, "d0": later,
	}, at)
}

// The number of keys is bounded, and so is what is held.
func TestBatchKeyed_SendsOutTheOldestForWantOfRoom(t *testing.T) {
	in, out := flowtest.NewInput("a0", "b0", "a1", "c0", "a2", "d0", "b1"), flowtest.NewOutput[[]string]()
	op := operators.BatchKeyed[string, string, []string](letter, 10, time.Hour, 2)
	res := flowtest.Run(t, flow.From(in).Via(op).To(out))
	require.NoError(t, res.Err)
	in.RequireAcked(t)
	require.Equal(t, [][]string{{"a0", "a1"}, {"b0"}, {"c0"}, {"a2"}, {"d0"}, {"b1"}}, out.Values())
	st, _ := res.Snapshot.Stage("batch")
	require.Equal(t, map[string]int64{"evicted": 4}, st.Counters)
}

// A slice that fails takes its members along, and no other key's.
func TestBatchKeyed_FailsTheMembersOfASliceTogether(t *testing.T) {
	in, out := flowtest.NewInput(keyed("ab", 2)...).Redeliver(flowtest.Redelivery{}), flowtest.NewOutput[[]string]()
	p := flow.From(in).KeyBy(letter).Batch(2, time.Second).To(out)
	res := flowtest.Run(t, p, flowtest.Fail("output", errTest).On([]string{"a0", "a1"}).Times(1))
	require.NoError(t, res.Err)
	in.RequireAcked(t)
	require.Equal(t, [][]string{{"b0", "b1"}, {"a0", "a1"}}, out.Values())
	for i, want := range []int{2, 1, 2, 1} {
		require.Len(t, in.Outcomes()[i].Deliveries, want, in.Outcomes()[i].Value)
	}
}

// A key that cannot be told is a failure of the record alone, by the stage's policy.
func TestBatchKeyed_FailsWhatItsKeyCannotBeToldOf(t *testing.T) {
	in, out := flowtest.NewInput("a0", "b0", "a1"), flowtest.NewOutput[[]string]()
	key := func(s string) string {
		if s == "b0" {
			panic(errTest)
		}
		return letter(s)
	}
	res := flowtest.Run(t, flow.From(in).KeyBy(key).Batch(2, 0).OnError(flow.Skip()).To(out))
	require.NoError(t, res.Err)
	require.Equal(t, [][]string{{"a0", "a1"}}, out.Values())
}

// A value whose key equals nothing has no other to wait for.
func TestBatchKeyed_EmitsAtOnceWhatIsAloneOfItsKey(t *testing.T) {
	same := func(v float64) float64 { return v }
	b := start(t, operators.BatchKeyed[float64, float64, []float64](same, 2, time.Hour, 2))
	b.give(math.NaN(), 1, math.NaN(), 1)
	require.Len(t, b.emitted, 3)
	require.Equal(t, []float64{1, 1}, b.emitted[2])
	require.NoError(t, b.proc.Drain(t.Context()))
	require.Len(t, b.emitted, 3)

	ones := start(t, operators.BatchKeyed[float64, float64, []float64](same, 1, 0, 2))
	ones.give(1, 2)
	require.Equal(t, [][]float64{{1}, {2}}, ones.emitted)
}

func TestBatchKeyed_EmitsWhatItHoldsWhenTheRunEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in, out := flowtest.NewInput(keyed("ab", 1)...).Pause(time.Hour), flowtest.NewOutput[[]string]()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		require.NoError(t, flow.From(in).KeyBy(letter).Batch(9, 0).To(out).Run(ctx))
		require.Equal(t, [][]string{{"a0"}, {"b0"}}, out.Values())
		in.RequireAcked(t)
	})
}

func TestBatchKeyed_DeclaresWhatItHolds(t *testing.T) {
	d := operators.BatchKeyed[string, string, []string](letter, 50, time.Minute, 20).Describe()
	require.True(t, d.Holds)
	require.Equal(t, time.Minute, d.HoldsFor)
	require.Equal(t, 1000, d.HoldsMost)
	require.Equal(t, math.MaxInt32, operators.BatchKeyed[string, string, []string](letter, 1<<20, 0, 1<<20).Describe().HoldsMost)

	from := func(in *flowtest.Input[string]) *flow.Pipeline {
		return flow.From(in).KeyBy(letter).Batch(5, time.Minute).To(flowtest.NewOutput[[]string]())
	}
	require.ErrorContains(t, from(flowtest.NewInput("a").Lease(time.Minute)).Validate(), "may be held for 1m0s")
	require.ErrorContains(t, from(flowtest.NewInput("a").Keyed(letter)).Validate(), "orders by key")
	require.Contains(t, from(flowtest.NewInput("a")).Explain(), "batch; from s1; keeps order per key; fused; settles with its batch; holds records for at most 1m0s")
	for want, op := range map[string]stage.Operator[string, []string]{
		"0 values of each": operators.BatchKeyed[string, string, []string](letter, 0, 0, 1),
		"of 0 keys":        operators.BatchKeyed[string, string, []string](letter, 1, 0, 0),
		"within -1s":       operators.BatchKeyed[string, string, []string](letter, 1, -time.Second, 1),
		"function is nil":  operators.BatchKeyed[string, string, []string](nil, 1, 0, 1),
	} {
		require.ErrorContains(t, op.Describe().Problem, want)
	}
}
