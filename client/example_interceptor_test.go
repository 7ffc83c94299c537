package client_test

import (
	"context"
	"fmt"
	"time"

	"github.com/rocketflow-io/rocketflow/client"
)

func ExampleWithInterceptors() {
	b := exampleBroker()
	stamp := client.Interceptor{
		Send: func(_ context.Context, m *client.Message) (func(client.Receipt, error), error) {
			m.Properties["tenant"] = "north"
			return func(_ client.Receipt, err error) { fmt.Printf("sent %s: %v\n", m.Body, err) }, nil
		},
	}
	filter := client.Interceptor{
		Receive: func(_ context.Context, _ string, m *client.Message) bool { return m.Tag != "test" },
		Settle: func(_ context.Context, group string, m *client.Message, action client.Action) func(error) {
			return func(err error) { fmt.Printf("%v of %s by %s: %v\n", action, m.Body, group, err) }
		},
	}
	c, err := client.New(b.Endpoint(), client.WithDialer(b.Dialer()), client.WithPlaintext(),
		client.WithInterceptors(stamp, filter))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer closeAll(c, b)
	ctx := context.Background()

	p, err := c.NewProducer()
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = p.SendBatch(ctx, []*client.Message{
		{Topic: "flights", Body: []byte("UA102"), Tag: "test"},
		{Topic: "flights", Body: []byte("DL7")},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	sc, err := c.NewSimpleConsumer("etl", map[string]client.Filter{"flights": client.All()})
	if err != nil {
		fmt.Println(err)
		return
	}
	deliveries, err := sc.Receive(ctx, 10, time.Minute)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, d := range deliveries {
		fmt.Println("received", d.Properties["tenant"], string(d.Body))
	}
	if err := sc.Ack(ctx, deliveries...); err != nil {
		fmt.Println(err)
	}
	// Output:
	// sent UA102: <nil>
	// sent DL7: <nil>
	// received north DL7
	// ack of DL7 by etl: <nil>
}
