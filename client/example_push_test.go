package client_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/rocketflow-io/rocketflow/client"
)

func ExamplePushConsumer() {
	c, closeBoth := exampleClient()
	defer closeBoth()
	ctx, stop := context.WithCancel(context.Background())
	defer stop()

	producer, err := c.NewProducer()
	if err != nil {
		fmt.Println(err)
		return
	}
	if _, err := producer.Send(ctx, &client.Message{Topic: "flights", Body: []byte("UA 1545")}); err != nil {
		fmt.Println(err)
		return
	}

	consumer, err := c.NewPushConsumer("etl", map[string]client.Filter{"flights": client.All()},
		func(_ context.Context, m *client.Message) error {
			fmt.Printf("%s, attempt %d\n", m.Body, m.Attempt)
			if m.Attempt == 1 {
				return errors.New("the database is away") // the message comes again
			}
			stop()
			return nil // acknowledges
		},
		client.WithConcurrency(8), client.WithCacheLimit(1000, 16<<20))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(consumer.Run(ctx)) // until ctx ends; what is under way is finished
	// Output:
	// UA 1545, attempt 1
	// UA 1545, attempt 2
	// <nil>
}

func ExampleSuspendFor() {
	c, closeBoth := exampleClient()
	defer closeBoth()
	ctx, stop := context.WithCancel(context.Background())
	defer stop()

	producer, err := c.NewProducer()
	if err != nil {
		fmt.Println(err)
		return
	}
	if _, err := producer.Send(ctx, &client.Message{Topic: "flights", Body: []byte("AA 1141")}); err != nil {
		fmt.Println(err)
		return
	}

	ready := time.Now().Add(100 * time.Millisecond)
	consumer, err := c.NewPushConsumer("etl", map[string]client.Filter{"flights": client.All()},
		func(_ context.Context, m *client.Message) error {
			if wait := time.Until(ready); wait > 0 {
				return client.SuspendFor(wait) // it is too early, which is nobody's fault
			}
			fmt.Printf("%s, attempt %d\n", m.Body, m.Attempt)
			stop()
			return nil
		})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(consumer.Run(ctx))
	// Output:
	// AA 1141, attempt 1
	// <nil>
}
