// Package billing shows how a pipeline is tested.
//
// [Bill] is the pipeline: it takes the messages of a topic, and sends an invoice for each order to
// another. What makes it easy to test is that it is given its source and its sinks. In production
// those are sources.RocketMQ and sinks.RocketMQ. The tests give it others, and each file shows one
// way:
//
//   - memory_test.go: a source and sinks in memory, and nothing else;
//   - flowtest_test.go: the kit of package flowtest. It redelivers as a topic does, lets any stage
//     fail, passes hours of backoff at once, and says which stage has lost what;
//   - windows_test.go: [Revenue], a pipeline with windows, and how a test moves event time;
//   - broker_test.go: the real source and sink, on a broker in memory, in a bubble of
//     testing/synctest.
package billing

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/rocketflow-io/rocketflow/client"
	"github.com/rocketflow-io/rocketflow/flow"
	"github.com/rocketflow-io/rocketflow/flow/stage"
)

// Order is what comes in, as JSON.
type Order struct {
	ID    string `json:"id"`
	Cents int    `json:"cents"`
}

// Invoice is what goes out, as JSON.
type Invoice struct {
	Order string `json:"order"`
	Total int    `json:"total"` // in cents, with tax
}

// Tax tells the tax on an amount in cents. It asks another service, and so may fail.
type Tax func(ctx context.Context, cents int) (int, error)

// Bill makes an invoice for each order. An order that is free of charge is dropped. One that cannot
// be read is no use trying again: it goes to the dead letters. One whose tax cannot be told just
// now is handed back, so that it comes again.
func Bill(orders stage.Source[*client.Message], tax Tax, invoices stage.Sink[*client.Message], dead stage.Sink[flow.Failure]) *flow.Pipeline {
	return flow.From(orders).
		TryMap(parse).Named("parse").
		OnError(flow.DeadLetter(dead)).
		Filter(func(o Order) bool { return o.Cents > 0 }).
		TryMap(invoicing(tax)).Named("invoice").
		TryMap(message).
		OnError(flow.Nack()).
		To(invoices)
}

var errNoID = errors.New("the order has no id")

func parse(_ context.Context, m *client.Message) (o Order, err error) {
	if err := json.Unmarshal(m.Body, &o); err != nil {
		return o, fmt.Errorf("parse order: %w", err)
	}
	if o.ID == "" {
		return o, errNoID
	}
	return o, nil
}

func invoicing(tax Tax) func(context.Context, Order) (Invoice, error) {
	return func(ctx context.Context, o Order) (Invoice, error) {
		t, err := tax(ctx, o.Cents)
		if err != nil {
			return Invoice{}, fmt.Errorf("tax of order %q: %w", o.ID, err)
		}
		return Invoice{Order: o.ID, Total: o.Cents + t}, nil
	}
}

func message(_ context.Context, i Invoice) (*client.Message, error) {
	body, err := json.Marshal(i)
	return &client.Message{Body: body, Keys: []string{i.Order}}, err
}
