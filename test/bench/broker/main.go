// Command broker measures the embedded broker: against a real RocketMQ, against a gRPC server that
// only echoes, and against itself with more in it. It prints a line a figure:
//
//	RATIO <name> <median> (<min>..<max>)
//
// The servers run in processes of their own, the client, of bare gRPC calls, in this one. Whatever
// is compared runs next to each other in each round, and the rows "…-aa" compare the broker with
// itself. The real server needs Java 17 and Maven; without it, -real=false measures the rest.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"syscall"
	"time"
)

// bodySize is that of all messages, in bytes.
const bodySize = 256

// options are those of the command line.
type options struct {
	real     bool
	rounds   int
	round    time.Duration
	messages int
	stored   int
	polls    int
	only     *regexp.Regexp
}

func main() {
	var o options
	flag.BoolVar(&o.real, "real", true, "measure against a real RocketMQ, too")
	flag.IntVar(&o.rounds, "rounds", 9, "rounds, each of which gives a ratio")
	flag.DurationVar(&o.round, "round", 500*time.Millisecond, "time that is sent for in a round")
	flag.IntVar(&o.messages, "messages", 30_000, "messages that are received in a round")
	flag.IntVar(&o.stored, "stored", 1_000_000, "messages of a large backlog")
	flag.IntVar(&o.polls, "polls", 10_000, "long polls that wait at once")
	only := flag.String("rows", "", "measure only the rows whose names match this expression")
	role := flag.String("role", "", "be a process of the benchmark: broker, echo or pollers")
	var p pollers
	flag.StringVar(&p.endpoint, "endpoint", "", "of the server, with -role pollers")
	flag.IntVar(&p.connections, "connections", 1, "over which to poll, with -role pollers")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	p.polls = o.polls
	var err error
	if *role != "" {
		err = play(ctx, *role, p, os.Stdin, os.Stdout)
	} else if o.only, err = regexp.Compile(*only); err == nil {
		err = run(ctx, os.Stdout, o)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// run measures all rows.
func run(ctx context.Context, w io.Writer, o options) error {
	for _, row := range []struct {
		name    string
		measure func(context.Context, io.Writer, options) error
	}{
		{"first-message", measureFirst},
		{"throughput", measureThroughput},
		{"memory", measureMemory},
		{"flat", measureFlat},
		{"idle-polls", measurePolls},
	} {
		if !o.only.MatchString(row.name) {
			continue
		}
		if err := row.measure(ctx, w, o); err != nil {
			return fmt.Errorf("bench: row %s: %w", row.name, err)
		}
	}
	return nil
}
