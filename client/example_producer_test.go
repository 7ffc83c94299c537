package client_test

import (
	"context"
	"fmt"
	"time"

	"github.com/rocketflow-io/rocketflow/client"
)

func ExampleProducer_BeginTransaction() {
	c, closeBoth := exampleClient()
	defer closeBoth()
	ctx := context.Background()

	paid := map[string]bool{} // stands for the table of a database
	producer, err := c.NewProducer(
		client.WithTopics("payments"),
		client.WithTransactionChecker(func(_ context.Context, m *client.Message) client.Resolution {
			// Asked only about transactions that were not ended, such as by a run that crashed.
			if paid[m.Keys[0]] {
				return client.ResolutionCommit
			}
			return client.ResolutionRollback
		}))
	if err != nil {
		fmt.Println(err)
		return
	}

	tx, err := producer.BeginTransaction()
	if err != nil {
		fmt.Println(err)
		return
	}
	order := &client.Message{Topic: "payments", Keys: []string{"order-1"}, Body: []byte("12.50")}
	if _, err := tx.Send(ctx, order); err != nil { // stored, and not delivered
		fmt.Println(err)
		return
	}
	paid["order-1"] = true // the work that the message tells of; tx.Rollback if it fails
	fmt.Println(tx.Commit(ctx))

	consumer, err := c.NewSimpleConsumer("etl", map[string]client.Filter{"payments": client.All()})
	if err != nil {
		fmt.Println(err)
		return
	}
	deliveries, err := consumer.Receive(ctx, 1, 30*time.Second)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%s %s\n", deliveries[0].Keys[0], deliveries[0].Body)
	// Output:
	// <nil>
	// order-1 12.50
}

func ExampleProducer_Recall() {
	c, closeBoth := exampleClient()
	defer closeBoth()
	ctx := context.Background()

	producer, err := c.NewProducer()
	if err != nil {
		fmt.Println(err)
		return
	}
	reminder := &client.Message{Topic: "reminders", Body: []byte("pay"), DeliveryTime: time.Now().Add(time.Hour)}
	receipt, err := producer.Send(ctx, reminder)
	if err != nil {
		fmt.Println(err)
		return
	}
	// It has been paid meanwhile.
	id, err := producer.Recall(ctx, "reminders", receipt.RecallHandle)
	fmt.Println(id == receipt.MessageID, err)
	// Output: true <nil>
}

// A delayed message is one with a delivery time. One that is past means at once.
func ExampleMessage_delayed() {
	c, closeBoth := exampleClient()
	defer closeBoth()
	ctx := context.Background()

	producer, err := c.NewProducer()
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, delay := range []time.Duration{-time.Second, 15 * time.Minute, 25 * time.Hour} {
		_, err := producer.Send(ctx, &client.Message{
			Topic: "reminders", Body: []byte("pay"), DeliveryTime: time.Now().Add(delay),
		})
		fmt.Println(err != nil)
	}
	// Output:
	// false
	// false
	// true
}
