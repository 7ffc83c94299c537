package client_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/broker"
	"github.com/rocketflow-io/rocketflow/client"
)

// A clusterRig is a test with a cluster and a client at its access point.
type clusterRig struct {
	*testing.T
	cluster *broker.Cluster
	client  *client.Client
}

// inModes runs a test against clusters of two brokers, in bubbles of virtual time: one behind two
// proxies, and one whose brokers are their own.
func inModes(t *testing.T, test func(r *clusterRig)) {
	t.Helper()
	for name, opts := range map[string]broker.ClusterOptions{
		"proxies":        {Mode: broker.ProxyCluster, Proxies: 2},
		"their own":      {Mode: broker.ProxyLocal},
		"a single proxy": {Mode: broker.ProxyCluster},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				opts.Options.InMemory = true
				test(newClusterRig(t, opts))
			})
		})
	}
}

func newClusterRig(t *testing.T, opts broker.ClusterOptions) *clusterRig {
	t.Helper()
	opts.Brokers = []string{"broker-a", "broker-b"}
	opts.Options.Topics = []broker.Topic{{Name: "orders", Queues: 2}, {Name: "steps", Queues: 2, Type: broker.FIFO}}
	opts.Options.Groups = []broker.Group{{Name: "G"}, {Name: "O", Ordered: true}}
	c, err := broker.StartCluster(opts)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	return &clusterRig{t, c, newClusterClient(t, c, c.Endpoint())}
}

func newClusterClient(t *testing.T, c *broker.Cluster, endpoints string) *client.Client {
	t.Helper()
	cl, err := client.New(endpoints, client.WithPlaintext(), client.WithDialer(c.Dialer()))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, cl.Close()) })
	return cl
}

// sendAll sends messages one after the other; each must arrive, whatever it takes.
func (r *clusterRig) sendAll(p *client.Producer, from, to int) {
	r.Helper()
	for i := from; i < to; i++ {
		_, err := p.Send(r.Context(), message("orders", fmt.Sprint(i)))
		require.NoError(r, err, "message %d", i)
	}
}

// storedBy counts the messages of a topic that a broker has.
func (r *clusterRig) storedBy(name, topic string) int {
	r.Helper()
	b, err := r.cluster.Broker(name)
	require.NoError(r, err)
	return len(b.Messages(topic))
}

// A consumption is what handlers have seen of the messages of a test.
type consumption struct {
	mu    sync.Mutex
	times map[string]int // by body
}

func (c *consumption) see(_ context.Context, m *client.Message) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.times == nil {
		c.times = make(map[string]int)
	}
	c.times[string(m.Body)]++
	return nil
}

// missing lists the messages of numbers below n that have not been seen.
func (c *consumption) missing(n int) []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var all []string
	for i := range n {
		if body := fmt.Sprint(i); c.times[body] == 0 {
			all = append(all, body)
		}
	}
	return all
}

func TestCluster_ProducerSendsToAllBrokers(t *testing.T) {
	inModes(t, func(r *clusterRig) {
		p, err := r.client.NewProducer()
		require.NoError(r, err)
		r.sendAll(p, 0, 40)
		require.Equal(r, 20, r.storedBy("broker-a", "orders"))
		require.Equal(r, 20, r.storedBy("broker-b", "orders"))
	})
}

func TestCluster_ProducerGetsPastABrokerThatStops(t *testing.T) {
	inModes(t, func(r *clusterRig) {
		p, err := r.client.NewProducer()
		require.NoError(r, err)
		r.sendAll(p, 0, 10)
		require.NoError(r, r.cluster.StopBroker("broker-b"))
		r.sendAll(p, 10, 30) // by the old route
		time.Sleep(time.Minute)
		r.sendAll(p, 30, 50) // by the new one
		require.NoError(r, r.cluster.StartBroker("broker-b"))
		time.Sleep(2 * time.Minute)
		before := r.storedBy("broker-b", "orders")
		r.sendAll(p, 50, 60)
		require.InDelta(r, before+5, r.storedBy("broker-b", "orders"), 1, "half of what is sent, as brokers take turns")
	})
}

