// Command worker is one process of the job of package chaosflow. It works until its standard input
// ends, as it does when its parent dies, and then drains.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/rocketflow-io/rocketflow/client"
	"github.com/rocketflow-io/rocketflow/flow"
	"github.com/rocketflow-io/rocketflow/state/postgres"
	"github.com/rocketflow-io/rocketflow/test/chaosflow"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() (err error) {
	endpoint := flag.String("endpoint", "", "host:port of the RocketMQ")
	topic := flag.String("topic", "", "the topic of flights")
	group := flag.String("group", "", "the consumer group")
	database := flag.String("database", "", "URL of the PostgreSQL, with its search_path")
	journal := flag.String("journal", "", "the file to note deliveries in")
	dwell := flag.Duration("dwell", 0, "how long to stay before and after a write, at most")
	flag.Parse()

	ctx, drain := context.WithCancel(context.Background())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin) // an error is an end, too
		drain()
	}()
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))

	notes, err := chaosflow.OpenJournal(*journal)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, notes.Close()) }()
	pool, err := pgxpool.New(ctx, *database)
	if err != nil {
		return err
	}
	defer pool.Close()
	store, err := postgres.Open(ctx, pool)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	c, err := client.New(*endpoint, client.WithPlaintext(), client.WithLogger(log))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	job := chaosflow.Job{
		Client: c, Topic: *topic, Group: *group, Store: store, Pool: pool, Journal: notes, Dwell: *dwell,
	}
	return job.Run(ctx, flow.WithLogger(log), flow.WithDrainTimeout(20*time.Second))
}
