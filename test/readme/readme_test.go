// Package readme holds README.md to its word: its pipeline is an Example, and prints what it says.
package readme

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/cenkalti/backoff/v4"
	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/broker"
	"github.com/rocketflow-io/rocketflow/client"
	"github.com/rocketflow-io/rocketflow/flow"
	"github.com/rocketflow-io/rocketflow/sinks"
	"github.com/rocketflow-io/rocketflow/sources"
)

// Order is the value that the pipeline is about.
type Order struct {
	Total int `json:"total"`
}

// Message encodes the order.
func (o Order) Message() *client.Message {
	body, err := json.Marshal(o)
	must(err)
	return &client.Message{Body: body}
}

func order(total int) *client.Message { return Order{total}.Message() }

func parse(_ context.Context, m *client.Message) (Order, error) {
	var o Order
	return o, json.Unmarshal(m.Body, &o)
}

func exponential() backoff.BackOff { return backoff.NewExponentialBackOff() }

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func Example() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	stopWhenAcked := func(b *broker.Broker, group string, n int64) {
		for range time.Tick(10 * time.Millisecond) {
			if stats, err := b.GroupStats(group); err != nil || stats.Acked == n {
				cancel()
				return
			}
		}
	}

	// README
	b, err := broker.Start(broker.Options{
		Topics: []broker.Topic{{Name: "orders", Queues: 1}, {Name: "large-orders", Queues: 1}},
		Groups: []broker.Group{{Name: "billing"}},
	})
	must(err)
	defer b.Close()

	c, err := client.New(b.Endpoint(), client.WithPlaintext())
	must(err)
	defer c.Close()

	load := flow.From(sources.Values(order(90), order(250), order(1200))).
		To(sinks.RocketMQ(c, "orders"))
	must(load.Run(ctx))

	large := flow.From(sources.RocketMQ(c, "orders", "billing")).
		TryMap(parse).
		Filter(func(o Order) bool { return o.Total >= 200 }).
		Map(Order.Message).
		OnError(flow.Retry(3, exponential).Then(flow.Nack())).
		To(sinks.RocketMQ(c, "large-orders"), flow.Batched(500, time.Second))
	go stopWhenAcked(b, "billing", 3)
	must(large.Run(ctx)) // until ctx ends, and what was read is settled

	for _, m := range b.Messages("large-orders") {
		fmt.Printf("%s\n", m.Body)
	}
	// Output:
	// {"total":250}
	// {"total":1200}
}

func TestReadme_ShowsTheExample(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	require.NoError(t, err)
	source, err := os.ReadFile("readme_test.go")
	require.NoError(t, err)
	_, code, found := strings.Cut(string(source), "\t// README\n")
	require.True(t, found)
	code, _, found = strings.Cut(code, "\t// Output:\n")
	require.True(t, found)
	require.Contains(t, string(readme), "```go\n"+strings.ReplaceAll("\n"+code, "\n\t", "\n")[1:]+"```")
	require.Contains(t, string(readme), "```text\n{\"total\":250}\n{\"total\":1200}\n```")
}
