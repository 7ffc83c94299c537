package gostreams

import (
	"github.com/rocketflow-io/rocketflow/client"
	"github.com/rocketflow-io/rocketflow/flow/stage"
)

// Messages is the sink under NewSink.
func Messages(c *client.Client, topic string) stage.Sink[*client.Message] {
	return messages{client: c, topic: topic}
}
