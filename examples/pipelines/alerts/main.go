// Command alerts watches the flights of January 2013 for delays, and pages the desk of the carrier.
//
//	go run ./pipelines/alerts
//
// There are two pipelines, with a topic of alerts between them. The one in raise.go puts flights into
// windows by the time at which they left: sessions of late ones, and sliding averages of all. The one in
// page.go pages desks. One that does not answer is paged again later, through a topic of delayed messages,
// which blocks nobody and survives the process; what is paged in vain goes to a topic of dead letters in
// the end. The command in replay sends those back.
//
// All runs on a broker in the process, or with -endpoint on a RocketMQ: README.md says what it needs.
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
	"strings"
	"syscall"
	"time"

	"github.com/rocketflow-io/rocketflow/broker"
	"github.com/rocketflow-io/rocketflow/client"
	"github.com/rocketflow-io/rocketflow/examples/internal/quiet"
	"github.com/rocketflow-io/rocketflow/examples/internal/server"
)

// The topics and groups.
const (
	flightsTopic = "flights"
	alertsTopic  = "alerts"
	retryTopic   = "alerts-retry"
	deadTopic    = "alerts-dead"

	watchGroup = "watch"
	pageGroup  = "page"
	retryGroup = "page-retry"
)

// silence is how long nothing comes when all is done; longer than a retry waits.
const silence = 5 * time.Second

// options are those of the command line.
type options struct {
	*server.Flags
	pageOnly bool
	away     string
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	o := options{Flags: server.FlagsOf(flag.CommandLine)}
	flag.BoolVar(&o.pageOnly, "page", false, "raise no alerts: page those that are in the topic")
	flag.StringVar(&o.away, "away", "EV", "the `CARRIERS` whose desks never answer, with commas between them")
	flag.Parse()
	if err := run(ctx, o, os.Stdout); err != nil {
		log.New(os.Stderr, "", 0).Fatal(err)
	}
}

// run raises alerts and pages desks, one after the other only so that the output is always the same.
func run(ctx context.Context, o options, stdout io.Writer) (err error) {
	s, err := o.Connect(topics(), watchGroup, pageGroup, retryGroup)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	if !o.pageOnly {
		if err := raiseAll(ctx, s.Client, stdout); err != nil {
			return err
		}
	}
	d := newDesks(strings.Split(o.away, ",")...)
	if err := quiet.Run(ctx, page(s.Client, d), silence); err != nil {
		return err
	}
	return d.report(stdout)
}

func topics() []broker.Topic {
	return []broker.Topic{
		{Name: flightsTopic, Queues: 4}, {Name: alertsTopic, Queues: 4},
		{Name: retryTopic, Queues: 4, Type: broker.Delay}, {Name: deadTopic, Queues: 4},
	}
}

// raiseAll loads the flights, and has alerts raised of them.
func raiseAll(ctx context.Context, c *client.Client, stdout io.Writer) error {
	rows, err := load(ctx, c)
	if err != nil {
		return err
	}
	raising := raise(c, rows)
	if err := errors.Join(raising.Run(ctx), context.Cause(ctx)); err != nil {
		return err
	}
	s := raising.Snapshot()
	inARow, _ := s.Stage(inARowWindows)
	average, _ := s.Stage(averageWindows)
	alertsInARow, _ := s.Stage(inARowAlerts)
	alertsOfAverage, _ := s.Stage(averageAlerts)
	_, err = fmt.Fprintf(stdout, "%d flights, %d too late for a window\n%d alerts of late flights in a row, %d of a bad average\n",
		rows, inARow.Counters["late"]+average.Counters["late"], alertsInARow.In, alertsOfAverage.In)
	return err
}
