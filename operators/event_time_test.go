package operators_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/flow"
	"github.com/rocketflow-io/rocketflow/flow/flowtest"
	"github.com/rocketflow-io/rocketflow/operators"
	"github.com/rocketflow-io/rocketflow/state"
)

// A value that has no time is not late, nor is it the end of time: it fails, for its policy to decide, and the
// others are as without it.
func TestEventTime_FailsValuesThatHaveNone(t *testing.T) {
	noon := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	itself := func(at time.Time) time.Time { return at }
	same := func(time.Time) string { return "" }
	clock := flow.EventTime(itself, 0)
	count := func(s flow.Stream[flow.Window[string, []time.Time]]) flow.Stream[int] {
		return s.Map(func(w flow.Window[string, []time.Time]) int { return len(w.Value) })
	}
	hours := func(s flow.Stream[time.Time]) flow.Windowed[string, time.Time] {
		return s.KeyBy(same).Window(flow.Tumbling(time.Hour), clock).DropLate()
	}
	for name, row := range map[string]struct {
		build func(flow.Stream[time.Time]) flow.Stream[int]
		want  []int
	}{
		"windows": {func(s flow.Stream[time.Time]) flow.Stream[int] { return count(hours(s).Collect()) }, []int{2}},
		"windows in a store": {func(s flow.Stream[time.Time]) flow.Stream[int] {
			return count(hours(s).KeptIn(state.NewMemory(), "w").Collect())
		}, []int{2}},
		"count windows": {func(s flow.Stream[time.Time]) flow.Stream[int] {
			return count(s.KeyBy(same).Window(flow.Counts(10), clock).Collect())
		}, []int{5}},
		"join": {func(s flow.Stream[time.Time]) flow.Stream[int] {
			branches := s.Broadcast(2)
			return branches[0].KeyBy(same).Join(branches[1].KeyBy(same), flow.Within(0, 0), clock, clock).DropLate().
				Inner(func(time.Time, time.Time) int { return 1 })
		}, []int{1, 1, 1, 1}},
		"merge": {func(s flow.Stream[time.Time]) flow.Stream[int] {
			return flow.MergeOrdered(clock, s).Map(func(time.Time) int { return 1 })
		}, []int{1, 1}},
	} {
		t.Run(name, func(t *testing.T) {
			in := flowtest.NewInput(noon, time.Time{}, noon.AddDate(400, 0, 0), time.Time{}.AddDate(1500, 0, 0), noon)
			out, dead := flowtest.NewOutput[int](), flowtest.NewOutput[flow.Failure]()
			res := flowtest.Run(t, row.build(flow.From(in).OnError(flow.DeadLetter(dead))).To(out))
			require.NoError(t, res.Err)
			require.Equal(t, row.want, out.Values())
			for _, f := range dead.Values() {
				require.ErrorIs(t, f.Err, operators.ErrEventTime)
			}
			if name != "count windows" {
				require.GreaterOrEqual(t, len(dead.Values()), 3)
			}
		})
	}
}
