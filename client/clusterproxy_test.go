package client_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/broker"
	"github.com/rocketflow-io/rocketflow/client"
)

// behindProxies runs a test against a cluster of two brokers behind three proxies, in bubbles of
// virtual time: with a client of the access point, and with one that knows the proxies.
func behindProxies(t *testing.T, test func(r *clusterRig)) {
	t.Helper()
	for _, access := range []string{"the access point", "a list of proxies"} {
		t.Run(access, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newClusterRig(t, broker.ClusterOptions{Proxies: 3, Options: broker.Options{InMemory: true}})
				if access == "a list of proxies" {
					r.client = newClusterClient(t, r.cluster, strings.Join(r.cluster.Endpoints(), ";"))
				}
				test(r)
			})
		})
	}
}

// restartOneByOne stops each proxy for a while, and starts it again.
func (r *clusterRig) restartOneByOne(meanwhile func(round int)) {
	r.Helper()
	for round, at := range r.cluster.Endpoints() {
		require.NoError(r, r.cluster.StopProxy(at))
		meanwhile(round)
		require.NoError(r, r.cluster.StartProxy(at))
		time.Sleep(10 * time.Second)
	}
}

func TestCluster_ProducerGoesOnWhenItsProxyStops(t *testing.T) {
	behindProxies(t, func(r *clusterRig) {
		p, err := r.client.NewProducer()
		require.NoError(r, err)
		r.sendAll(p, 0, 10)
		r.restartOneByOne(func(round int) {
			time.Sleep(5 * time.Second)
			r.sendAll(p, 10*(round+1), 10*(round+2))
		})
		require.GreaterOrEqual(r, r.storedBy("broker-a", "orders")+r.storedBy("broker-b", "orders"), 40)
	})
}

func TestCluster_ConsumersMakeThemselvesKnownToTheProxyThatTakesOver(t *testing.T) {
	behindProxies(t, func(r *clusterRig) {
		p, err := r.client.NewProducer()
		require.NoError(r, err)
		var got consumption
		pc, err := r.client.NewPushConsumer("G", everything("orders"), got.see)
		require.NoError(r, err)
		start(r.T, pc)
		r.sendAll(p, 0, 10)
		time.Sleep(time.Second) // what is on its way through a proxy that stops comes after its lease
		r.restartOneByOne(func(round int) {
			time.Sleep(10 * time.Second)
			r.sendAll(p, 10*(round+1), 10*(round+2))
			time.Sleep(30 * time.Second)
			require.Empty(r, got.missing(10*(round+2)), "while proxy %d is stopped", round)
		})
	})
}

func TestCluster_DeliveriesAreAckedThroughAnotherProxy(t *testing.T) {
	behindProxies(t, func(r *clusterRig) {
		p, err := r.client.NewProducer()
		require.NoError(r, err)
		r.sendAll(p, 0, 20)
		sc, err := r.client.NewSimpleConsumer("G", everything("orders"))
		require.NoError(r, err)
		var held []*client.Delivery
		for len(held) < 20 {
			got, err := sc.Receive(r.Context(), 32, 10*time.Minute)
			require.NoError(r, err)
			held = append(held, got...)
		}
		r.restartOneByOne(func(int) { time.Sleep(5 * time.Second) })
		for _, d := range held {
			require.NoError(r, d.Ack(r.Context()))
		}
		for _, name := range []string{"broker-a", "broker-b"} {
			b, err := r.cluster.Broker(name)
			require.NoError(r, err)
			stats, err := b.GroupStats("G")
			require.NoError(r, err)
			require.EqualValues(r, 10, stats.Acked)
			require.Zero(r, stats.Backlog)
		}
	})
}

// The transaction cannot be ended through a proxy that knows nothing of it. So its producer is asked,
// and the answer goes through the proxy that has asked.
func TestCluster_TransactionsAreResolvedByAProxyThatTakesOver(t *testing.T) {
	behindProxies(t, func(r *clusterRig) {
		require.NoError(r, r.cluster.CreateTopic(broker.Topic{Name: "deals", Queues: 2, Type: broker.Transaction}))
		p, err := r.client.NewProducer(client.WithTransactionChecker(
			func(context.Context, *client.Message) client.Resolution { return client.ResolutionCommit }))
		require.NoError(r, err)
		for range 4 {
			tx, err := p.BeginTransaction()
			require.NoError(r, err)
			_, err = tx.Send(r.Context(), message("deals", "deal"))
			require.NoError(r, err)
		}
		require.Zero(r, r.storedBy("broker-a", "deals")+r.storedBy("broker-b", "deals"))
		r.restartOneByOne(func(int) { time.Sleep(time.Second) })
		time.Sleep(2 * time.Minute)
		require.Equal(r, 2, r.storedBy("broker-a", "deals"))
		require.Equal(r, 2, r.storedBy("broker-b", "deals"))
	})
}

func TestCluster_WorksOverTCP(t *testing.T) {
	for _, mode := range []broker.ClusterMode{broker.ProxyCluster, broker.ProxyLocal} {
		t.Run(map[broker.ClusterMode]string{broker.ProxyCluster: "proxies", broker.ProxyLocal: "their own"}[mode], func(t *testing.T) {
			r := newClusterRig(t, broker.ClusterOptions{Mode: mode, RouteRefresh: time.Millisecond})
			p, err := r.client.NewProducer()
			require.NoError(t, err)
			var got consumption
			pc, err := r.client.NewPushConsumer("G", everything("orders"), got.see)
			require.NoError(t, err)
			start(t, pc)
			r.sendAll(p, 0, 20)
			require.NoError(t, r.cluster.StopBroker("broker-b"))
			r.sendAll(p, 20, 40)
			require.NoError(t, r.cluster.StartBroker("broker-b"))
			r.sendAll(p, 40, 60)
			require.Eventually(t, func() bool { return len(got.missing(60)) == 0 }, 30*time.Second, 10*time.Millisecond)
		})
	}
}
