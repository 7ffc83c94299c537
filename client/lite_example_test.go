package client_test

import (
	"context"
	"fmt"
	"time"

	"github.com/rocketflow-io/rocketflow/broker"
	"github.com/rocketflow-io/rocketflow/client"
)

// liteExample starts a broker in memory with a parent topic and a group bound to it, and returns a client
// of it, which has sent something, and what closes both.
func liteExample(messages ...client.Message) (*client.Client, func()) {
	b, err := broker.Start(broker.Options{
		InMemory: true,
		Topics:   []broker.Topic{{Name: "sessions", Type: broker.Lite}},
		Groups:   []broker.Group{{Name: "agents", Lite: broker.LiteBinding{Topic: "sessions"}}},
	})
	if err != nil {
		panic(err)
	}
	c, err := client.New(b.Endpoint(), client.WithDialer(b.Dialer()), client.WithPlaintext())
	if err != nil {
		panic(err)
	}
	producer, err := c.NewProducer()
	if err != nil {
		panic(err)
	}
	for _, m := range messages {
		if _, err := producer.Send(context.Background(), &m); err != nil {
			panic(err)
		}
	}
	return c, func() { closeAll(c, b) }
}

// A consumer subscribes to the lite topics that it is responsible for, here those of two sessions of
// users.
func ExampleClient_NewLiteSimpleConsumer() {
	c, closeClient := liteExample(
		client.Message{Topic: "sessions", LiteTopic: "user-1", Body: []byte("hello")},
		client.Message{Topic: "sessions", LiteTopic: "user-2", Body: []byte("not for us")},
		client.Message{Topic: "sessions", LiteTopic: "user-1", Body: []byte("bye")},
	)
	defer closeClient()
	ctx := context.Background()

	consumer, err := c.NewLiteSimpleConsumer("agents", "sessions")
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := consumer.SubscribeLite(ctx, "user-1"); err != nil {
		fmt.Println(err)
		return
	}
	deliveries, err := consumer.Receive(ctx, 32, time.Minute)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, d := range deliveries {
		fmt.Printf("%s: %s\n", d.LiteTopic, d.Body)
	}
	if err := consumer.Ack(ctx, deliveries...); err != nil {
		fmt.Println(err)
	}
	// Output:
	// user-1: hello
	// user-1: bye
}

// Messages of one lite topic arrive one after the other. One that cannot be consumed yet holds up its
// lite topic alone.
func ExampleClient_NewLitePushConsumer() {
	c, closeClient := liteExample(
		client.Message{Topic: "sessions", LiteTopic: "user-1", Body: []byte("hello")},
		client.Message{Topic: "sessions", LiteTopic: "user-1", Body: []byte("bye")},
	)
	defer closeClient()
	ctx, stop := context.WithCancel(context.Background())
	defer stop()

	asleep := true
	consumer, err := c.NewLitePushConsumer("agents", "sessions", func(_ context.Context, m *client.Message) error {
		if asleep {
			asleep = false
			fmt.Println("later")
			return client.SuspendFor(100 * time.Millisecond)
		}
		fmt.Printf("%s: %s\n", m.LiteTopic, m.Body)
		if string(m.Body) == "bye" {
			stop()
		}
		return nil
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := consumer.SubscribeLite(ctx, "user-1"); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(consumer.Run(ctx))
	// Output:
	// later
	// user-1: hello
	// user-1: bye
	// <nil>
}
