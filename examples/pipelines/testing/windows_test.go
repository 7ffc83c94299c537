package billing

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/flow"
	"github.com/rocketflow-io/rocketflow/flow/flowtest"
)

// Event time is what the values say, so a test needs no clock. Watermark says how far it has come, and so
// decides which window is complete when; Pause says what arrives before, and what after.
func TestRevenue_CorrectsAnHourAndPutsAsideWhatIsTooLate(t *testing.T) {
	sales := flowtest.NewInput(sale(100, "9:05"), sale(20, "9:50")).
		Pause(time.Minute).Give(sale(3, "9:58")). // after 10:00 has passed: a correction
		Pause(time.Minute).Give(sale(5, "9:59")). // after 11:00 has passed: too late
		Redeliver(flowtest.Redelivery{})
	sums := flowtest.NewOutput[flow.Window[string, int]]().Named("sums")
	late := flowtest.NewOutput[Sale]().Named("late")

	res := flowtest.Run(t, Revenue(sales, sums, late),
		flowtest.Watermark(30*time.Second, at("10:00")),
		flowtest.Watermark(90*time.Second, at("11:00")))

	require.NoError(t, res.Err)
	require.Len(t, sums.Values(), 2)
	first, corrected := sums.Values()[0], sums.Values()[1]
	require.Equal(t, 120, first.Value)
	require.Equal(t, 123, corrected.Value)
	require.Equal(t, first.Pane(), corrected.Pane()) // a sink upserts by it
	require.Equal(t, []int{0, 1}, []int{first.Revision, corrected.Revision})
	require.Equal(t, []Sale{sale(5, "9:59")}, late.Values())
	sales.RequireAcked(t)
	require.Equal(t, 30*time.Second, sales.Outcomes()[0].Deliveries[0].Settled) // when its sum was written
}

func sale(cents int, clock string) Sale { return Sale{"north", cents, at(clock)} }

func at(clock string) time.Time {
	t, err := time.Parse("2006-01-02 15:04", "2024-05-01 "+clock)
	if err != nil {
		panic(err)
	}
	return t
}
