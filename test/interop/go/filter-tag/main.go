// Command filter-tag consumes messages of two tags out of three.
package main

import (
	"context"
	"errors"
	"fmt"

	rmq "github.com/apache/rocketmq-clients/golang/v5"

	"github.com/rocketflow-io/rocketflow/test/interop/go/internal/program"
)

func main() { program.Main(run) }

func run(ctx context.Context, topic string) (err error) {
	producer, err := program.StartProducer(program.Config(), topic)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, producer.GracefulStop()) }()
	for _, colour := range []string{"red", "green", "blue"} {
		m := &rmq.Message{Topic: topic, Body: []byte(colour)}
		m.SetTag(colour)
		if _, err := program.Send(ctx, producer, m); err != nil {
			return err
		}
	}
	filter := rmq.NewFilterExpression("red || blue")
	return program.Consume(topic, filter, 2, func(m *rmq.MessageView) rmq.ConsumerResult {
		fmt.Printf("received %s tag=%s\n", m.GetBody(), *m.GetTag())
		return rmq.SUCCESS
	})
}
