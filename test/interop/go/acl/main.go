// Command acl sends and receives a message with the credentials of a user, and is refused with a
// wrong secret.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	rmq "github.com/apache/rocketmq-clients/golang/v5"
	"github.com/apache/rocketmq-clients/golang/v5/credentials"

	"github.com/rocketflow-io/rocketflow/test/interop/go/internal/program"
)

func main() { program.Main(run) }

func run(ctx context.Context, topic string) error {
	config := program.Config()
	config.Credentials = &credentials.SessionCredentials{
		AccessKey:    os.Getenv("ROCKETMQ_ACCESS_KEY"),
		AccessSecret: os.Getenv("ROCKETMQ_SECRET_KEY"),
	}
	if err := send(ctx, config, topic, "allowed"); err != nil {
		return err
	}
	if err := receive(ctx, config, topic); err != nil {
		return err
	}
	config.Credentials.AccessSecret = "wrong"
	err := send(ctx, config, topic, "forged")
	if err == nil {
		return errors.New("a wrong secret has to be refused")
	}
	if !strings.Contains(err.Error(), "UNAUTHORIZED") { // Start keeps no more than the text
		return err
	}
	fmt.Println("refused forged")
	return nil
}

func send(ctx context.Context, config *rmq.Config, topic, body string) (err error) {
	producer, err := program.StartProducer(config, topic)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, producer.GracefulStop()) }()
	_, err = program.Send(ctx, producer, &rmq.Message{Topic: topic, Body: []byte(body)})
	return err
}

func receive(ctx context.Context, config *rmq.Config, topic string) (err error) {
	consumer, err := program.StartSimpleConsumer(config, topic, rmq.SUB_ALL)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, consumer.GracefulStop()) }()
	return program.ReceiveAll(ctx, consumer, 1, nil)
}
