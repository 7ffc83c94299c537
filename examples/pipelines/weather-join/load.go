package main

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"github.com/rocketflow-io/rocketflow/client"
	"github.com/rocketflow-io/rocketflow/examples/internal/flights"
	"github.com/rocketflow-io/rocketflow/examples/pipelines/flights/data"
	"github.com/rocketflow-io/rocketflow/flow"
	"github.com/rocketflow-io/rocketflow/sinks"
	"github.com/rocketflow-io/rocketflow/sources"
)

// The station that is cut off, and the day.
const (
	cutOffAirport = "LGA"
	cutOffDay     = 16
)

// loadFlights sends the flights, and tells how many there are, and how many of them are late.
func loadFlights(ctx context.Context, c *client.Client) (rows, late int, err error) {
	file, err := data.Flights()
	if err != nil {
		return 0, 0, err
	}
	count := func(f flights.Flight) flights.Flight {
		rows++
		f.Row = rows
		if f.Late() {
			late++
		}
		return f
	}
	err = flow.From(sources.CSVFrom[flights.Flight](file, sources.WithName(data.FlightsName))).
		Map(count).
		To(sinks.RocketMQOf(c, flightsTopic, flights.Message), flow.Batched(64, 10*time.Millisecond)).
		Run(ctx)
	return rows, late, err
}

// readWeather gives the reports, hour by hour, and those of the station that is cut off for themselves.
func readWeather(ctx context.Context) (reports, cutOff []Weather, err error) {
	file, err := data.Weather()
	if err != nil {
		return nil, nil, err
	}
	all := sinks.Collect[Weather]()
	if err := flow.From(sources.CSVFrom[Weather](file, sources.WithName(data.WeatherName))).To(all).Run(ctx); err != nil {
		return nil, nil, err
	}
	for _, w := range all.Values() {
		if w.Airport == cutOffAirport && w.Day == cutOffDay {
			cutOff = append(cutOff, w)
		} else {
			reports = append(reports, w)
		}
	}
	slices.SortStableFunc(reports, func(a, b Weather) int { return a.Hour.Compare(b.Hour) })
	return reports, cutOff, nil
}

func sendWeather(ctx context.Context, c *client.Client, reports []Weather) error {
	return flow.From(sources.Slice(reports)).
		To(sinks.RocketMQOf(c, weatherTopic, Weather.message), flow.Batched(64, 10*time.Millisecond)).
		Run(ctx)
}

// message encodes the report.
func (w Weather) message() (*client.Message, error) {
	body, err := json.Marshal(w)
	return &client.Message{Body: body, Keys: []string{w.Airport}}, err
}
