// Command delay sends a message that is delivered ten seconds later.
package main

import (
	"context"
	"errors"
	"time"

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
	m := &rmq.Message{Topic: topic, Body: []byte("later")}
	m.SetDelayTimestamp(time.Now().Add(10 * time.Second))
	if _, err := program.Send(ctx, producer, m); err != nil {
		return err
	}
	consumer, err := program.StartSimpleConsumer(program.Config(), topic, rmq.SUB_ALL)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, consumer.GracefulStop()) }()
	return program.ReceiveAll(ctx, consumer, 1, nil)
}
