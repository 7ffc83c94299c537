package broker_test

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/broker"
	"github.com/rocketflow-io/rocketflow/broker/internal/journal/crashfs"
)

// A clusterHome is where a cluster is started, again and again.
type clusterHome struct {
	t    *testing.T
	opts broker.ClusterOptions
	disk *crashfs.FS
}

// inClusterHome runs a test of what outlives a cluster, in a bubble of virtual time, for each of its modes.
func inClusterHome(t *testing.T, test func(h *clusterHome)) {
	t.Helper()
	for name, mode := range map[string]broker.ClusterMode{"proxy cluster": broker.ProxyCluster, "proxy local": broker.ProxyLocal} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := &clusterHome{t, standardCluster(), crashfs.New()}
				if h.opts.Mode = mode; mode == broker.ProxyLocal {
					h.opts.Proxies = 0
				}
				test(h)
			})
		})
	}
}

// during runs something with a cluster, of which the client is registered at each endpoint. It is closed
// afterwards, or killed.
func (h *clusterHome) during(kill bool, do func(r *clusterRig)) {
	h.t.Helper()
	broker.OnFiles(&h.opts.Options, h.disk)
	c, err := broker.StartCluster(h.opts)
	require.NoError(h.t, err)
	h.t.Cleanup(func() { _ = c.Close() }) // if the test fails in between
	r := &clusterRig{t: h.t, cluster: c}
	r.rig = r.at(c.Endpoint())
	for _, endpoint := range c.Endpoints() {
		r.at(endpoint).register()
	}
	do(r)
	if !kill {
		require.NoError(h.t, c.Close())
		return
	}
	after := h.disk.Kill()
	require.ErrorIs(h.t, c.Close(), crashfs.ErrCrashed)
	h.disk = after
}

// clients gives for each broker, by name, a client that reaches it.
func (h *clusterHome) clients(r *clusterRig) map[string]*rig {
	all := map[string]*rig{"broker-a": r.rig, "broker-b": r.rig}
	if h.opts.Mode == broker.ProxyLocal {
		all["broker-a"], all["broker-b"] = r.at(r.cluster.Endpoints()[0]), r.at(r.cluster.Endpoints()[1])
	}
	return all
}

// storedInAll gives the ids that all brokers have of a topic.
func (r *clusterRig) storedInAll(topic string) []string {
	ids := []string{}
	for _, name := range []string{"broker-a", "broker-b"} {
		for _, m := range r.member(name).Messages(topic) {
			ids = append(ids, m.ID)
		}
	}
	return ids
}

func TestDir_KeepsWhatTheBrokersOfAClusterHold(t *testing.T) {
	for _, kill := range []bool{false, true} {
		t.Run(fmt.Sprint("killed: ", kill), func(t *testing.T) {
			inClusterHome(t, func(h *clusterHome) {
				received, recalls := map[string][]string{}, map[string]string{}
				h.during(kill, func(r *clusterRig) {
					for name, c := range h.clients(r) {
						for i := range 4 {
							c.send("N", fmt.Sprint(name, i))
						}
						c.send("T", name, inTransaction)
						c.send("D", "delayed by "+name, deliverIn(time.Hour))
						recalls[name] = c.delayed("recalled by "+name, time.Hour)
					}
					for name, c := range h.clients(r) {
						_, got := c.pop("G", "N", from(name), batch(2))
						received[name] = handles(got...)
						r.Len(got, 2)
					}
					r.NoError(r.cluster.CreateTopic(broker.Topic{Name: "later", Queues: 3}))
					r.NoError(r.cluster.CreateGroup(broker.Group{Name: "later", Ordered: true, RetryMaxTimes: -1}))
				})
				time.Sleep(5 * time.Second)
				h.during(kill, func(r *clusterRig) {
					for name, c := range h.clients(r) {
						r.Equal([]v2.Code{v2.Code_OK, v2.Code_OK}, c.ack("G", "N", received[name]...))
						r.Equal(v2.Code_OK, c.end(name, commit, byClient))
						r.Equal(v2.Code_OK, c.recall("D", recalls[name]).GetStatus().GetCode())
					}
					r.NoError(r.cluster.AddBroker("broker-c"))
					r.True(slices.ContainsFunc(r.member("broker-c").Topics(), func(t broker.Topic) bool { return t.Name == "later" && t.Queues == 3 }))
					r.True(slices.ContainsFunc(r.member("broker-c").Groups(), func(g broker.Group) bool { return g.Name == "later" && g.Ordered && g.RetryMaxTimes == 0 }))
				})
				h.during(kill, func(r *clusterRig) {
					time.Sleep(2 * time.Hour)
					for name := range h.clients(r) {
						stats, err := r.member(name).GroupStats("G")
						r.NoError(err)
						r.EqualValues(2, stats.Acked)
						r.EqualValues(2, stats.Backlog)
					}
					r.Len(r.storedInAll("N"), 8)
					r.ElementsMatch([]string{"broker-a", "broker-b"}, r.storedInAll("T"))
					r.ElementsMatch([]string{"delayed by broker-a", "delayed by broker-b"}, r.storedInAll("D"))
				})
			})
		})
	}
}

