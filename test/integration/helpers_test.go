package integration

import (
	"context"
	"flag"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/rocketflow-io/rocketflow/client"
	"github.com/rocketflow-io/rocketflow/test/rocketmq/target"
)

func TestMain(m *testing.M) {
	atOnce()
	goleak.VerifyTestMain(m)
}

// atOnce lets many tests run at a time, if the command line says nothing of it: they wait more than they
// work, and each has topics and groups of its own.
func atOnce() {
	flag.Parse()
	said := false
	flag.Visit(func(f *flag.Flag) { said = said || f.Name == "test.parallel" })
	if said {
		return
	}
	if err := flag.Set("test.parallel", "16"); err != nil {
		panic(err)
	}
}

// patience bounds what a test waits for. It is only reached by a test that fails.
const patience = time.Minute

// invisible is the invisible duration of tests that settle what they receive.
const invisible = 30 * time.Second

// newClient gives a client of the target which ends with the test.
func newClient(t *testing.T, g *target.Target, opts ...client.Option) *client.Client {
	t.Helper()
	c, err := client.New(g.Endpoint(), append([]client.Option{client.WithPlaintext()}, opts...)...)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	return c
}

func newProducer(t *testing.T, c *client.Client, opts ...client.ProducerOption) *client.Producer {
	t.Helper()
	p, err := c.NewProducer(opts...)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, p.Close()) })
	return p
}

func newConsumer(t *testing.T, c *client.Client, group, topic string) *client.SimpleConsumer {
	t.Helper()
	sc, err := c.NewSimpleConsumer(group, map[string]client.Filter{topic: client.All()}, client.WithAwait(5*time.Second))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, sc.Close()) })
	return sc
}

func limited(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// receive gathers deliveries until there are n.
func receive(t *testing.T, sc *client.SimpleConsumer, n int) []*client.Delivery {
	t.Helper()
	return receiveWithin(t, sc, n, patience)
}

// receiveWithin is receive for what takes its time.
func receiveWithin(t *testing.T, sc *client.SimpleConsumer, n int, limit time.Duration) []*client.Delivery {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	var got []*client.Delivery
	for len(got) < n {
		batch, err := sc.Receive(ctx, min(32, n-len(got)), invisible)
		require.NoError(t, err)
		got = append(got, batch...)
	}
	return got
}

func bodies(ds []*client.Delivery) []string {
	out := make([]string, len(ds))
	for i, d := range ds {
		out[i] = string(d.Body)
	}
	return out
}
