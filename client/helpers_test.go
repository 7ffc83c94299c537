package client_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/rocketflow-io/rocketflow/broker"
	"github.com/rocketflow-io/rocketflow/broker/brokertest"
	"github.com/rocketflow-io/rocketflow/client"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A rig is a broker in memory and a client of it.
type rig struct {
	broker *broker.Broker
	client *client.Client
}

// inBubble runs a test against a broker in a bubble of virtual time.
func inBubble(t *testing.T, test func(t *testing.T, r *rig), opts ...brokertest.Option) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := brokertest.New(t, append([]brokertest.Option{standard}, opts...)...)
		test(t, &rig{b, newClient(t, b)})
	})
}

// standard is the topics and groups that tests use; there are no others.
func standard(o *broker.Options) {
	o.AutoCreate = false
	o.Topics = []broker.Topic{
		{Name: "orders", Queues: 4}, {Name: "bills", Queues: 2}, {Name: "steps", Queues: 4, Type: broker.FIFO},
		{Name: "closed", Permission: broker.ReadOnly}, {Name: "late", Type: broker.Delay},
	}
	o.Groups = []broker.Group{
		{Name: "G"}, {Name: "O", Ordered: true}, {Name: "once", RetryMaxTimes: 1},
	}
}

// newClient returns a client of b which the end of the test closes.
func newClient(t testing.TB, b *broker.Broker, opts ...client.Option) *client.Client {
	t.Helper()
	opts = append([]client.Option{client.WithPlaintext(), client.WithDialer(b.Dialer())}, opts...)
	c, err := client.New(b.Endpoint(), opts...)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	return c
}

func (r *rig) producer(t testing.TB, opts ...client.ProducerOption) *client.Producer {
	t.Helper()
	p, err := r.client.NewProducer(opts...)
	require.NoError(t, err)
	return p
}

func (r *rig) consumer(t testing.TB, group string, topics ...string) *client.SimpleConsumer {
	t.Helper()
	subscriptions := make(map[string]client.Filter)
	for _, topic := range topics {
		subscriptions[topic] = client.All()
	}
	c, err := r.client.NewSimpleConsumer(group, subscriptions)
	require.NoError(t, err)
	return c
}

// receive polls once, for messages that are there.
func receive(t testing.TB, c *client.SimpleConsumer, atLeast int) []*client.Delivery {
	t.Helper()
	var all []*client.Delivery
	for len(all) < atLeast {
		got, err := c.Receive(t.Context(), 32, time.Minute)
		require.NoError(t, err)
		require.NotEmpty(t, got)
		all = append(all, got...)
	}
	return all
}

func message(topic, body string) *client.Message {
	return &client.Message{Topic: topic, Body: []byte(body)}
}

func bodies(deliveries []*client.Delivery) []string {
	out := make([]string, len(deliveries))
	for i, d := range deliveries {
		out[i] = string(d.Body)
	}
	return out
}
