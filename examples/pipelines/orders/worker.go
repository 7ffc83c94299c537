package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"strconv"
	"time"

	"github.com/rocketflow-io/rocketflow/client"
	"github.com/rocketflow-io/rocketflow/examples/internal/flights"
	"github.com/rocketflow-io/rocketflow/examples/pipelines/flights/data"
	"github.com/rocketflow-io/rocketflow/flow"
	"github.com/rocketflow-io/rocketflow/flow/stage"
	"github.com/rocketflow-io/rocketflow/sinks"
	"github.com/rocketflow-io/rocketflow/sources"
	"github.com/rocketflow-io/rocketflow/state"
	"github.com/rocketflow-io/rocketflow/state/pebble"
)

// lease is for how long a worker takes an order: what a killed one had comes again after that.
const lease = 10 * time.Second

// centsAMile is the price.
const centsAMile = 12

// invoice is what goes out.
type invoice struct {
	Order string `json:"order"`
	Cents int    `json:"cents"`
}

// order is what an invoice is known by: one is sent for each.
func (i invoice) order(stage.Info) string { return i.Order }

// message encodes the invoice.
func (i invoice) message() (*client.Message, error) {
	body, err := json.Marshal(i)
	return &client.Message{Body: body, Keys: []string{i.Order}}, err
}

// bill makes the invoice for an order.
func bill(ctx context.Context, m *client.Message) (invoice, error) {
	f, err := flights.Parse(ctx, m)
	if err != nil {
		return invoice{}, err
	}
	return invoice{Order: strconv.Itoa(f.Row), Cents: centsAMile * f.Distance.Value}, nil
}

// billing is the job: an order is acknowledged when its invoice cannot be lost, nor be sent twice. It
// takes few orders in advance, since the next worker would have to wait for them.
func billing(c *client.Client, store state.Store) *flow.Pipeline {
	few := sources.WithPrefetch(64, 1<<20)
	return flow.From(sources.RocketMQ(c, ordersTopic, billingGroup, sources.WithInvisible(lease), sources.WithPolls(2), few)).
		TryMap(bill).
		To(sinks.RocketMQOnce(c, invoicesTopic, store, invoice.order, invoice.message))
}

// work runs the job until ctx or the input ends, which is when the process above has died.
func work(ctx context.Context, o options, input io.Reader) (err error) {
	store, err := pebble.Open(o.store)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	c, err := client.New(o.endpoint, client.WithPlaintext())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	ctx, end := context.WithCancel(ctx)
	defer end()
	go func() {
		_, _ = io.Copy(io.Discard, input) // that it ends is all that matters
		end()
	}()
	return billing(c, store).Run(ctx)
}

// load sends the orders.
func load(ctx context.Context, c *client.Client, n int) error {
	file, err := data.Flights()
	if err != nil {
		return err
	}
	row := 0
	return flow.From(sources.CSVFrom[flights.Flight](file, sources.WithName(data.FlightsName))).
		Take(n).
		Map(func(f flights.Flight) flights.Flight { row++; f.Row = row; return f }).
		To(sinks.RocketMQOf(c, ordersTopic, flights.Message), flow.Batched(64, 10*time.Millisecond)).
		Run(ctx)
}
