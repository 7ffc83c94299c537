// Command plaintext sends and receives a message in plaintext. The setting is one for all clients of the process.
package main

import (
	"context"
	"errors"

	rmq "github.com/apache/rocketmq-clients/golang/v5"

	"github.com/rocketflow-io/rocketflow/test/interop/go/internal/program"
)

func main() { program.Main(run) }

func run(ctx context.Context, topic string) (err error) {
	rmq.EnableSsl = false
	producer, err := program.StartProducer(program.Config(), topic)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, producer.GracefulStop()) }()
	if _, err := program.Send(ctx, producer, &rmq.Message{Topic: topic, Body: []byte("hello")}); err != nil {
		return err
	}
	consumer, err := program.StartSimpleConsumer(program.Config(), topic, rmq.SUB_ALL)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, consumer.GracefulStop()) }()
	return program.ReceiveAll(ctx, consumer, 1, nil)
}
