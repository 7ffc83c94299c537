package broker_test

import (
	"context"
	"fmt"
	"log"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"

	"github.com/rocketflow-io/rocketflow/broker"
)

// Two brokers behind two proxies. When one of the brokers has stopped, half of what is sent fails, until
// the routes say that it is gone: a client that tries again gets through.
func ExampleStartCluster() {
	c, err := broker.StartCluster(broker.ClusterOptions{
		Brokers: []string{"broker-a", "broker-b"},
		Proxies: 2,
		Options: broker.Options{Topics: []broker.Topic{{Name: "orders", Queues: 2}}},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = c.Close() }() // always nil

	conn, err := grpc.NewClient(c.Endpoint(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	ctx := metadata.AppendToOutgoingContext(context.Background(), "x-mq-client-id", "example", "x-mq-language", "GO")
	send := func(id string) {
		answer, err := v2.NewMessagingServiceClient(conn).SendMessage(ctx, &v2.SendMessageRequest{Messages: []*v2.Message{{
			Topic: &v2.Resource{Name: "orders"}, Body: []byte(id), SystemProperties: &v2.SystemProperties{MessageId: id},
		}}})
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(id, answer.GetStatus().GetCode())
	}

	for range 4 {
		send("before")
	}
	if err := c.StopBroker("broker-b"); err != nil {
		log.Fatal(err)
	}
	for range 4 {
		send("after")
	}
	for _, name := range []string{"broker-a", "broker-b"} {
		b, err := c.Broker(name)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(name, "has", len(b.Messages("orders")))
	}
	// Output:
	// before OK
	// before OK
	// before OK
	// before OK
	// after OK
	// after INTERNAL_SERVER_ERROR
	// after INTERNAL_SERVER_ERROR
	// after OK
	// broker-a has 4
	// broker-b has 2
}
