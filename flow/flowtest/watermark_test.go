package flowtest_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/flow"
	"github.com/rocketflow-io/rocketflow/flow/flowtest"
)

// sold is a value with a time, in minutes after midnight.
type sold struct{ at, n int }

func (s sold) when() time.Time {
	return time.Date(2024, 5, 1, 0, s.at, 0, 0, time.UTC)
}

// perHour sums up what is sold in an hour.
func perHour(in *flowtest.Input[sold], out *flowtest.Output[flow.Window[string, int]], late *flowtest.Output[sold]) *flow.Pipeline {
	return flow.From(in).KeyBy(func(sold) string { return "all" }).
		Window(flow.Tumbling(time.Hour), flow.EventTime(sold.when, 0)).
		Late(func(s flow.Stream[sold]) *flow.Pipeline { return s.To(late) }).
		Agg(func() int { return 0 }, func(sum int, s sold) int { return sum + s.n }).To(out)
}

func TestWatermark_CompletesWindows(t *testing.T) {
	in := flowtest.NewInput(sold{5, 1}, sold{50, 2}).Pause(time.Hour).Give(sold{58, 4}, sold{61, 8}).
		Redeliver(flowtest.Redelivery{}).Lease(3 * time.Hour)
	out, late := flowtest.NewOutput[flow.Window[string, int]](), flowtest.NewOutput[sold]().Named("late")
	res := flowtest.Run(t, perHour(in, out, late), flowtest.Watermark(30*time.Minute, sold{60, 0}.when()))
	require.NoError(t, res.Err)
	var sums []int
	for _, w := range out.Values() {
		sums = append(sums, w.Value)
	}
	require.Equal(t, []int{3, 8}, sums)
	require.Equal(t, []sold{{58, 4}}, late.Values())
	in.RequireAcked(t)
	require.Less(t, in.Outcomes()[0].Deliveries[0].Settled, time.Hour, "before the second two came")
}

func TestWatermark_IsReportedWhereItDoesNothing(t *testing.T) {
	step := flowtest.Watermark(time.Minute, sold{60, 0}.when())
	for want, p := range map[string]func() *flow.Pipeline{
		"never happened: the run took 0s": func() *flow.Pipeline {
			return perHour(flowtest.NewInput(sold{5, 1}), flowtest.NewOutput[flow.Window[string, int]](), flowtest.NewOutput[sold]().Named("late"))
		},
		"no stage goes by event time": func() *flow.Pipeline {
			return flow.From(flowtest.NewInput(1).Pause(time.Hour)).To(flowtest.NewOutput[int]())
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			fake := &fakeTB{TB: t}
			flowtest.Run(fake, p(), step)
			require.Contains(t, fake.said(), want)
		})
	}
}
