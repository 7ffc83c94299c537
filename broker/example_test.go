package broker_test

import (
	"context"
	"fmt"
	"log"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"

	"github.com/rocketflow-io/rocketflow/broker"
)

// A broker, and the bare protocol to send it a message. Any RocketMQ 5 client can do the same at
// b.Endpoint().
func ExampleStart() {
	b, err := broker.Start(broker.Options{
		Topics: []broker.Topic{{Name: "orders", Queues: 4}},
		Groups: []broker.Group{{Name: "billing"}},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = b.Close() }() // always nil

	conn, err := grpc.NewClient(b.Endpoint(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	ctx = metadata.AppendToOutgoingContext(ctx, "x-mq-client-id", "example", "x-mq-language", "GO")

	answer, err := v2.NewMessagingServiceClient(conn).SendMessage(ctx, &v2.SendMessageRequest{
		Messages: []*v2.Message{{
			Topic:            &v2.Resource{Name: "orders"},
			Body:             []byte("one coffee"),
			SystemProperties: &v2.SystemProperties{MessageId: "order-1"},
		}},
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(answer.GetStatus().GetCode())
	for _, m := range b.Messages("orders") {
		fmt.Println(m.ID, string(m.Body))
	}
	// Output:
	// OK
	// order-1 one coffee
}

// Two messages to one lite topic, and what the broker tells of it.
func ExampleBroker_LiteTopics() {
	b, err := broker.Start(broker.Options{
		Topics: []broker.Topic{{Name: "chats", Type: broker.Lite}},
		Groups: []broker.Group{{Name: "phones", Lite: broker.LiteBinding{Topic: "chats"}}},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = b.Close() }() // always nil

	conn, err := grpc.NewClient(b.Endpoint(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	ctx = metadata.AppendToOutgoingContext(ctx, "x-mq-client-id", "example", "x-mq-language", "GO")

	chats, phones := &v2.Resource{Name: "chats"}, &v2.Resource{Name: "phones"}
	server := v2.NewMessagingServiceClient(conn)
	for _, id := range []string{"hello", "are you there?"} {
		_, err := server.SendMessage(ctx, &v2.SendMessageRequest{Messages: []*v2.Message{{
			Topic: chats, Body: []byte(id),
			SystemProperties: &v2.SystemProperties{MessageId: id, LiteTopic: new("ann-and-bob")},
		}}})
		if err != nil {
			log.Fatal(err)
		}
	}
	_, err = server.SyncLiteSubscription(ctx, &v2.SyncLiteSubscriptionRequest{
		Action: v2.LiteSubscriptionAction_PARTIAL_ADD, Topic: chats, Group: phones, LiteTopicSet: []string{"ann-and-bob"},
	})
	if err != nil {
		log.Fatal(err)
	}
	for _, lite := range b.LiteTopics("chats") {
		phones := lite.Groups["phones"]
		fmt.Println(lite.Name, lite.Stored, "stored,", phones.Ready, "ready for", phones.Clients)
	}
	// Output:
	// ann-and-bob 2 stored, 2 ready for [example]
}

// The server answers a request of several messages with one entry. So does the broker, with its quirks.
func ExampleLocalQuirks() {
	b, err := broker.Start(broker.Options{
		Topics: []broker.Topic{{Name: "orders"}},
		Quirks: broker.LocalQuirks(),
	})
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = b.Close() }() // always nil

	conn, err := grpc.NewClient(b.Endpoint(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	ctx = metadata.AppendToOutgoingContext(ctx, "x-mq-client-id", "example", "x-mq-language", "GO")

	var coffees []*v2.Message
	for _, id := range []string{"order-1", "order-2"} {
		coffees = append(coffees, &v2.Message{
			Topic: &v2.Resource{Name: "orders"}, Body: []byte("one coffee"),
			SystemProperties: &v2.SystemProperties{MessageId: id},
		})
	}
	answer, err := v2.NewMessagingServiceClient(conn).SendMessage(ctx, &v2.SendMessageRequest{Messages: coffees})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(len(answer.GetEntries()), "entry for", len(b.Messages("orders")), "messages")
	// Output:
	// 1 entry for 2 messages
}
