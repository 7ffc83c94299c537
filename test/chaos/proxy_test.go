package chaos

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/client"
)

const (
	// resumption is how soon after a proxy answers again its clients go on; tests allow three times that.
	resumption = 5 * time.Second
	tolerance  = 3 * resumption

	steady = 3 * time.Second // before the proxy is killed, and after it is back

	// lease is for how long the simple consumer takes a message: the shortest that the server grants. What
	// it took just before the proxy died and could not acknowledge locks its queues for so long (it may
	// be all of them), so the lease has to end within the tolerance.
	lease = 10 * time.Second
)

// everything is a subscription to all of a topic.
func everything(topic string) map[string]client.Filter {
	return map[string]client.Filter{topic: client.All()}
}

// push consumes with a push consumer until the test ends.
func (c *cluster) push(cl *client.Client, group, topic string, seen *consumption, opts ...client.PushOption) {
	c.Helper()
	pc, err := cl.NewPushConsumer(group, everything(topic), func(_ context.Context, m *client.Message) error {
		seen.consume(m)
		return nil
	}, opts...)
	require.NoError(c, err)
	ended := make(chan error, 1)
	go func() { ended <- pc.Run(c.Context()) }()
	c.Cleanup(func() {
		require.NoError(c, pc.Close())
		require.NoError(c, <-ended)
	})
}

// poll consumes with a simple consumer until the test ends. What cannot be acknowledged comes again.
func (c *cluster) poll(cl *client.Client, group, topic string, seen *consumption) {
	c.Helper()
	sc, err := cl.NewSimpleConsumer(group, everything(topic), client.WithAwait(5*time.Second))
	require.NoError(c, err)
	ctx, stop := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		for ctx.Err() == nil {
			got, err := sc.Receive(ctx, 16, lease)
			if err != nil {
				time.Sleep(100 * time.Millisecond) // as its documentation says
				continue
			}
			for _, d := range got {
				seen.consume(d.Message)
			}
			_ = sc.Ack(ctx, got...) // a failure is a redelivery, which the test allows
		}
	})
	c.Cleanup(func() {
		stop()
		wg.Wait()
		require.NoError(c, sc.Close())
	})
}

func TestProxyRestart_LosesNothing(t *testing.T) {
	const sequences = 8
	c := newCluster(t)
	topic := c.CreateTopic(t, "NORMAL", 4)
	cl := c.client(c.Endpoint())
	pushed, polled := newConsumption("push consumer", sequences), newConsumption("simple consumer", sequences)
	c.push(cl, c.CreateGroup(t, false, 16), topic, pushed)
	c.poll(cl, c.CreateGroup(t, false, 16), topic, polled)
	p, err := cl.NewProducer()
	require.NoError(t, err)

	l := startLoad(c, p, topic, sequences, false)
	time.Sleep(steady)
	killed, back := c.outage(0, time.Second)
	time.Sleep(tolerance)
	stored := l.end()

	require.Positive(t, l.failures, "the outage was not noticed")
	require.LessOrEqual(t, resumed(t, "sending", l.confirmations(), killed, back), tolerance)
	for _, seen := range []*consumption{pushed, polled} {
		require.LessOrEqual(t, resumed(t, "the "+seen.name, seen.deliveries(), killed, back), tolerance)
		seen.requireWhole(t, stored)
	}
}

func TestProxyRestart_KeepsMessageGroupsInOrder(t *testing.T) {
	const sequences = 6
	c := newCluster(t)
	topic := c.CreateTopic(t, "FIFO", 4)
	cl := c.client(c.Endpoint())
	byQueue := newConsumption("push consumer", sequences)
	byGroup := newConsumption("accelerated push consumer", sequences)
	polled := newConsumption("simple consumer", sequences)
	c.push(cl, c.CreateGroup(t, true, 16), topic, byQueue)
	c.push(cl, c.CreateGroup(t, true, 16), topic, byGroup, client.WithFIFOAccelerator())
	c.poll(cl, c.CreateGroup(t, true, 16), topic, polled)
	p, err := cl.NewProducer()
	require.NoError(t, err)

	l := startLoad(c, p, topic, sequences, true)
	time.Sleep(steady)
	killed, back := c.outage(0, time.Second)
	time.Sleep(tolerance)
	stored := l.end()

	require.LessOrEqual(t, resumed(t, "sending", l.confirmations(), killed, back), tolerance)
	for _, seen := range []*consumption{byQueue, byGroup, polled} {
		require.LessOrEqual(t, resumed(t, "the "+seen.name, seen.deliveries(), killed, back), tolerance)
		seen.requireWhole(t, stored)
		seen.requireOrder(t)
	}
}

// Two proxies are one access point. When one dies, its clients go on by the other, where nobody has
// heard of them before.
func TestProxyDeath_MovesClientsToTheOther(t *testing.T) {
	const sequences = 4
	c := newCluster(t)
	topic := c.CreateTopic(t, "NORMAL", 4)
	cl := c.client(strings.Join(c.server.Endpoints(), ";"))
	pushed := newConsumption("push consumer", sequences)
	c.push(cl, c.CreateGroup(t, false, 16), topic, pushed)
	p, err := cl.NewProducer()
	require.NoError(t, err)

	l := startLoad(c, p, topic, sequences, false)
	for proxy := range c.server.Endpoints() { // one of them is that in use
		time.Sleep(steady)
		killed := time.Now()
		require.NoError(t, c.server.KillProxy(proxy))
		time.Sleep(tolerance)
		require.LessOrEqual(t, resumed(t, "sending", l.confirmations(), killed, killed), tolerance)
		require.LessOrEqual(t, resumed(t, "consuming", pushed.deliveries(), killed, killed), tolerance)
		require.NoError(t, c.server.StartProxy(t.Context(), proxy))
	}
	pushed.requireWhole(t, l.end())
}
