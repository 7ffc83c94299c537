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

// A rig is a test with a broker in memory and a client of it.
type rig struct {
	*testing.T
	broker *broker.Broker
	client *client.Client
}

// inBubble runs a test against a broker in a bubble of virtual time.
func inBubble(t *testing.T, test func(r *rig), opts ...brokertest.Option) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := brokertest.New(t, append([]brokertest.Option{standard}, opts...)...)
		test(&rig{t, b, newClient(t, b)})
	})
}

// standard is the topics and groups that tests use; there are no others.
func standard(o *broker.Options) {
	o.AutoCreate = false
	o.Topics = []broker.Topic{
		{Name: "orders", Queues: 4}, {Name: "bills", Queues: 2}, {Name: "steps", Queues: 4, Type: broker.FIFO},
		{Name: "closed", Permission: broker.ReadOnly}, {Name: "secret", Permission: broker.WriteOnly},
	}
	o.Groups = []broker.Group{
		{Name: "G"}, {Name: "O", Ordered: true}, {Name: "once", RetryMaxTimes: 1},
	}
}

// newClient returns a client of b which the end of the test closes.
func newClient(tb testing.TB, b *broker.Broker, opts ...client.Option) *client.Client {
	tb.Helper()
	opts = append([]client.Option{client.WithPlaintext(), client.WithDialer(b.Dialer())}, opts...)
	c, err := client.New(b.Endpoint(), opts...)
	require.NoError(tb, err)
	tb.Cleanup(func() { require.NoError(tb, c.Close()) })
	return c
}

func (r *rig) producer(opts ...client.ProducerOption) *client.Producer {
	r.Helper()
	p, err := r.client.NewProducer(opts...)
	require.NoError(r, err)
	return p
}

func (r *rig) consumer(group string, topics ...string) *client.SimpleConsumer {
	r.Helper()
	subscriptions := make(map[string]client.Filter)
	for _, topic := range topics {
		subscriptions[topic] = client.All()
	}
	c, err := r.client.NewSimpleConsumer(group, subscriptions)
	require.NoError(r, err)
	return c
}

// send sends a message for each body, in order.
func (r *rig) send(topic string, bodies ...string) {
	r.Helper()
	p := r.producer()
	for _, body := range bodies {
		_, err := p.Send(r.Context(), message(topic, body))
		require.NoError(r, err)
	}
}

// receive polls for messages that are there, until it has enough.
func (r *rig) receive(c *client.SimpleConsumer, atLeast int) []*client.Delivery {
	r.Helper()
	var all []*client.Delivery
	for len(all) < atLeast {
		got, err := c.Receive(r.Context(), 32, time.Minute)
		require.NoError(r, err)
		require.NotEmpty(r, got)
		all = append(all, got...)
	}
	return all
}

// stored returns the bodies in a topic, queue by queue.
func (r *rig) stored(topic string) []string {
	var out []string
	for _, m := range r.broker.Messages(topic) {
		out = append(out, string(m.Body))
	}
	return out
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