func TestCluster_ProducerFindsABrokerThatIsAdded(t *testing.T) {
	inModes(t, func(r *clusterRig) {
		p, err := r.client.NewProducer()
		require.NoError(r, err)
		r.sendAll(p, 0, 10)
		require.NoError(r, r.cluster.AddBroker("broker-c"))
		time.Sleep(time.Minute)
		r.sendAll(p, 10, 40)
		require.InDelta(r, 10, r.storedBy("broker-c", "orders"), 1)
		require.NoError(r, r.cluster.RemoveBroker("broker-c"))
		time.Sleep(time.Minute)
		r.sendAll(p, 40, 60)
		require.InDelta(r, 25, r.storedBy("broker-b", "orders"), 1)
	})
}

func TestCluster_SimpleConsumerTakesBrokersInTurn(t *testing.T) {
	inModes(t, func(r *clusterRig) {
		p, err := r.client.NewProducer()
		require.NoError(r, err)
		r.sendAll(p, 0, 40)
		sc, err := r.client.NewSimpleConsumer("G", everything("orders"))
		require.NoError(r, err)
		seen := map[string]bool{}
		for range 8 {
			got, err := sc.Receive(r.Context(), 32, time.Minute)
			require.NoError(r, err)
			for _, d := range got {
				seen[string(d.Body)] = true
				require.NoError(r, d.Ack(r.Context()))
			}
		}
		require.Len(r, seen, 40)
		for _, name := range []string{"broker-a", "broker-b"} {
			b, err := r.cluster.Broker(name)
			require.NoError(r, err)
			stats, err := b.GroupStats("G")
			require.NoError(r, err)
			require.EqualValues(r, 20, stats.Acked, name)
			require.Zero(r, stats.Backlog, name)
		}
	})
}

func TestCluster_PushConsumerConsumesAllThatIsSentWhileBrokersComeAndGo(t *testing.T) {
	inModes(t, func(r *clusterRig) {
		p, err := r.client.NewProducer()
		require.NoError(r, err)
		var got consumption
		pc, err := r.client.NewPushConsumer("G", everything("orders"), got.see)
		require.NoError(r, err)
		start(r.T, pc)
		for n, change := range []func() error{
			func() error { return nil },
			func() error { return r.cluster.StopBroker("broker-a") },
			func() error { return r.cluster.AddBroker("broker-c") },
			func() error { return r.cluster.StartBroker("broker-a") },
			func() error { return r.cluster.StopBroker("broker-c") },
			func() error { return r.cluster.StartBroker("broker-c") },
		} {
			require.NoError(r, change())
			for i := range 20 {
				r.sendAll(p, 20*n+i, 20*n+i+1)
				time.Sleep(3 * time.Second)
			}
		}
		time.Sleep(5 * time.Minute)
		require.Empty(r, got.missing(120))
	})
}

func TestCluster_OrderedConsumerKeepsTheOrderOfGroupsOnAllBrokers(t *testing.T) {
	inModes(t, func(r *clusterRig) {
		p, err := r.client.NewProducer()
		require.NoError(r, err)
		var mu sync.Mutex
		seen := map[string][]string{}
		pc, err := r.client.NewPushConsumer("O", everything("steps"), func(_ context.Context, m *client.Message) error {
			mu.Lock()
			defer mu.Unlock()
			seen[m.MessageGroup] = append(seen[m.MessageGroup], string(m.Body))
			return nil
		})
		require.NoError(r, err)
		start(r.T, pc)
		for i := range 10 {
			for _, group := range []string{"g1", "g2", "g3", "g4"} {
				m := message("steps", fmt.Sprint(i))
				m.MessageGroup = group
				_, err := p.Send(r.Context(), m)
				require.NoError(r, err)
			}
		}
		time.Sleep(time.Minute)
		mu.Lock()
		defer mu.Unlock()
		require.Len(r, seen, 4)
		for group, steps := range seen {
			require.Len(r, steps, 10, group)
			require.True(r, slices.IsSorted(steps), "%s: %v", group, steps)
		}
		require.Positive(r, r.storedBy("broker-a", "steps"))
		require.Positive(r, r.storedBy("broker-b", "steps"))
	})
}
