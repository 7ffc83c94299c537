// Command client measures the client: the official Go client v5.1.4, bare grpc calls, and this one, in
// turn, on the same server. It prints a line a figure:
//
//	RATIO <name> <median> (<min>..<max>)
//
// In each round of a row all three run for a short time, next to each other, so that a machine or a
// server whose speed drifts drifts for all of them; this client runs twice, and the row "…-aa" compares
// it with itself. Where that shows more noise than a tenth, it is said, and the row measured again, up
// to three times in all.
//
// The server is the one of the environment, as test/rocketmq/cmd starts it, or with -embedded the
// embedded broker, in a process of its own.
package main

import (
	"context"
	"errors"
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
	rounds   int
	round    time.Duration
	messages int
	only     *regexp.Regexp
}

func main() {
	embedded := flag.Bool("embedded", false, "measure on the embedded broker instead of the server of the environment")
	serve := flag.Bool("serve", false, "be the embedded broker of another process; used by -embedded")
	var o options
	flag.IntVar(&o.rounds, "rounds", 15, "rounds, each of which gives a ratio")
	flag.DurationVar(&o.round, "round", 250*time.Millisecond, "time that each competitor sends in a round")
	flag.IntVar(&o.messages, "messages", 3000, "messages that each competitor consumes in a round")
	only := flag.String("rows", "", "measure only the rows whose names match this expression")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var err error
	if *serve {
		err = serveEmbedded(os.Stdin, os.Stdout)
	} else if o.only, err = regexp.Compile(*only); err == nil {
		err = run(ctx, os.Stdout, *embedded, o)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// run measures all rows.
func run(ctx context.Context, w io.Writer, embedded bool, o options) (err error) {
	logs, err := redirectLogs()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, logs.Close()) }()
	for _, r := range rows() {
		if !o.only.MatchString(r.name) {
			continue
		}
		if err := r.measure(ctx, w, embedded, o); err != nil {
			return fmt.Errorf("bench: row %s: %w", r.name, err)
		}
	}
	return nil
}
