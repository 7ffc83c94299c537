package main

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/rocketflow-io/rocketflow/client"
	"github.com/rocketflow-io/rocketflow/examples/internal/flights"
	"github.com/rocketflow-io/rocketflow/flow"
	"github.com/rocketflow-io/rocketflow/sinks"
	"github.com/rocketflow-io/rocketflow/sources"
)

// Weather is what the station of an airport has measured in an hour.
type Weather struct {
	Airport    string    `csv:"origin" json:"airport"`
	Day        int       `csv:"day" json:"day"`
	WindSpeed  float64   `csv:"wind_speed" json:"wind_speed"` // in mph
	Rain       float64   `csv:"precip" json:"rain"`           // in inches, or what snow melts to
	Visibility float64   `csv:"visib" json:"visibility"`      // in miles
	Hour       time.Time `csv:"time_hour" json:"hour"`
}

// theHour is what joins a flight to the report of the hour that it was to leave in.
var theHour = flow.Within(time.Hour-time.Minute, 0)

// disorder is how much older than those before it a value of a topic may be. The file of flights is
// sorted by when they left, not by when they were to leave; the rest is for the queues of a topic, of
// which one may be read before another.
const disorder = 72 * time.Hour

// join gives each late flight the weather in which it was to leave; none if there is no report of that
// hour, which is known when the watermark has passed it.
func join(c *client.Client, t *tally) *flow.Pipeline {
	reports := flow.From(sources.RocketMQ(c, weatherTopic, stationsGroup)).
		TryMap(parseWeather).
		KeyBy(func(w Weather) string { return w.Airport })
	return flow.From(sources.RocketMQ(c, flightsTopic, flightsGroup)).
		TryMap(flights.Parse).
		Filter(flights.Flight.Late).
		KeyBy(func(f flights.Flight) string { return f.Origin }).
		Join(reports, theHour, flow.EventTime(flights.Flight.Scheduled, disorder), flow.EventTime(Weather.when, disorder)).
		LateRight(func(late flow.Stream[Weather]) *flow.Pipeline { return late.To(sinks.Func(t.addLate)) }).
		DropLate().
		Left(inWeather).
		To(sinks.Func(t.add))
}

func (w Weather) when() time.Time { return w.Hour }

func parseWeather(_ context.Context, m *client.Message) (w Weather, err error) {
	if err := json.Unmarshal(m.Body, &w); err != nil {
		return w, fmt.Errorf("weather-join: message %s: %w", m.ID, err)
	}
	return w, nil
}

// sky is weather in a word.
type sky string

// The skies, the worst first.
const (
	rain    sky = "rain or snow"
	fog     sky = "fog"
	wind    sky = "strong wind"
	fair    sky = "fair"
	unknown sky = "no report"
)

var skies = []sky{rain, fog, wind, fair, unknown}

func (w Weather) sky() sky {
	switch {
	case w.Rain > 0:
		return rain
	case w.Visibility < 3:
		return fog
	case w.WindSpeed >= 20:
		return wind
	}
	return fair
}

// delay is a late flight in its weather.
type delay struct {
	row     int
	minutes int
	sky     sky
}

func inWeather(f flights.Flight, w *Weather) delay {
	d := delay{f.Row, f.ArrDelay.Value, unknown}
	if w != nil {
		d.sky = w.sky()
	}
	return d
}

// tally has what came of flights, by their row, so that one that comes again counts once.
type tally struct {
	rows         int
	late, cutOff int           // how many there will be
	joined       chan struct{} // closed when each late flight has its result
	over         chan struct{} // closed when each late report has come as well

	mu      sync.Mutex
	delays  map[int]delay
	tooLate map[Weather]bool
}

func newTally(rows, late, cutOff int) *tally {
	return &tally{
		rows: rows, late: late, cutOff: cutOff, joined: make(chan struct{}), over: make(chan struct{}),
		delays: make(map[int]delay), tooLate: make(map[Weather]bool),
	}
}

func (t *tally) add(_ context.Context, d delay) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	_, again := t.delays[d.row]
	if t.delays[d.row] = d; !again && len(t.delays) == t.late {
		close(t.joined)
	}
	return nil
}

func (t *tally) addLate(_ context.Context, w Weather) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	again := t.tooLate[w]
	if t.tooLate[w] = true; !again && len(t.tooLate) == t.cutOff {
		close(t.over)
	}
	return nil
}

// bySky sums up flights and minutes.
func (t *tally) bySky() (flights, minutes map[sky]int) {
	flights, minutes = make(map[sky]int), make(map[sky]int)
	for _, d := range t.delays {
		flights[d.sky]++
		minutes[d.sky] += d.minutes
	}
	return flights, minutes
}
