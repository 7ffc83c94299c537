// Command recall sends two messages to be delivered later, and takes the first of them back.
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
	unwanted, err := sendLater(ctx, producer, topic, "unwanted", 10*time.Second)
	if err != nil {
		return err
	}
	if _, err := sendLater(ctx, producer, topic, "wanted", 12*time.Second); err != nil {
		return err
	}
	if _, err := producer.Recall(ctx, topic, unwanted.RecallHandle); err != nil {
		return err
	}
	fmt.Println("recalled unwanted")
	consumer, err := program.StartSimpleConsumer(program.Config(), topic, rmq.SUB_ALL)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, consumer.GracefulStop()) }()
	return program.ReceiveAll(ctx, consumer, 1, nil)
}

func sendLater(ctx context.Context, producer rmq.Producer, topic, body string, delay time.Duration) (*rmq.SendReceipt, error) {
	m := &rmq.Message{Topic: topic, Body: []byte(body)}
	m.SetDelayTimestamp(time.Now().Add(delay))
	return program.Send(ctx, producer, m)
}
