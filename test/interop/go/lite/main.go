// Command lite consumes the messages of one lite topic of two.
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
	received := make(chan struct{}, 1)
	consumer, err := rmq.NewLitePushConsumer(program.Config(), rmq.NewLitePushConsumerConfig(topic, program.Invisible),
		rmq.WithPushAwaitDuration(program.Await),
		rmq.WithPushMessageListener(&rmq.FuncMessageListener{Consume: func(m *rmq.MessageView) rmq.ConsumerResult {
			fmt.Printf("received %s lite=%s\n", m.GetBody(), m.GetLiteTopic())
			received <- struct{}{}
			return rmq.SUCCESS
		}}))
	if err != nil {
		return err
	}
	if err := consumer.Start(); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, consumer.GracefulStop()) }()
	if err := consumer.SubscribeLite("room-1"); err != nil {
		return err
	}
	if err := send(ctx, topic); err != nil {
		return err
	}
	<-received
	return nil
}

func send(ctx context.Context, topic string) (err error) {
	producer, err := program.StartProducer(program.Config(), topic)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, producer.GracefulStop()) }()
	for _, message := range []struct{ body, room string }{{"elsewhere", "room-2"}, {"here", "room-1"}} {
		m := &rmq.Message{Topic: topic, Body: []byte(message.body)}
		m.SetLiteTopic(message.room)
		if _, err := program.Send(ctx, producer, m); err != nil {
			return err
		}
	}
	return nil
}