func TestDir_StartsABrokerOfAClusterAgain(t *testing.T) {
	inClusterHome(t, func(h *clusterHome) {
		h.during(true, func(r *clusterRig) {
			c := h.clients(r)["broker-b"]
			sendAll(c, "N", "1", "2", "3", "4")
			_, got := c.pop("G", "N", from("broker-b"), batch(1))
			before := r.storedInAll("N")
			r.NoError(r.cluster.StopBroker("broker-b"))
			r.Equal(before, r.storedInAll("N"), "a stopped broker can be looked at")
			r.NoError(r.cluster.CreateTopic(broker.Topic{Name: "later"}))
			r.NoError(r.cluster.StartBroker("broker-b"))

			time.Sleep(broker.DefaultRouteRefresh)
			r.Equal(before, r.storedInAll("N"))
			r.True(slices.ContainsFunc(r.member("broker-b").Topics(), func(t broker.Topic) bool { return t.Name == "later" }))
			c = h.clients(r)["broker-b"]
			c.register()
			again, _ := c.pop("G", "N", from("broker-b"))
			r.Contains(again, string(got[0].GetBody())+"/2")
			sendAll(c, "N", "5", "6", "7", "8")
		})
		h.during(false, func(r *clusterRig) {
			r.ElementsMatch([]string{"1", "2", "3", "4", "5", "6", "7", "8"}, r.storedInAll("N"))
		})
	})
}

// A message that is extended for a client is so also when the client comes back through another proxy.
func TestDir_ExtendsInAClusterForAClientThatReturns(t *testing.T) {
	inClusterHome(t, func(h *clusterHome) {
		var handle string
		h.during(true, func(r *clusterRig) {
			c := h.clients(r)["broker-b"]
			sendAll(c, "N", "0", "1", "2", "3")
			_, got := c.pop("G", "N", from("broker-b"), batch(1), autoRenew)
			handle = handles(got...)[0]
		})
		h.during(true, func(r *clusterRig) {
			time.Sleep(90 * time.Second)
			stats, err := r.member("broker-b").GroupStats("G")
			r.NoError(err)
			r.EqualValues(1, stats.InFlight)
			r.Equal([]v2.Code{v2.Code_OK}, h.clients(r)["broker-b"].ack("G", "N", handle))
		})
	})
}

func TestDir_AnswersNothingInAClusterThatTheDiskDoesNotHave(t *testing.T) {
	inClusterHome(t, func(h *clusterHome) {
		broker.OnFiles(&h.opts.Options, h.disk)
		c, err := broker.StartCluster(h.opts)
		require.NoError(h.t, err)
		r := &clusterRig{t: h.t, cluster: c}
		r.rig = r.at(c.Endpoint())
		r.register()
		r.send("T", "half", inTransaction)
		h.disk.Crash()

		sent, err := r.stub.SendMessage(r.ctx, &v2.SendMessageRequest{Messages: []*v2.Message{message("N", "id", "body")}})
		r.True(err != nil || sent.GetStatus().GetCode() == v2.Code_INTERNAL_SERVER_ERROR, "%v", sent)
		ended, err := r.stub.EndTransaction(r.ctx, &v2.EndTransactionRequest{
			Topic: resource("T"), MessageId: "half", TransactionId: "half", Resolution: commit,
		})
		r.True(err != nil || ended.GetStatus().GetCode() == v2.Code_INTERNAL_SERVER_ERROR, "%v", ended)
		r.ErrorIs(c.CreateTopic(broker.Topic{Name: "later"}), crashfs.ErrCrashed)
		r.ErrorIs(c.Close(), crashfs.ErrCrashed)
	})
}
