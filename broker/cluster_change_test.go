package broker_test

import (
	"encoding/base64"
	"fmt"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/rocketflow-io/rocketflow/broker"
)

// codesOf sends n messages to topic N and counts the codes of the answers.
func (r *clusterRig) codesOf(n int) map[v2.Code]int {
	count := map[v2.Code]int{}
	for i := range n {
		answer, err := r.stub.SendMessage(r.ctx, &v2.SendMessageRequest{
			Messages: []*v2.Message{message("N", fmt.Sprint(i), fmt.Sprint(i))},
		})
		r.NoError(err)
		count[answer.GetStatus().GetCode()]++
	}
	return count
}

func brokersOf(queues []string) map[string]int {
	count := map[string]int{}
	for _, q := range queues {
		count[q[:len("broker-a")]]++
	}
	return count
}

func TestCluster_GivesRequestsToAStoppedBrokerUntilRoutesSaySo(t *testing.T) {
	inCluster(t, nil, func(r *clusterRig) {
		const failed = v2.Code_INTERNAL_SERVER_ERROR
		r.register()
		r.codesOf(4)
		_, got := r.pop("G", "N", from("broker-b"))
		r.NoError(r.cluster.StopBroker("broker-b"))

		r.Equal(map[v2.Code]int{v2.Code_OK: 4, failed: 4}, r.codesOf(8))
		r.Equal([]v2.Code{failed}, r.ack("G", "N", handles(got[0])...))
		code, _ := r.change("G", "N", handles(got[0])[0], time.Minute, false)
		r.Equal(failed, code)
		r.Equal(failed, r.forward("G", "N", handles(got[0])[0]))
		code, _ = r.receive(r.request("G", "N", from("broker-b")))
		r.Equal(failed, code)
		_, queues := r.routed("N")
		r.Equal(map[string]int{"broker-a": 2, "broker-b": 2}, brokersOf(queues))

		time.Sleep(broker.DefaultRouteRefresh)
		_, queues = r.routed("N")
		r.Equal(map[string]int{"broker-a": 2}, brokersOf(queues))
		r.Equal([]string{"broker-a -1"}, r.assigned("G", "N"))
		r.Equal(map[v2.Code]int{v2.Code_OK: 8}, r.codesOf(8))
		r.Equal([]v2.Code{v2.Code_INVALID_RECEIPT_HANDLE}, r.ack("G", "N", handles(got[0])...))
		bodies, _ := r.pop("G", "N", from("broker-b"))
		r.Len(bodies, 14, "a broker that is not there is any other")
	})
}

func TestCluster_EndsAReceiveThatWaitsAtABrokerWhenItStops(t *testing.T) {
	inCluster(t, nil, func(r *clusterRig) {
		r.register()
		code := make(chan v2.Code)
		began := time.Now()
		go func() {
			c, _ := r.receive(r.request("G", "N", from("broker-b"), polling(20*time.Second)))
			code <- c
		}()
		time.Sleep(time.Second)
		r.NoError(r.cluster.StopBroker("broker-b"))
		r.Equal(v2.Code_INTERNAL_SERVER_ERROR, <-code)
		r.Equal(time.Second, time.Since(began))
	})
}

func TestCluster_StartedBrokerGoesOnWhereItWasStopped(t *testing.T) {
	inCluster(t, nil, func(r *clusterRig) {
		r.register()
		r.codesOf(8)
		handle := r.delayedAt("broker-b", time.Minute)
		first, _ := r.pop("G", "N", from("broker-b"), batch(2))
		r.Len(first, 2)
		r.NoError(r.cluster.StopBroker("broker-b"))
		r.NoError(r.cluster.StopBroker("broker-b"), "it is stopped already")
		time.Sleep(time.Hour)
		r.Empty(r.stored("broker-b", "D"), "its time stands still")

		r.NoError(r.cluster.StartBroker("broker-b"))
		r.NoError(r.cluster.StartBroker("broker-b"), "it runs already")
		time.Sleep(broker.DefaultRouteRefresh)
		r.register() // the session with the proxy has expired
		again, _ := r.pop("G", "N", from("broker-b"))
		r.Len(again, 4)
		r.Contains(again, first[0][:1]+"/2")
		r.Len(r.stored("broker-b", "D"), 1)
		r.Equal(v2.Code_INTERNAL_SERVER_ERROR, r.recall("D", handle).GetStatus().GetCode(), "its time has passed")
	})
}

