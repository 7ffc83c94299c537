// Command normal sends three messages, with a tag, a key and a property, and receives them with a
// SimpleConsumer.
package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	rmq "github.com/apache/rocketmq-clients/golang/v5"

	"github.com/rocketflow-io/rocketflow/test/interop/go/internal/program"
)

func main() { program.Main(run) }

func run(ctx context.Context, topic string) error {
	if err := send(ctx, topic); err != nil {
		return err
	}
	return receive(ctx, topic)
}

func send(ctx context.Context, topic string) (err error) {
	producer, err := program.StartProducer(program.Config(), topic)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, producer.GracefulStop()) }()
	for i, body := range []string{"one", "two", "three"} {
		m := &rmq.Message{Topic: topic, Body: []byte(body)}
		m.SetTag("number")
		m.SetKeys("key-" + body)
		m.AddProperty("size", strconv.Itoa(i+1))
		if _, err := program.Send(ctx, producer, m); err != nil {
			return err
		}
	}
	return nil
}

func receive(ctx context.Context, topic string) (err error) {
	consumer, err := program.StartSimpleConsumer(program.Config(), topic, rmq.SUB_ALL)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, consumer.GracefulStop()) }()
	return program.ReceiveAll(ctx, consumer, 3, func(m *rmq.MessageView) string {
		return fmt.Sprintf("tag=%s key=%s %s", *m.GetTag(), strings.Join(m.GetKeys(), ","), program.Attributes(m, "size"))
	})
}
