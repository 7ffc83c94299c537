package sinks

import (
	"bytes"
	"context"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/broker"
	"github.com/rocketflow-io/rocketflow/broker/brokertest"
	"github.com/rocketflow-io/rocketflow/client"
	"github.com/rocketflow-io/rocketflow/flow/stage/stagetest"
)

var five = []string{"1", "2", "3", "4", "5"}

func TestMemory_KeepsTheContract(t *testing.T) {
	t.Run("collect", func(t *testing.T) {
		stagetest.Sink(t, func(*testing.T) stagetest.SinkSetup[string] {
			c := Collect[string]()
			return stagetest.SinkSetup[string]{Sink: c, Values: five, Written: c.Values}
		})
	})
	t.Run("discard", func(t *testing.T) {
		stagetest.Sink(t, func(*testing.T) stagetest.SinkSetup[string] {
			return stagetest.SinkSetup[string]{Sink: Discard[string](), Values: five}
		})
	})
	t.Run("writer", func(t *testing.T) {
		stagetest.Sink(t, func(*testing.T) stagetest.SinkSetup[string] {
			var out bytes.Buffer
			return stagetest.SinkSetup[string]{
				Sink: Writer[string](&out, nil), Values: five,
				Written: func() []string { return lines(out.String()) },
			}
		})
	})
}

func lines(text string) []string { return strings.Fields(text) }

func TestFunc_KeepsTheContract(t *testing.T) {
	for name, concurrency := range map[string]int{"in order": 1, "at once": 3} {
		t.Run(name, func(t *testing.T) {
			stagetest.Sink(t, func(*testing.T) stagetest.SinkSetup[string] {
				c := Collect[string]()
				return stagetest.SinkSetup[string]{
					Sink: Func(func(ctx context.Context, v string) error {
						if v == "poison" {
							return errBroken
						}
						return collectorWriter[string]{c}.Write(ctx, batch(v))
					}).Concurrently(concurrency),
					Values: five, Written: c.Values, Poison: func() string { return "poison" },
				}
			})
		})
	}
}

func TestFile_KeepsTheContract(t *testing.T) {
	for _, name := range []string{"out.txt", "out.txt.gz"} {
		t.Run(name, func(t *testing.T) {
			stagetest.Sink(t, func(t *testing.T) stagetest.SinkSetup[string] {
				t.Helper()
				path := filepath.Join(t.TempDir(), name)
				return stagetest.SinkSetup[string]{
					Sink: Lines(path), Values: five,
					Written: func() []string { return lines(contents(t, path)) },
					Poison:  func() string { return "two\nlines" },
				}
			})
		})
	}
}

func TestRocketMQ_KeepsTheContract(t *testing.T) {
	for name, opts := range map[string][]RocketMQOption{"in order": nil, "at once": {WithConcurrency(3)}} {
		t.Run(name, func(t *testing.T) {
			stagetest.Sink(t, func(t *testing.T) stagetest.SinkSetup[*client.Message] {
				t.Helper()
				r := newRig(t)
				var values []*client.Message
				for _, body := range five {
					values = append(values, message(body))
				}
				return stagetest.SinkSetup[*client.Message]{
					Sink: RocketMQ(r.client, "out", opts...), Values: values,
					Written: func() (written []*client.Message) {
						for _, body := range bodies(r.broker, "out") {
							written = append(written, message(body))
						}
						return written
					},
					Poison: func() *client.Message { return message("") },
				}
			}, stagetest.InBubble())
		})
	}
}

// newRig is called within a bubble, whose end closes the rig.
func newRig(t *testing.T) *rig {
	t.Helper()
	b := brokertest.New(t, brokertest.WithoutAutoCreate(), brokertest.WithTopics(
		broker.Topic{Name: "out", Queues: 1}, broker.Topic{Name: "steps", Queues: 1, Type: broker.FIFO}))
	c, err := client.New(b.Endpoint(), client.WithPlaintext(), client.WithDialer(b.Dialer()))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	return &rig{t, b, c}
}
