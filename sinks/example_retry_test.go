package sinks_test

import (
	"context"
	"time"

	"github.com/rocketflow-io/rocketflow/client"
	"github.com/rocketflow-io/rocketflow/flow"
	"github.com/rocketflow-io/rocketflow/sinks"
	"github.com/rocketflow-io/rocketflow/sources"
)

// What fails comes again after ten seconds, then after a minute, and is then dead-lettered.
func ExampleRetryTopic() {
	load := func(context.Context, *client.Message) (string, error) { return "", nil }
	pipeline := func(c *client.Client) *flow.Pipeline {
		retry := sinks.RetryTopic(c, "flights-retry", sinks.DeadLetterTopic(c, "flights-dead"), 10*time.Second, time.Minute)
		return flow.Merge(
			flow.From(sources.RocketMQ(c, "flights", "etl")),
			flow.From(sources.RetryTopic(c, "flights-retry", "etl-retry")),
		).ParMap(8, load).OnError(flow.DeadLetter(retry)).To(sinks.Collect[string]())
	}
	_ = pipeline
}
