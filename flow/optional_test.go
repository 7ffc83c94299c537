package flow_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/flow"
	"github.com/rocketflow-io/rocketflow/flow/flowtest"
	"github.com/rocketflow-io/rocketflow/flow/stage"
	"github.com/rocketflow-io/rocketflow/sources"
)

// optional gives the counters of the stage.
func optional(t *testing.T, s flow.Snapshot) map[string]int64 {
	t.Helper()
	st, ok := s.Stage("optional")
	require.True(t, ok)
	require.Zero(t, st.Waiting)
	return st.Counters
}

// Rule 4: a branch that is not required has no say in how a record settles.
func TestOptional_CountsAFailureAndDoesNotHoldTheAck(t *testing.T) {
	for name, in := range map[string]*flowtest.Input[int]{
		"plain": flowtest.NewInput(1, 2, 3).Lease(time.Minute),
		"keyed": flowtest.NewInput(1, 2, 3).Keyed(parity),
	} {
		t.Run(name, func(t *testing.T) {
			out, aside, graves := flowtest.NewOutput[int](), flowtest.NewOutput[int](), flowtest.NewOutput[flow.Failure]()
			branches := flow.From(in).Broadcast(2)
			p := flow.Join(
				branches[0].To(out),
				branches[1].Optional(10).
					Map(func(v int) int { return 10 * v }).Named("buried").
					OnError(flow.Retry(2, seconds(3600)).Then(flow.DeadLetter(graves))).
					Map(func(v int) int { return v + 1 }).Named("lost").OnError(flow.Nack()).
					To(aside))
			res := flowtest.Run(t, p, flowtest.Fail("buried", errTest).On(1), flowtest.Panic("lost", errTest).On(20))
			require.NoError(t, res.Err)
			in.RequireAcked(t)
			require.Equal(t, []int{1, 2, 3}, out.Values())
			require.Equal(t, []int{31}, aside.Values())
			for _, o := range in.Outcomes() {
				require.Zero(t, o.Deliveries[0].Settled, "value %d is settled when it is in the required branch", o.Value)
			}
			// What the source knew of the record outlives its acknowledgement.
			require.Len(t, graves.Values(), 1)
			f := graves.Values()[0]
			require.Equal(t, []any{"buried", 1, 1, 3, "input[0]"}, []any{f.Stage, f.Value, f.Source, f.Attempt, f.Info.ID})
			require.Equal(t, map[string]int64{"failed": 1}, optional(t, res.Snapshot))
		})
	}
}

// What comes again has not failed for good.
func TestOptional_DoesNotCountWhatIsPutOff(t *testing.T) {
	in, out := flowtest.NewInput(1), flowtest.NewOutput[int]()
	branches := flow.From(in).Broadcast(2)
	p := flow.Join(branches[0].To(out),
		branches[1].Optional(1).TryMap(failing(is(1))).OnError(flow.DeadLetter(&comesLater{})).To(flowtest.NewOutput[int]().Named("aside")))
	res := flowtest.Run(t, p)
	require.NoError(t, res.Err)
	work, _ := res.Snapshot.Stage("map")
	require.EqualValues(t, 1, work.RetriedLater)
	require.Empty(t, optional(t, res.Snapshot))
}

// A branch that is full is passed by: it holds up no one.
func TestOptional_IsPassedByWhenItIsStuck(t *testing.T) {
	in := flowtest.NewInput(numbers(200)...)
	out, aside := flowtest.NewOutput[int](), flowtest.NewOutput[int]().Named("aside")
	branches := flow.From(in).Broadcast(2)
	p := flow.Join(branches[0].To(out), branches[1].Optional(3).ParMap(1, failing(is(-1))).Named("stuck").To(aside))
	res := flowtest.Run(t, p, flowtest.Delay("stuck", time.Hour))
	require.NoError(t, res.Err)
	in.RequireAcked(t)
	require.Equal(t, numbers(200), out.Values())
	for _, w := range out.Writes() {
		require.Zero(t, w.At)
	}
	require.Equal(t, []int{0, 1, 2}, aside.Values())
	require.Equal(t, 3*time.Hour, res.Took, "the end waits for what is in the branch")
	require.Equal(t, map[string]int64{"passed_by": 197}, optional(t, res.Snapshot))
}

func TestOptional_IsDrainedAsOthersAre(t *testing.T) {
	in := flowtest.NewInput(1, 2, 3)
	out, aside := flowtest.NewOutput[int](), flowtest.NewOutput[[]int]()
	branches := flow.From(in).Broadcast(2)
	p := flow.Join(branches[0].To(out), branches[1].Optional(10).Batch(10, time.Hour).To(aside))
	res := flowtest.Run(t, p)
	require.NoError(t, res.Err)
	require.Equal(t, [][]int{{1, 2, 3}}, aside.Values())
	require.Empty(t, optional(t, res.Snapshot))
}

