package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
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

// newBroker gives a broker in a bubble, and a client of it.
func newBroker(t *testing.T) (*broker.Broker, *client.Client) {
	t.Helper()
	b := brokertest.New(t, brokertest.WithTopics(topics()...),
		brokertest.WithGroups(broker.Group{Name: watchGroup}, broker.Group{Name: pageGroup}, broker.Group{Name: retryGroup}))
	c, err := client.New(b.Endpoint(), client.WithPlaintext(), client.WithDialer(b.Dialer()))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	return b, c
}

func TestRaise_AlertsAsAPlainLoopOverTheFile(t *testing.T) {
	want := plainAlerts(t)
	require.NotEmpty(t, want)
	synctest.Test(t, func(t *testing.T) {
		b, c := newBroker(t)
		var stdout bytes.Buffer
		require.NoError(t, raiseAll(t.Context(), c, &stdout))
		got := make(map[string]Alert)
		for _, m := range b.Messages(alertsTopic) {
			var a Alert
			require.NoError(t, json.Unmarshal(m.Body, &a))
			require.Equal(t, []string{a.ID}, m.Keys)
			got[a.ID] = a
		}
		require.Equal(t, want, got)
		require.Contains(t, stdout.String(), " 0 too late for a window")
		stats, err := b.GroupStats(watchGroup)
		require.NoError(t, err)
		require.Zero(t, stats.Backlog)
	})
}

// plainAlerts is what the alerts should be: sort, then group.
func plainAlerts(t *testing.T) map[string]Alert {
	t.Helper()
	file, err := data.Flights()
	require.NoError(t, err)
	rows := sinks.Collect[flights.Flight]()
	require.NoError(t, flow.From(sources.CSVFrom[flights.Flight](file)).Filter(flights.Flight.Departed).To(rows).Run(t.Context()))
	all := make(map[string][]flights.Flight)
	for _, f := range slices.SortedFunc(slices.Values(rows.Values()), func(a, b flights.Flight) int {
		return a.Departure().Compare(b.Departure())
	}) {
		all[f.Carrier] = append(all[f.Carrier], f)
	}
	alerts := make(map[string]Alert)
	for carrier, sorted := range all {
		addRows(alerts, carrier, sorted)
		addAverages(alerts, carrier, sorted)
	}
	return alerts
}

func addRows(alerts map[string]Alert, carrier string, sorted []flights.Flight) {
	var row []flights.Flight
	end := func() {
		if len(row) >= inARow {
			add(alerts, "row", carrier, row, row[0].Departure(), row[len(row)-1].Departure().Add(gap), "%d late flights in a row, by %d minutes on average")
		}
		row = nil
	}
	for _, f := range sorted {
		if f.DepDelay.Value < lateFrom {
			continue
		}
		if n := len(row); n > 0 && f.Departure().Sub(row[n-1].Departure()) >= gap {
			end()
		}
		row = append(row, f)
	}
	end()
}

func addAverages(alerts map[string]Alert, carrier string, sorted []flights.Flight) {
	windows := make(map[time.Time][]flights.Flight)
	for _, f := range sorted {
		for start := f.Departure().Truncate(averageEvery); start.Add(averageOver).After(f.Departure()); start = start.Add(-averageEvery) {
			windows[start] = append(windows[start], f)
		}
	}
	for _, start := range slices.Collect(maps.Keys(windows)) {
		if in := windows[start]; len(in) >= enough && minutes(in)/len(in) >= badAverage {
			add(alerts, "average", carrier, in, start, start.Add(averageOver), "%d flights, by %d minutes late on average")
		}
	}
}

func add(alerts map[string]Alert, kind, carrier string, in []flights.Flight, from, to time.Time, format string) {
	id := fmt.Sprintf("%s/%s/%s", kind, carrier, from.Format(time.RFC3339))
	alerts[id] = Alert{ID: id, Carrier: carrier, From: from, To: to, Text: fmt.Sprintf(format, len(in), minutes(in)/len(in))}
}

func minutes(all []flights.Flight) (sum int) {
	for _, f := range all {
		sum += f.DepDelay.Value
	}
	return sum
}