// delayedAt sends a delayed message that a broker keeps, and gives its recall handle.
func (r *clusterRig) delayedAt(name string, ahead time.Duration) string {
	for range 8 {
		handle := r.delayed("d", ahead)
		text, err := base64.URLEncoding.DecodeString(handle)
		r.NoError(err)
		if strings.Contains(string(text), " "+name+" ") {
			return handle
		}
	}
	r.Fail("no message was given to " + name)
	return ""
}

func TestCluster_AddsABrokerWithTheTopicsOfTheCluster(t *testing.T) {
	inCluster(t, nil, func(r *clusterRig) {
		r.NoError(r.cluster.CreateTopic(broker.Topic{Name: "later", Queues: 1}))
		r.NoError(r.cluster.CreateGroup(broker.Group{Name: "late"}))
		r.NoError(r.cluster.AddBroker("broker-c"))
		r.ErrorIs(r.cluster.AddBroker("broker-c"), broker.ErrExists)
		r.Error(r.cluster.AddBroker("broker c"))
		_, queues := r.routed("later")
		r.Equal(map[string]int{"broker-a": 1, "broker-b": 1}, brokersOf(queues))

		time.Sleep(broker.DefaultRouteRefresh)
		_, queues = r.routed("later")
		r.Equal(map[string]int{"broker-a": 1, "broker-b": 1, "broker-c": 1}, brokersOf(queues))
		r.codesOf(6)
		r.Len(r.stored("broker-c", "N"), 2)
		r.Len(r.member("broker-c").Groups(), len(r.member("broker-a").Groups()))
	})
}

func TestCluster_RemovedBrokerIsGone(t *testing.T) {
	inCluster(t, nil, func(r *clusterRig) {
		r.codesOf(4)
		r.NoError(r.cluster.RemoveBroker("broker-b"))
		for _, err := range []error{
			r.cluster.RemoveBroker("broker-b"), r.cluster.StopBroker("broker-b"), r.cluster.StartBroker("broker-b"),
		} {
			r.ErrorIs(err, broker.ErrNoMember)
		}
		_, err := r.cluster.Broker("broker-b")
		r.ErrorIs(err, broker.ErrNoMember)
		r.Equal(map[v2.Code]int{v2.Code_OK: 4, v2.Code_INTERNAL_SERVER_ERROR: 4}, r.codesOf(8))

		r.NoError(r.cluster.AddBroker("broker-b"), "another one")
		r.Empty(r.stored("broker-b", "N"))
		r.Equal(map[v2.Code]int{v2.Code_OK: 8}, r.codesOf(8), "which proxies take for the old one")
		time.Sleep(broker.DefaultRouteRefresh)
		r.Equal(map[v2.Code]int{v2.Code_OK: 8}, r.codesOf(8))
	})
}

func TestCluster_StoppedProxyForgetsItsClients(t *testing.T) {
	inCluster(t, nil, func(r *clusterRig) {
		at := r.cluster.Endpoints()[0]
		first, second := r.at(at), r.at(r.cluster.Endpoints()[1])
		first.register()
		code, _ := second.receive(r.request("G", "N"))
		r.Equal(v2.Code_UNRECOGNIZED_CLIENT_TYPE, code, "the other proxy knows nothing of the client")
		code, _ = first.receive(r.request("G", "N"))
		r.Equal(v2.Code_MESSAGE_NOT_FOUND, code)

		r.NoError(r.cluster.StopProxy(at))
		r.NoError(r.cluster.StopProxy(at), "it is stopped already")
		_, err := first.stub.SendMessage(r.ctx, &v2.SendMessageRequest{})
		r.Equal(codes.Unavailable, status.Code(err))
		r.NoError(r.cluster.StartProxy(at))
		r.NoError(r.cluster.StartProxy(at), "it runs already")
		time.Sleep(time.Minute) // in which grpc has connected again
		code, _ = first.receive(r.request("G", "N"))
		r.Equal(v2.Code_UNRECOGNIZED_CLIENT_TYPE, code)
		first.register()
		code, _ = first.receive(r.request("G", "N"))
		r.Equal(v2.Code_MESSAGE_NOT_FOUND, code)
	})
}

