// Command push consumes two messages with a PushConsumer, whose listener refuses one of them once.
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
	for _, body := range []string{"good", "bad"} {
		if _, err := program.Send(ctx, producer, &rmq.Message{Topic: topic, Body: []byte(body)}); err != nil {
			return err
		}
	}
	return program.Consume(topic, rmq.SUB_ALL, 2, func(m *rmq.MessageView) rmq.ConsumerResult {
		fmt.Printf("received %s attempt=%d\n", m.GetBody(), m.GetDeliveryAttempt())
		if string(m.GetBody()) == "bad" && m.GetDeliveryAttempt() == 1 {
			fmt.Println("failed", string(m.GetBody()))
			return rmq.FAILURE
		}
		return rmq.SUCCESS
	})
}
