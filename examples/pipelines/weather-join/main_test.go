package main

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/rocketflow-io/rocketflow/broker"
	"github.com/rocketflow-io/rocketflow/broker/brokertest"
	"github.com/rocketflow-io/rocketflow/client"
	"github.com/rocketflow-io/rocketflow/examples/internal/flights"
	"github.com/rocketflow-io/rocketflow/examples/pipelines/flights/data"
	"github.com/rocketflow-io/rocketflow/flow"
	"github.com/rocketflow-io/rocketflow/sinks"
	"github.com/rocketflow-io/rocketflow/sources"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestJoin_EqualsAPlainLoopOverTheFiles(t *testing.T) {
	want, late := plainJoin(t)
	synctest.Test(t, func(t *testing.T) {
		b := brokertest.New(t, brokertest.WithTopics(broker.Topic{Name: flightsTopic, Queues: 4}, broker.Topic{Name: weatherTopic, Queues: 4}),
			brokertest.WithGroups(broker.Group{Name: flightsGroup}, broker.Group{Name: stationsGroup}))
		c, err := client.New(b.Endpoint(), client.WithPlaintext(), client.WithDialer(b.Dialer()))
		require.NoError(t, err)
		defer func() { require.NoError(t, c.Close()) }()
		got, err := joinAll(t.Context(), c)
		require.NoError(t, err)
		require.Equal(t, want, got.delays)
		require.Equal(t, late, got.tooLate)
	})
}

// plainJoin looks the weather up by airport and hour.
func plainJoin(t *testing.T) (delays map[int]delay, late map[Weather]bool) {
	t.Helper()
	type station struct {
		airport string
		hour    time.Time
	}
	file, err := data.Weather()
	require.NoError(t, err)
	reports := sinks.Collect[Weather]()
	require.NoError(t, flow.From(sources.CSVFrom[Weather](file)).To(reports).Run(t.Context()))
	known, late := make(map[station]Weather), make(map[Weather]bool)
	for _, w := range reports.Values() {
		if w.Airport == "LGA" && w.Day == 16 {
			late[w] = true
			continue
		}
		known[station{w.Airport, w.Hour}] = w
	}
	file, err = data.Flights()
	require.NoError(t, err)
	rows := sinks.Collect[flights.Flight]()
	require.NoError(t, flow.From(sources.CSVFrom[flights.Flight](file)).To(rows).Run(t.Context()))
	delays = make(map[int]delay)
	for i, f := range rows.Values() {
		if !f.Late() {
			continue
		}
		d := delay{i + 1, f.ArrDelay.Value, unknown}
		if w, ok := known[station{f.Origin, f.ScheduledHour}]; ok {
			d.sky = w.sky()
		}
		delays[d.row] = d
	}
	return delays, late
}
