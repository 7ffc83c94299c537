package flowtest_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/flow"
	"github.com/rocketflow-io/rocketflow/flow/flowtest"
	"github.com/rocketflow-io/rocketflow/flow/stage"
)

// failed runs 1 to 4 through a stage that skips what fails, and gives what went missing.
func failed(t *testing.T, faults ...flowtest.Fault) []int {
	t.Helper()
	in, out := flowtest.NewInput(1, 2, 3, 4), flowtest.NewOutput[int]()
	var opts []flowtest.Option
	for _, f := range faults {
		opts = append(opts, f)
	}
	p := flow.From(in).Map(same).Named("stage").OnError(flow.Skip()).To(out)
	require.NoError(t, flowtest.Run(t, p, opts...).Err)
	missing := []int{}
	for v := 1; v <= 4; v++ {
		if !slices.Contains(out.Values(), v) {
			missing = append(missing, v)
		}
	}
	return missing
}

func TestFault_MeetsWhatItIsNarrowedDownTo(t *testing.T) {
	even := func(v int) bool { return v%2 == 0 }
	for _, c := range []struct {
		fault flowtest.Fault
		want  []int
	}{
		{flowtest.Fail("stage", errTest), []int{1, 2, 3, 4}},
		{flowtest.Fail("stage", errTest).On(2, 3), []int{2, 3}},
		{flowtest.Fail("stage", errTest).When(even), []int{2, 4}},
		{flowtest.Fail("stage", errTest).Times(2), []int{1, 2}},
		{flowtest.Fail("stage", errTest).Nth(3), []int{3}},
		{flowtest.Fail("stage", errTest).When(even).Nth(2), []int{4}},
		{flowtest.Fail("stage", errTest).When(even).Times(1), []int{2}},
		{flowtest.Panic("stage", "boom").On(4), []int{4}},
		{flowtest.Delay("stage", time.Hour), []int{}},
		{flowtest.Delay("stage", 0), []int{}},
		{flowtest.Panic("stage", nil).On(1), []int{1}},
	} {
		require.Equal(t, c.want, failed(t, c.fault), "%v", c.fault)
	}
	require.Equal(t, []int{1, 4}, failed(t, flowtest.Fail("stage", errTest).On(1), flowtest.Fail("stage", errTest).On(4)))
}

// A fault of each record meets it again when it is tried again, and when it comes again.
func TestTries_CountsTheTriesOfEachRecord(t *testing.T) {
	in, out := flowtest.NewInput(1, 2).Redeliver(flowtest.Redelivery{}), flowtest.NewOutput[int]()
	p := flow.From(in).Map(same).Named("stage").OnError(flow.Retry(1, nil)).To(out)
	res := flowtest.Run(t, p, flowtest.Fail("stage", errTest).Tries(3))
	require.NoError(t, res.Err)
	in.RequireAcked(t)
	st, _ := res.Snapshot.Stage("stage")
	require.EqualValues(t, 6, st.Errors)
	for _, o := range in.Outcomes() {
		require.Len(t, o.Deliveries, 2)
	}
}

func TestFault_ActsOnEachKindOfStage(t *testing.T) {
	work := func(_ context.Context, v int) (int, error) { return v, nil }
	in, out, dead := flowtest.NewInput(1, 2, 3, 4), flowtest.NewOutput[int](), flowtest.NewOutput[flow.Failure]()
	p := flow.From(in).Map(same).Named("map").ParMap(2, work).Named("par").OnError(flow.DeadLetter(dead)).To(out)
	res := flowtest.Run(t, p,
		flowtest.Fail("input", nil).Times(2), // two reads, which are tried again
		flowtest.Fail("map", errTest).On(1),
		flowtest.Panic("par", "boom").On(2),
		flowtest.Fail("output", errTest).On(3))
	require.NoError(t, res.Err)
	require.Equal(t, []int{4}, out.Values())
	stages := make(map[string]any)
	for _, f := range dead.Values() {
		stages[f.Stage] = f.Value
	}
	require.Equal(t, map[string]any{"map": 1, "par": 2, "output": 3}, stages)
	require.EqualValues(t, 2, res.Snapshot.Stages[0].Errors)
	var panicked *stage.PanicError
	require.ErrorAs(t, dead.Values()[1].Err, &panicked)
}

// The write of dead letters may fail too: then the record is handed back.
func TestFault_ActsOnTheSinkOfDeadLetters(t *testing.T) {
	in, dead := flowtest.NewInput(1).Redeliver(flowtest.Redelivery{}), flowtest.NewOutput[flow.Failure]()
	p := flow.From(in).Map(same).OnError(flow.DeadLetter(dead)).To(flowtest.NewOutput[int]())
	require.NoError(t, flowtest.Run(t, p, flowtest.Fail("map", errTest), flowtest.Fail("dead letters", errTest).Times(1)).Err)
	require.Len(t, dead.Values(), 1)
	require.Len(t, in.Outcomes()[0].Deliveries, 2)
	in.RequireAcked(t)
}

func TestDelay_IsTheWorkOfTheStage(t *testing.T) {
	work := func(_ context.Context, v int) (int, error) { return v, nil }
	in := flowtest.NewInput(1, 2, 3, 4)
	p := flow.From(in).ParMap(4, work).Named("par").To(flowtest.NewOutput[int]())
	require.Equal(t, time.Hour, flowtest.Run(t, p, flowtest.Delay("par", time.Hour)).Took, "four at once")

	in = flowtest.NewInput(1, 2, 3, 4)
	p = flow.From(in).Map(same).To(flowtest.NewOutput[int]())
	require.Equal(t, 4*time.Hour, flowtest.Run(t, p, flowtest.Delay("map", time.Hour)).Took, "one after the other")

	in = flowtest.NewInput(1).Redeliver(flowtest.Redelivery{})
	p = flow.From(in).Map(same).To(flowtest.NewOutput[int]())
	res := flowtest.Run(t, p, flowtest.Delay("map", time.Hour), flowtest.Fail("map", errTest).Times(1))
	require.Equal(t, 2*time.Hour+time.Second, res.Took, "a call that fails after an hour, and one that does not")
}
