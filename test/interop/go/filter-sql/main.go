// Command filter-sql receives messages whose properties match an SQL92 expression.
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
	for _, ware := range []struct{ name, colour, price string }{
		{"cheap", "red", "5"}, {"dear", "red", "50"}, {"cold", "blue", "50"}, {"plain", "", "50"}, {"last", "red", "60"},
	} {
		m := &rmq.Message{Topic: topic, Body: []byte(ware.name)}
		if ware.colour != "" {
			m.AddProperty("colour", ware.colour)
		}
		m.AddProperty("price", ware.price)
		if _, err := program.Send(ctx, producer, m); err != nil {
			return err
		}
	}
	filter := rmq.NewFilterExpressionWithType("colour = 'red' AND price > 10", rmq.SQL92)
	consumer, err := program.StartSimpleConsumer(program.Config(), topic, filter)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, consumer.GracefulStop()) }()
	return program.ReceiveAll(ctx, consumer, 2, func(m *rmq.MessageView) string {
		return program.Attributes(m, "colour", "price")
	})
}
