package broker_test

import (
	"context"
	"fmt"
	"log"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"

	"github.com/rocketflow-io/rocketflow/broker"
	"github.com/rocketflow-io/rocketflow/client"
)

// A producer is told to slow down, and the answer to what it tries then is lost: it sends the message
// once more.
func ExampleBroker_Inject() {
	b, err := broker.Start(broker.Options{InMemory: true, Topics: []broker.Topic{{Name: "orders"}}})
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = b.Close() }() // always nil
	sends := broker.Match{RPC: "SendMessage", Topic: "orders"}
	for _, fault := range []broker.Fault{
		{On: sends, Times: 1, Do: broker.AnswerCode(int32(v2.Code_TOO_MANY_REQUESTS), "slow down")},
		{On: sends, Times: 1, Do: broker.CutAfter()},
	} {
		if _, err := b.Inject(fault); err != nil {
			log.Fatal(err)
		}
	}

	c, err := client.New(b.Endpoint(), client.WithPlaintext(), client.WithDialer(b.Dialer()))
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = c.Close() }() // nothing is under way
	p, err := c.NewProducer()
	if err != nil {
		log.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if _, err := p.Send(ctx, &client.Message{Topic: "orders", Body: []byte("one coffee")}); err != nil {
		log.Fatal(err)
	}
	for _, call := range b.Calls(sends) {
		fmt.Printf("%v, gRPC %v, fault %q\n", v2.Code(call.Code), call.GRPC, call.Fault)
	}
	fmt.Println(len(b.Messages("orders")), "stored")
	// Output:
	// TOO_MANY_REQUESTS, gRPC OK, fault "answered with code 42900"
	// OK, gRPC Unavailable, fault "connection cut after"
	// OK, gRPC OK, fault ""
	// 2 stored
}
