package main

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/rocketflow-io/rocketflow/client"
	"github.com/rocketflow-io/rocketflow/examples/internal/flights"
	"github.com/rocketflow-io/rocketflow/examples/pipelines/flights/data"
	"github.com/rocketflow-io/rocketflow/flow"
	"github.com/rocketflow-io/rocketflow/sinks"
	"github.com/rocketflow-io/rocketflow/sources"
)

// Alert says what is wrong with the flights of a carrier.
type Alert struct {
	// ID is the same whenever the alert is raised again, as a correction or after a crash.
	ID      string    `json:"id"`
	Carrier string    `json:"carrier"`
	From    time.Time `json:"from"`
	To      time.Time `json:"to"`
	Text    string    `json:"text"`
}

// What makes an alert.
const (
	lateFrom     = 60               // minutes that a late flight leaves behind schedule
	gap          = 30 * time.Minute // what parts late flights that are not in a row
	inARow       = 6                // late flights, at least
	averageOver  = 3 * time.Hour
	averageEvery = time.Hour
	badAverage   = 60 // minutes
	enough       = 10 // flights for an average
)

// disorder is how much older than those before it a flight in the topic may be. The file is sorted by
// the time of the clock at which flights left, so one that left past midnight is a day ahead; the rest is
// for the queues of the topic, of which one may be read before another.
const disorder = 48 * time.Hour

// Names of stages whose counters are shown.
const (
	inARowWindows  = "late flights in a row"
	averageWindows = "average delay"
	inARowAlerts   = "alert of late flights in a row"
	averageAlerts  = "alert of a bad average"
)

// raise watches the flights. A flight is acknowledged when the alerts of all its windows are in the
// topic, or there are none. The job ends after so many flights: without Take it would go on for ever.
func raise(c *client.Client, n int) *flow.Pipeline {
	departed := flow.From(sources.RocketMQ(c, flightsTopic, watchGroup)).
		Take(n).
		TryMap(flights.Parse).
		Filter(flights.Flight.Departed).
		Broadcast(2)
	clock := flow.EventTime(flights.Flight.Departure, disorder)
	rows := departed[0].
		Filter(late).
		KeyBy(carrier).
		Window(flow.Sessions(gap), clock).DropLate().Named(inARowWindows).
		AggMerge(noDelays, delays.add, delays.merge).
		Filter(manyInARow).
		Map(alertOfRow).Named(inARowAlerts)
	averages := departed[1].
		KeyBy(carrier).
		Window(flow.Sliding(averageOver, averageEvery), clock).DropLate().Named(averageWindows).
		Agg(noDelays, delays.add).
		Filter(onAverageBad).
		Map(alertOfAverage).Named(averageAlerts)
	return flow.Merge(rows, averages).
		To(sinks.RocketMQOf(c, alertsTopic, Alert.message))
}

// delays is what windows make of flights.
type delays struct{ flights, minutes int }

func noDelays() delays { return delays{} }

func (d delays) add(f flights.Flight) delays {
	return delays{d.flights + 1, d.minutes + f.DepDelay.Value}
}

func (d delays) merge(later delays) delays {
	return delays{d.flights + later.flights, d.minutes + later.minutes}
}

func (d delays) average() int { return d.minutes / d.flights }

// window is the delays of a carrier at a time.
type window = flow.Window[string, delays]

func carrier(f flights.Flight) string { return f.Carrier }

func late(f flights.Flight) bool { return f.DepDelay.Value >= lateFrom }

func manyInARow(w window) bool { return !w.Withdrawn && w.Value.flights >= inARow }

func onAverageBad(w window) bool {
	return w.Value.flights >= enough && w.Value.average() >= badAverage
}

func alertOfRow(w window) Alert {
	return alert("row", w, "%d late flights in a row, by %d minutes on average")
}

func alertOfAverage(w window) Alert {
	return alert("average", w, "%d flights, by %d minutes late on average")
}

func alert(kind string, w window, format string) Alert {
	return Alert{
		ID: kind + "/" + w.Pane(), Carrier: w.Key, From: w.Start, To: w.End,
		Text: fmt.Sprintf(format, w.Value.flights, w.Value.average()),
	}
}

// message encodes the alert, under its ID as key.
func (a Alert) message() (*client.Message, error) {
	body, err := json.Marshal(a)
	return &client.Message{Body: body, Keys: []string{a.ID}}, err
}

// load sends the flights to the topic, and tells how many there are.
func load(ctx context.Context, c *client.Client) (n int, err error) {
	file, err := data.Flights()
	if err != nil {
		return 0, err
	}
	err = flow.From(sources.CSVFrom[flights.Flight](file, sources.WithName(data.FlightsName))).
		Map(func(f flights.Flight) flights.Flight { n++; f.Row = n; return f }).
		To(sinks.RocketMQOf(c, flightsTopic, flights.Message), flow.Batched(64, 10*time.Millisecond)).
		Run(ctx)
	return n, err
}
