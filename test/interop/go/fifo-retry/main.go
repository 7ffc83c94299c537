// Command fifo-retry consumes three messages of one message group, of which the listener refuses the
// first once.
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
	bodies := []string{"first", "second", "third"}
	for _, body := range bodies {
		m := &rmq.Message{Topic: topic, Body: []byte(body)}
		m.SetMessageGroup("queue")
		if _, err := program.Send(ctx, producer, m); err != nil {
			return err
		}
	}
	return program.Consume(topic, rmq.SUB_ALL, len(bodies), func(m *rmq.MessageView) rmq.ConsumerResult {
		fmt.Printf("received %s attempt=%d\n", m.GetBody(), m.GetDeliveryAttempt())
		if string(m.GetBody()) == "first" && m.GetDeliveryAttempt() == 1 {
			fmt.Println("failed first")
			return rmq.FAILURE
		}
		return rmq.SUCCESS
	})
}
