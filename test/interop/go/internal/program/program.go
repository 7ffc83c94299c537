// Package program has what the programs beside it share: the configuration of a client, taken from
// the environment, and the loop around a SimpleConsumer.
package program

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	rmq "github.com/apache/rocketmq-clients/golang/v5"
	"github.com/apache/rocketmq-clients/golang/v5/credentials"
	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
)

const (
	// Await is how long a receive waits for messages. The server wants at least 5 s.
	Await = 5 * time.Second
	// timeout is how long a request may take. The client's default is 3 s; one that is given up may
	// have been carried out all the same, and a message be there twice.
	timeout = 30 * time.Second
	// Invisible is for how long a received message is hidden from the rest of the group.
	Invisible = 30 * time.Second
)

// Main runs a program with the topic of the environment, and ends the process with code 1 if it fails.
func Main(run func(ctx context.Context, topic string) error) {
	if err := run(context.Background(), os.Getenv("ROCKETMQ_TOPIC")); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// Config is the configuration of a client without credentials. The group is for consumers.
func Config() *rmq.Config {
	return &rmq.Config{
		Endpoint:      os.Getenv("ROCKETMQ_ENDPOINT"),
		ConsumerGroup: os.Getenv("ROCKETMQ_GROUP"),
		Credentials:   &credentials.SessionCredentials{}, // must not be nil
	}
}

// NewClient makes what is inside of a producer or SimpleConsumer. WithQueryRouteTimeout is, despite its
// name, for all requests. A PushConsumer has no option for it.
func NewClient(config *rmq.Config, opts ...rmq.ClientOption) (rmq.Client, error) {
	return rmq.NewClient(config, append(opts, rmq.WithQueryRouteTimeout(timeout))...)
}

// StartProducer starts a producer to the topic. The caller stops it.
func StartProducer(config *rmq.Config, topic string, opts ...rmq.ProducerOption) (rmq.Producer, error) {
	producer, err := rmq.NewProducer(config, append(opts, rmq.WithTopics(topic), rmq.WithClientFunc(NewClient))...)
	if err != nil {
		return nil, err
	}
	return producer, producer.Start()
}

// Send sends the message and prints that it is sent.
func Send(ctx context.Context, producer rmq.Producer, m *rmq.Message) (*rmq.SendReceipt, error) {
	receipts, err := producer.Send(ctx, m)
	if err != nil {
		return nil, err
	}
	fmt.Println("sent", string(m.Body))
	return receipts[0], nil
}

// StartSimpleConsumer starts a consumer of what the filter lets through. The caller stops it.
func StartSimpleConsumer(config *rmq.Config, topic string, filter *rmq.FilterExpression) (rmq.SimpleConsumer, error) {
	consumer, err := rmq.NewSimpleConsumer(config, rmq.WithSimpleAwaitDuration(Await),
		rmq.WithClientFuncForSimpleConsumer(NewClient),
		rmq.WithSimpleSubscriptionExpressions(map[string]*rmq.FilterExpression{topic: filter}))
	if err != nil {
		return nil, err
	}
	return consumer, consumer.Start()
}

// Receive waits until at least one message has come, and returns at most limit.
func Receive(ctx context.Context, consumer rmq.SimpleConsumer, limit int32) ([]*rmq.MessageView, error) {
	for {
		messages, err := consumer.Receive(ctx, limit, Invisible)
		if status, ok := rmq.AsErrRpcStatus(err); ok && status.Code == int32(v2.Code_MESSAGE_NOT_FOUND) {
			continue // nothing came in the time of a poll
		}
		if err != nil || len(messages) > 0 {
			return messages, err
		}
	}
}

// ReceiveAll receives and acknowledges n messages. It prints that each is received, with what more
// there is to say of it, if attributes is not nil.
func ReceiveAll(ctx context.Context, consumer rmq.SimpleConsumer, n int, attributes func(*rmq.MessageView) string) error {
	for n > 0 {
		messages, err := Receive(ctx, consumer, int32(n))
		if err != nil {
			return err
		}
		for _, m := range messages {
			line := "received " + string(m.GetBody())
			if attributes != nil {
				line += " " + attributes(m)
			}
			fmt.Println(line)
			if err := consumer.Ack(ctx, m); err != nil {
				return err
			}
			fmt.Println("acked", string(m.GetBody()))
		}
		n -= len(messages)
	}
	return nil
}

// Attributes shows the properties of these names that the message has.
func Attributes(m *rmq.MessageView, names ...string) string {
	var shown []string
	for _, name := range names {
		if value, ok := m.GetProperties()[name]; ok {
			shown = append(shown, name+"="+value)
		}
	}
	return strings.Join(shown, " ")
}
