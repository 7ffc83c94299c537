package client_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"github.com/rocketflow-io/rocketflow/broker"
	"github.com/rocketflow-io/rocketflow/client"
)

// exampleBroker starts a broker in memory with one topic, for the examples to talk to.
func exampleBroker() *broker.Broker {
	b, err := broker.Start(broker.Options{
		InMemory: true,
		Recall:   true,
		Topics: []broker.Topic{
			{Name: "flights", Queues: 1}, {Name: "reminders", Type: broker.Delay}, {Name: "payments", Type: broker.Transaction},
		},
		Groups: []broker.Group{{Name: "etl"}},
	})
	if err != nil {
		panic(err)
	}
	return b
}

// exampleClient returns a client of such a broker, and what closes both.
func exampleClient() (*client.Client, func()) {
	b := exampleBroker()
	c, err := client.New(b.Endpoint(), client.WithDialer(b.Dialer()), client.WithPlaintext())
	if err != nil {
		panic(err)
	}
	return c, func() { closeAll(c, b) }
}

func closeAll(closers ...io.Closer) {
	for _, c := range closers {
		if err := c.Close(); err != nil {
			fmt.Println(err)
		}
	}
}

func Example() {
	b := exampleBroker()
	// A server on the network needs neither option: TLS is the default.
	c, err := client.New(b.Endpoint(), client.WithDialer(b.Dialer()), client.WithPlaintext())
	if err != nil {
		fmt.Println(err)
		return
	}
	defer closeAll(c, b)
	ctx := context.Background()

	producer, err := c.NewProducer()
	if err != nil {
		fmt.Println(err)
		return
	}
	if _, err := producer.Send(ctx, &client.Message{Topic: "flights", Tag: "departed", Body: []byte("UA 1545")}); err != nil {
		fmt.Println(err)
		return
	}

	consumer, err := c.NewSimpleConsumer("etl", map[string]client.Filter{"flights": client.Tag("departed")})
	if err != nil {
		fmt.Println(err)
		return
	}
	deliveries, err := consumer.Receive(ctx, 32, 30*time.Second)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, d := range deliveries {
		fmt.Printf("%s, attempt %d\n", d.Body, d.Attempt)
	}
	fmt.Println(consumer.Ack(ctx, deliveries...))
	// Output:
	// UA 1545, attempt 1
	// <nil>
}

func ExampleProducer_SendAsync() {
	c, closeBoth := exampleClient()
	defer closeBoth()
	ctx := context.Background()

	producer, err := c.NewProducer(client.WithWindow(100))
	if err != nil {
		fmt.Println(err)
		return
	}
	var stored atomic.Int32
	for i := range 1000 {
		m := &client.Message{Topic: "flights", Body: fmt.Append(nil, i)}
		producer.SendAsync(ctx, m, func(_ client.Receipt, err error) {
			if err == nil {
				stored.Add(1)
			}
		})
	}
	fmt.Println(producer.Flush(ctx), stored.Load())
	// Output: <nil> 1000
}

func ExampleProducer_SendBatch() {
	c, closeBoth := exampleClient()
	defer closeBoth()

	producer, err := c.NewProducer()
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = producer.SendBatch(context.Background(), []*client.Message{
		{Topic: "flights", Body: []byte("UA 1545")},
		{Topic: "flights"},
		{Topic: "flights", Body: []byte("AA 1141")},
	})
	fmt.Println(err)
	var failed *client.BatchError
	if errors.As(err, &failed) {
		fmt.Println(errors.Is(failed.Errors[1], client.ErrBodyEmpty))
	}
	// Output:
	// client: 1 of 3 messages failed: message 1: body: is empty: put at least one byte into it
	// true
}

func ExampleStatusError() {
	c, closeBoth := exampleClient()
	defer closeBoth()

	producer, err := c.NewProducer()
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = producer.Send(context.Background(), &client.Message{Topic: "fligths", Body: []byte("UA 1545")})
	var refused *client.StatusError
	if errors.As(err, &refused) {
		fmt.Println(refused.Code, refused.Target, errors.Is(err, client.ErrTopicNotFound))
	}
	// Output: 40402 fligths true
}
