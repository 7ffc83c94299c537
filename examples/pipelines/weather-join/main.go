// Command weather-join finds out in what weather the flights of January 2013 left that arrived late.
//
//	go run ./pipelines/weather-join
//
// Flights are in one topic, and what the weather stations of the airports report each hour is in another.
// The pipeline in join.go joins the two in event time. Flights are out of order by most of a day, and one
// station is cut off for a day: its reports come when all others are there, and are late by then.
//
// All runs on a broker in the process, or with -endpoint on a RocketMQ that has the topics flights and
// weather, both NORMAL and empty, and the groups late-flights and stations.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"
	"syscall"
	"text/tabwriter"

	"github.com/rocketflow-io/rocketflow/broker"
	"github.com/rocketflow-io/rocketflow/client"
	"github.com/rocketflow-io/rocketflow/examples/internal/server"
)

// The topics and groups.
const (
	flightsTopic  = "flights"
	weatherTopic  = "weather"
	flightsGroup  = "late-flights"
	stationsGroup = "stations"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	where := server.FlagsOf(flag.CommandLine)
	flag.Parse()
	if err := run(ctx, where, os.Stdout); err != nil {
		log.New(os.Stderr, "", 0).Fatal(err)
	}
}

func run(ctx context.Context, where *server.Flags, stdout io.Writer) (err error) {
	s, err := where.Connect([]broker.Topic{{Name: flightsTopic, Queues: 4}, {Name: weatherTopic, Queues: 4}}, flightsGroup, stationsGroup)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	t, err := joinAll(ctx, s.Client)
	if err != nil {
		return err
	}
	return t.report(stdout)
}

// joinAll loads the topics, and joins until each late flight has its result and each late report has come.
func joinAll(ctx context.Context, c *client.Client) (*tally, error) {
	rows, late, err := loadFlights(ctx, c)
	if err != nil {
		return nil, err
	}
	reports, cutOff, err := readWeather(ctx)
	if err != nil {
		return nil, err
	}
	if err := sendWeather(ctx, c, reports); err != nil {
		return nil, err
	}
	t := newTally(rows, late, len(cutOff))
	running, stop := context.WithCancel(ctx)
	defer stop()
	ran := make(chan error, 1)
	go func() { ran <- join(c, t).Run(running) }()
	for _, next := range []struct {
		awaited <-chan struct{}
		then    func() error
	}{
		{t.joined, func() error { return sendWeather(ctx, c, cutOff) }},
		{t.over, func() error { stop(); return <-ran }},
	} {
		select {
		case <-next.awaited:
			if err := next.then(); err != nil {
				return nil, err
			}
		case err := <-ran:
			return nil, errors.Join(err, context.Cause(ctx))
		}
	}
	return t, nil
}

// report prints what the tally has come to.
func (t *tally) report(w io.Writer) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	text := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	flights, minutes := t.bySky()
	_, err := fmt.Fprintf(text, "%d flights, %d of them late; %d reports came too late\n\nweather\tflights\tminutes late\t\n", t.rows, len(t.delays), len(t.tooLate))
	for _, s := range skies {
		if err == nil && flights[s] > 0 {
			_, err = fmt.Fprintf(text, "%s\t%d\t%.1f\t\n", s, flights[s], float64(minutes[s])/float64(flights[s]))
		}
	}
	return errors.Join(err, text.Flush())
}