// What the deadline of the drain meets in the branch is counted: it will not come again.
func TestOptional_CountsWhatTheDeadlineMeets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := sources.Channel(endless(20)).Recorded()
		aside := &collector[int]{before: slow[int](time.Hour), traits: stage.SinkTraits{MaxBatch: 1}}
		branches := flow.From(src).Broadcast(2)
		p := flow.Join(
			branches[0].To(&collector[int]{}),
			branches[1].Optional(10).TryMap(failing(is(0))).OnError(flow.Retry(1, seconds(7200))).To(aside))
		var drained *flow.DrainError
		require.ErrorAs(t, p.Run(cancelled(t, time.Second), flow.WithDrainTimeout(time.Minute)), &drained)
		require.Zero(t, drained.HandedBack, "the source has its answers")
		n, open := done(src)
		require.Equal(t, []int{20, 0}, []int{n, open})
		counters := optional(t, p.Snapshot())
		require.EqualValues(t, 10, counters["passed_by"])
		require.EqualValues(t, 10, counters["handed_back"]+counters["failed"])
		require.Empty(t, aside.values())
	})
}

// The source orders by key and has a lease: neither binds what it does not wait for.
func TestOptional_IsNotBoundByItsSource(t *testing.T) {
	in := flowtest.NewInput(1, 2, 3, 4).Keyed(parity).Lease(time.Minute)
	out, aside := flowtest.NewOutput[int](), flowtest.NewOutput[[]int]()
	branches := flow.From(in).Broadcast(2)
	p := flow.Join(branches[0].To(out), branches[1].Optional(10).Batch(3, 24*time.Hour).To(aside))
	require.NoError(t, flowtest.Run(t, p).Err)
	in.RequireAcked(t)
	require.Equal(t, [][]int{{1, 2, 3}, {4}}, aside.Values())
}

// What the required branches hand back comes again, to the optional one too.
func TestOptional_SeesWhatComesAgain(t *testing.T) {
	in := flowtest.NewInput(1, 2).Redeliver(flowtest.Redelivery{})
	out, aside := flowtest.NewOutput[int](), flowtest.NewOutput[int]().Named("aside")
	branches := flow.From(in).Broadcast(2)
	p := flow.Join(branches[1].To(out), branches[0].Optional(10).To(aside))
	res := flowtest.Run(t, p, flowtest.Fail("output", errTest).On(2).Times(1))
	require.NoError(t, res.Err)
	in.RequireAcked(t)
	require.Equal(t, []int{1, 2, 2}, aside.Values())
	require.Empty(t, optional(t, res.Snapshot))
}

func TestOptional_CountsWhatAnOperatorDrops(t *testing.T) {
	op := runtimeOperator{start: func(_ stage.Runtime, next stage.Emitter[int]) (stage.Processor[int], error) {
		return processor{func(ctx context.Context, r stage.Record[int]) error {
			if r.Value != 2 {
				next.Emit(ctx, r)
			}
			return nil
		}}, nil
	}}
	branches := flow.From(sources.Values(1, 2, 3)).Broadcast(2)
	aside := &collector[int]{}
	p := flow.Join(branches[0].To(&collector[int]{}), branches[1].Optional(10).Via(op).To(aside))
	require.NoError(t, p.Run(t.Context()))
	require.Equal(t, []int{1, 3}, aside.values())
	require.Equal(t, map[string]int64{"dropped": 1}, optional(t, p.Snapshot()))
}

func TestOptional_IsExplained(t *testing.T) {
	branches := flow.From(sources.Values(1)).Broadcast(2)
	p := flow.Join(
		branches[0].To(&collector[int]{}, flow.As("out")),
		branches[1].Optional(10).Named("metrics").To(&collector[int]{}, flow.As("gauge")))
	require.Equal(t, `pipeline
  s1 source      values; on error: nack
  s2 broadcast   broadcast to 2; from s1; keeps order in a branch; fused; settles when all branches have that are not optional
  s3 sink        out; from s2; keeps order; 1 write at once; settles each value when it is written; on error: nack
  s4 optional    metrics; from s2; settles done at once; at most 10 records in the branch; keeps order; on 1 goroutine
  s5 sink        gauge; from s4; keeps order; 1 write at once; settles each value when it is written; on error: nack
`, p.Explain())
}
