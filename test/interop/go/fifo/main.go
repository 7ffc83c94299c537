// Command fifo sends messages of two message groups and consumes each group in order.
package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

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
	bodies := []string{"a-1", "b-1", "a-2", "b-2", "a-3", "b-3"}
	for _, body := range bodies {
		group, _, _ := strings.Cut(body, "-")
		m := &rmq.Message{Topic: topic, Body: []byte(body)}
		m.SetMessageGroup(group)
		if _, err := program.Send(ctx, producer, m); err != nil {
			return err
		}
	}
	return program.Consume(topic, rmq.SUB_ALL, len(bodies), func(m *rmq.MessageView) rmq.ConsumerResult {
		fmt.Printf("received %s group=%s\n", m.GetBody(), *m.GetMessageGroup())
		return rmq.SUCCESS
	})
}
