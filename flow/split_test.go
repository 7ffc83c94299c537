package flow_test

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/flow"
	"github.com/rocketflow-io/rocketflow/flow/flowtest"
	"github.com/rocketflow-io/rocketflow/sources"
)

func mod3(v int) int { return v % 3 }

func TestSplit_GivesEachValueToOneStream(t *testing.T) {
	for name, in := range map[string]*flowtest.Input[int]{
		"many at a time": flowtest.NewInput(numbers(100)...),
		"one by one":     flowtest.NewInput(numbers(100)...).Keyed(parity),
	} {
		t.Run(name, func(t *testing.T) {
			outs := []*flowtest.Output[int]{flowtest.NewOutput[int](), flowtest.NewOutput[int](), flowtest.NewOutput[int]()}
			branches := flow.From(in).Split(3, mod3)
			p := flow.Join(
				branches[2].Filter(func(v int) bool { return v > 50 }).To(outs[2]),
				branches[0].To(outs[0]),
				branches[1].To(outs[1]),
			)
			require.NoError(t, flowtest.Run(t, p).Err)
			for i, out := range outs {
				var want []int
				for v := i; v < 100; v += 3 {
					if i != 2 || v > 50 {
						want = append(want, v)
					}
				}
				require.Equal(t, want, out.Values(), "in order")
			}
			in.RequireAcked(t)
		})
	}
}

// A branch answers for its own records alone.
func TestSplit_SettlesARecordWithTheBranchThatHasIt(t *testing.T) {
	in := flowtest.NewInput(0, 1, 2, 3)
	good, bad := flowtest.NewOutput[int](), flowtest.NewOutput[int]().Named("bad")
	yes, no := flow.From(in).Partition(func(v int) bool { return v%2 == 0 })
	res := flowtest.Run(t, flow.Join(yes.To(good), no.To(bad)), flowtest.Fail("bad", errTest).On(1))
	require.ErrorIs(t, res.Err, errTest)
	require.Equal(t, []int{0, 2}, good.Values())
	require.Equal(t, []int{3}, bad.Values())
	require.Equal(t, []flowtest.State{flowtest.Acked, flowtest.Nacked, flowtest.Acked, flowtest.Acked}, in.States())
}

// An index that there is not is a failure of the stage, and so is a panic; siblings go on (rule 9).
func TestSplit_FailsWhatItHasNoStreamFor(t *testing.T) {
	for name, in := range map[string]*flowtest.Input[int]{
		"many at a time": flowtest.NewInput(0, 1, 2, 3, 4),
		"one by one":     flowtest.NewInput(0, 1, 2, 3, 4).Keyed(parity),
	} {
		t.Run(name, func(t *testing.T) {
			graves := flowtest.NewOutput[flow.Failure]().Named("graves")
			outs := []*flowtest.Output[int]{flowtest.NewOutput[int](), flowtest.NewOutput[int]()}
			branches := flow.From(in).
				OnError(flow.Retry(3, seconds(1)).Then(flow.DeadLetter(graves))).
				Split(2, func(v int) int {
					switch v {
					case 1:
						return -1
					case 2:
						return 2
					case 3:
						panic(errTest)
					}
					return v / 4
				})
			res := flowtest.Run(t, flow.Join(branches[0].To(outs[0]), branches[1].To(outs[1])))
			require.NoError(t, res.Err)
			require.Equal(t, []int{0}, outs[0].Values())
			require.Equal(t, []int{4}, outs[1].Values())
			in.RequireAcked(t)

			dead := map[any]flow.Failure{}
			for _, f := range graves.Values() {
				require.Equal(t, "split", f.Stage)
				dead[f.Value] = f
			}
			require.Len(t, dead, 3)
			for v, branch := range map[int]int{1: -1, 2: 2} {
				e, ok := errors.AsType[*flow.RouteError](dead[v].Err)
				require.True(t, ok)
				require.Equal(t, flow.RouteError{Branch: branch, Branches: 2}, *e)
				require.Equal(t, 1, dead[v].Attempt, "a retry would change nothing")
			}
			require.ErrorIs(t, dead[3].Err, errTest)
			require.Equal(t, 4, dead[3].Attempt)
			st, _ := res.Snapshot.Stage("split")
			require.EqualValues(t, 3, st.DeadLettered)
		})
	}
}

// A branch that is quiet is drained too.
func TestSplit_DrainsEachBranch(t *testing.T) {
	in := flowtest.NewInput(1, 2, 3, 4)
	yes, no := flow.From(in).Partition(func(v int) bool { return v == 1 })
	ones, others := flowtest.NewOutput[[]int](), flowtest.NewOutput[[]int]()
	p := flow.Join(yes.Batch(10, time.Hour).To(ones), no.Batch(2, time.Hour).To(others))
	require.NoError(t, flowtest.Run(t, p).Err)
	require.Equal(t, [][]int{{1}}, ones.Values())
	require.Equal(t, [][]int{{2, 3}, {4}}, others.Values())
	in.RequireAcked(t)
}

func TestSplit_IsExplainedWithItsBranches(t *testing.T) {
	s := flow.From(sources.Values(1)).OnError(flow.Skip())
	late, rest := s.Partition(func(v int) bool { return v == 0 })
	branches := rest.Split(2, mod3)
	p := flow.Join(
		late.Named("late").To(&collector[int]{}, flow.As("log")),
		branches[0].To(&collector[int]{}, flow.As("zeros")),
		branches[1].Map(func(v int) int { return v }).OnError(flow.Stop()).To(&collector[int]{}, flow.As("ones")),
	)
	require.Equal(t, `pipeline
  s1 source      values; on error: skip
  s2 split       partition; from s1; each to one of 2 branches; keeps order in a branch; fused; settles with the value; on error: skip
  s3 sink        log; from s2 (late); keeps order; 1 write at once; settles each value when it is written; on error: skip
  s4 split       split; from s2 (no); each to one of 2 branches; keeps order in a branch; fused; settles with the value; on error: skip
  s5 sink        zeros; from s4 (branch 1); keeps order; 1 write at once; settles each value when it is written; on error: skip
  s6 operator    map; from s4 (branch 2); keeps order; fused; settles with what comes of it; on error: stop
  s7 sink        ones; from s6; keeps order; 1 write at once; settles each value when it is written; on error: stop
`, p.Explain())
	require.Contains(t, p.Mermaid(), "  s2 ==>|late| s3\n  s2 -->|no| s4\n  s4 ==>|branch 1| s5\n")
}