func TestCluster_AccessPointLeadsToProxiesThatRun(t *testing.T) {
	inCluster(t, nil, func(r *clusterRig) {
		added, err := r.cluster.AddProxy()
		r.NoError(err)
		all := r.cluster.Endpoints()
		r.Len(all, 3)
		reached := func() map[string]int {
			count := map[string]int{}
			for range 2 * len(all) {
				_, queues := r.at(r.cluster.Endpoint()).routed("N")
				count[queues[0][len("broker-a 0 "):]]++
			}
			return count
		}
		r.Equal(map[string]int{all[0]: 2, all[1]: 2, added: 2}, reached())
		r.NoError(r.cluster.StopProxy(all[0]))
		r.NoError(r.cluster.RemoveProxy(added))
		r.ErrorIs(r.cluster.StartProxy(added), broker.ErrNoMember)
		r.Equal(map[string]int{all[1]: 6}, reached())
		r.Equal(all[:2], r.cluster.Endpoints())

		r.NoError(r.cluster.StopProxy(all[1]))
		_, err = r.cluster.Dialer()(r.ctx, r.cluster.Endpoint())
		r.ErrorIs(err, syscall.ECONNREFUSED)
		_, err = r.cluster.Dialer()(r.ctx, "elsewhere:1")
		r.ErrorIs(err, syscall.ECONNREFUSED)
	})
}

func TestCluster_ListensOnTCP(t *testing.T) {
	for _, mode := range []broker.ClusterMode{broker.ProxyCluster, broker.ProxyLocal} {
		t.Run(fmt.Sprint(mode), func(t *testing.T) {
			opts := standardCluster()
			opts.Options.InMemory, opts.Mode = false, mode
			opts.RouteRefresh = time.Nanosecond
			if mode == broker.ProxyLocal {
				opts.Proxies = 0
			}
			r := newClusterRig(t, opts)
			for _, at := range append(r.cluster.Endpoints(), r.cluster.Endpoint()) {
				r.at(at).send("N", at)
			}
			if mode == broker.ProxyLocal {
				r.NoError(r.cluster.StopBroker("broker-a"))
			} else {
				r.NoError(r.cluster.StopProxy(r.cluster.Endpoints()[0]))
			}
			_, err := net.Dial("tcp", r.cluster.Endpoints()[0])
			r.ErrorIs(err, syscall.ECONNREFUSED)
			r.at(r.cluster.Endpoint()).send("N", "by the other")
		})
	}
}

func TestStartCluster_RefusesWhatCannotBe(t *testing.T) {
	r := newRig(t, standard())
	for name, opts := range map[string]broker.ClusterOptions{
		"an address":                   {Options: broker.Options{Addr: "127.0.0.1:0"}},
		"an unknown mode":              {Mode: 7},
		"proxies of brokers":           {Mode: broker.ProxyLocal, Proxies: 1},
		"two brokers of one name":      {Brokers: []string{"a", "a"}},
		"a broker without a name":      {Brokers: []string{""}},
		"a topic that cannot be":       {Options: broker.Options{Topics: []broker.Topic{{Name: "a b"}}}},
		"a name with something else":   {Brokers: []string{"a/b"}},
		"a name that is of two words ": {Brokers: []string{"a b"}},
	} {
		_, err := broker.StartCluster(opts)
		r.Error(err, name)
	}
}

func TestCluster_KnowsEachClientOnceAfterARestartOfABroker(t *testing.T) {
	inCluster(t, nil, func(r *clusterRig) {
		r.register()
		r.NoError(r.cluster.StopBroker("broker-b"))
		r.NoError(r.cluster.StartBroker("broker-b"))
		r.Len(r.member("broker-b").Clients(), 1)
	})
}
