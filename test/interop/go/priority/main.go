// Command priority sends messages of three priorities and receives the most urgent first.
package main

import (
	"context"
	"errors"

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
	for _, message := range []struct {
		body     string
		priority int32
	}{{"low", 1}, {"middle", 3}, {"high", 7}} {
		m := &rmq.Message{Topic: topic, Body: []byte(message.body)}
		if err := m.SetPriority(message.priority); err != nil {
			return err
		}
		if _, err := program.Send(ctx, producer, m); err != nil {
			return err
		}
	}
	consumer, err := program.StartSimpleConsumer(program.Config(), topic, rmq.SUB_ALL)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, consumer.GracefulStop()) }()
	for range 3 { // one at a time, since a message more urgent than those of a batch may come meanwhile
		if err := program.ReceiveAll(ctx, consumer, 1, nil); err != nil {
			return err
		}
	}
	return nil
}
