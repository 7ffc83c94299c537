// Command simple receives a message with a SimpleConsumer, makes it visible again after a second, and
// acknowledges it when it has come for the second time.
package main

import (
	"context"
	"errors"
	"fmt"
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
	if _, err := program.Send(ctx, producer, &rmq.Message{Topic: topic, Body: []byte("again")}); err != nil {
		return err
	}
	consumer, err := program.StartSimpleConsumer(program.Config(), topic, rmq.SUB_ALL)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, consumer.GracefulStop()) }()
	m, err := receiveOne(ctx, consumer)
	if err != nil {
		return err
	}
	if err := consumer.ChangeInvisibleDuration(m, time.Second); err != nil {
		return err
	}
	fmt.Println("postponed", string(m.GetBody()))
	m, err = receiveOne(ctx, consumer)
	if err != nil {
		return err
	}
	if err := consumer.Ack(ctx, m); err != nil {
		return err
	}
	fmt.Println("acked", string(m.GetBody()))
	return nil
}

func receiveOne(ctx context.Context, consumer rmq.SimpleConsumer) (*rmq.MessageView, error) {
	messages, err := program.Receive(ctx, consumer, 1)
	if err != nil {
		return nil, err
	}
	m := messages[0]
	fmt.Printf("received %s attempt=%d\n", m.GetBody(), m.GetDeliveryAttempt())
	return m, nil
}
