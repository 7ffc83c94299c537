// Command replay sends dead letters back to the topic of alerts, when what they died of is mended:
//
//	go run ./pipelines/alerts -store DIR           # leaves dead letters
//	go run ./pipelines/alerts/replay -store DIR    # sends them back
//	go run ./pipelines/alerts -store DIR -page -away ""
//
// A dead letter is acknowledged when its copy is stored. With -endpoint it runs on a RocketMQ that has the
// group replay as well.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"maps"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/rocketflow-io/rocketflow/client"
	"github.com/rocketflow-io/rocketflow/examples/internal/quiet"
	"github.com/rocketflow-io/rocketflow/examples/internal/server"
	"github.com/rocketflow-io/rocketflow/flow"
	"github.com/rocketflow-io/rocketflow/sinks"
	"github.com/rocketflow-io/rocketflow/sources"
)

// The topics, and the group that reads the first.
const (
	deadTopic   = "alerts-dead"
	alertsTopic = "alerts"
	replayGroup = "replay"
)

// silence is how long nothing comes when all dead letters have been read.
const silence = 3 * time.Second

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
	s, err := where.Connect(nil, replayGroup)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	return replayAll(ctx, s.Client, stdout)
}

// replayAll replays until there are no more dead letters, and tells what they died of.
func replayAll(ctx context.Context, c *client.Client, stdout io.Writer) error {
	died := make(map[string]int)
	p := replay(c, func(m *client.Message) { died[m.Properties[sinks.PropertyError]]++ })
	if err := quiet.Run(ctx, p, silence); err != nil {
		return err
	}
	for _, reason := range slices.Sorted(maps.Keys(died)) {
		if _, err := fmt.Fprintf(stdout, "%d dead letters sent back: %s\n", died[reason], reason); err != nil {
			return err
		}
	}
	return nil
}

// replay sends each dead letter back as it was.
func replay(c *client.Client, look func(*client.Message)) *flow.Pipeline {
	return flow.From(sources.RocketMQ(c, deadTopic, replayGroup)).
		Tap(look).
		Map(original).
		To(sinks.RocketMQ(c, alertsTopic))
}

// original is the message without what retries and dead letters have added to it: it has all its retries
// before it again.
func original(m *client.Message) *client.Message {
	was := &client.Message{Body: m.Body, Tag: m.Tag, Keys: m.Keys, Properties: make(map[string]string)}
	for key, value := range m.Properties {
		if !strings.HasPrefix(key, "rocketflow-") {
			was.Properties[key] = value
		}
	}
	return was
}
