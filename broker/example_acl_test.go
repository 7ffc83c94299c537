package broker_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/rocketflow-io/rocketflow/broker"
	"github.com/rocketflow-io/rocketflow/client"
)

// A shop may send orders, and nothing else. Whoever does not know its secret may do nothing.
func ExampleACL() {
	b, err := broker.Start(broker.Options{
		Topics: []broker.Topic{{Name: "orders"}, {Name: "salaries"}},
		ACL: &broker.ACL{Users: []broker.User{{
			Name: "shop", Secret: "open sesame",
			Policies: []broker.Policy{{Resource: "Topic:orders", Actions: []broker.PolicyAction{broker.Publish}}},
		}}},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = b.Close() }() // always nil

	send := func(secret, topic string) {
		c, err := client.New(b.Endpoint(), client.WithPlaintext(), client.WithCredentials("shop", secret))
		if err != nil {
			log.Fatal(err)
		}
		defer func() { _ = c.Close() }()
		p, err := c.NewProducer()
		if err != nil {
			log.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		_, err = p.Send(ctx, &client.Message{Topic: topic, Body: []byte("one coffee")})
		fmt.Printf("%s to %s: unauthorized is %v\n", secret, topic, errors.Is(err, client.ErrUnauthorized))
	}
	send("open sesame", "orders")
	send("open sesame", "salaries")
	send("open barley", "orders")
	fmt.Println(len(b.Messages("orders")), "stored")
	// Output:
	// open sesame to orders: unauthorized is false
	// open sesame to salaries: unauthorized is true
	// open barley to orders: unauthorized is true
	// 1 stored
}
