// Command flights is an ETL job on real data: the flights that left New York in January 2013.
//
// It loads a CSV file into a topic; reads the topic, adds names, and writes the flights that
// arrived late to a file and to a second topic; and tallies delays by carrier. Everything runs on
// a broker in the process, or on a real RocketMQ. See README.md beside it.
package main

import (
	"context"
	"errors"
	"flag"
	"io"
	"log"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/cenkalti/backoff/v4"

	"github.com/rocketflow-io/rocketflow/examples/internal/drain"
	"github.com/rocketflow-io/rocketflow/examples/internal/flights"
	"github.com/rocketflow-io/rocketflow/examples/internal/report"
	"github.com/rocketflow-io/rocketflow/examples/internal/setup"
	"github.com/rocketflow-io/rocketflow/examples/pipelines/flights/data"
	"github.com/rocketflow-io/rocketflow/flow"
	"github.com/rocketflow-io/rocketflow/flow/stage"
	"github.com/rocketflow-io/rocketflow/sinks"
	"github.com/rocketflow-io/rocketflow/sources"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// load sends the rows of the file to the topic, each under its number as key.
func load(j *setup.Job, file stage.Source[flights.Flight]) *flow.Pipeline {
	return flow.From(j.Book.Load(file)).
		OnError(flow.DeadLetter(deadLetters(j))).
		To(sinks.RocketMQOf(j.Client, j.FlightsTopic(), flights.Message),
			flow.Batched(64, 10*time.Millisecond), flow.OnWriteError(patiently().Then(flow.Stop())))
}

// process reads the topic and takes the flights that arrived two ways: names are added to the late
// ones, which go to a file and to a topic; and all of them are tallied. A message is acknowledged
// when all that came of it is done.
func process(j *setup.Job, names *flights.Names) *flow.Pipeline {
	topic := sources.RocketMQ(j.Client, j.FlightsTopic(), j.Group(), sources.WithInvisible(j.Lease))
	arrived := flow.From(j.Book.Follow(topic)).
		TryMap(flights.Parse).
		TryFilter(j.Book.Arrived).
		OnError(flow.DeadLetter(deadLetters(j))).
		Broadcast(2)
	late := arrived[0].
		Map(names.Add).
		Filter(flights.Named.Late).
		Broadcast(2)
	return flow.Join(
		late[0].To(sinks.JSONLines[flights.Named](j.LateFile()), flow.OnWriteError(patiently())),
		late[1].To(sinks.RocketMQOf(j.Client, j.LateTopic(), flights.NamedMessage),
			flow.Batched(64, 10*time.Millisecond), flow.OnWriteError(patiently())),
		arrived[1].To(sinks.Func(j.Book.Tally), flow.OnWriteError(flow.Nack())),
	)
}

// patiently tries a write again. After that a message is handed back, to be delivered again later.
func patiently() flow.Policy {
	return flow.Retry(5, func() backoff.BackOff { return backoff.NewExponentialBackOff() })
}

// deadLetters is where a row goes that cannot be read, with its file, its line and the reason.
func deadLetters(j *setup.Job) stage.Sink[flow.Failure] {
	return j.Book.Bury(sinks.DeadLetterFile(j.DeadLetterFile()))
}

// flightsFile is the CSV file of the job, from the first row on that is not loaded.
func flightsFile(j *setup.Job) (stage.Source[flights.Flight], error) {
	rest := sources.WithSkip(j.Book.Loaded())
	if j.Flights != "" {
		return sources.CSV[flights.Flight](j.Flights, rest), nil
	}
	file, err := data.Flights()
	return sources.CSVFrom[flights.Flight](file, sources.WithName(data.FlightsName), rest), err
}

// run does the job with what main takes from the process handed in, and gives the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	options, err := setup.Parse(args, os.Getenv, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err == nil {
		err = do(ctx, options, stdout, stderr)
	}
	if err != nil {
		log.New(stderr, "", 0).Print(err)
		return 1
	}
	return 0
}

// do loads, processes and reports. The counts are shown even if they do not add up.
func do(ctx context.Context, options setup.Options, stdout, stderr io.Writer) (err error) {
	names, err := data.Names()
	if err != nil {
		return err
	}
	j, err := setup.Start(ctx, options)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(j.Advise(err), j.Close()) }()
	log.New(stderr, "", 0).Print(j)

	file, err := flightsFile(j)
	if err != nil {
		return err
	}
	err = report.Progress(stderr, "loading", j.Book.Loading, func() error {
		return errors.Join(load(j, file).Run(ctx), context.Cause(ctx))
	})
	if err != nil {
		return err
	}
	err = report.Progress(stderr, "processing", j.Book.Progress, func() error {
		return drain.Run(ctx, process(j, names), j.Book, drain.Patience)
	})
	if err != nil {
		return err
	}
	result, err := j.Result()
	if err != nil {
		return err
	}
	return errors.Join(report.Print(stdout, result, names.Airline, options.JSON), result.Check())
}
