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
