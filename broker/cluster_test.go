package broker_test

import (
	"fmt"
	"testing"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"

	"github.com/rocketflow-io/rocketflow/broker"
)

func TestCluster_RoutesNameProxiesAsTheClientDoes(t *testing.T) {
	inCluster(t, nil, func(r *clusterRig) {
		code, queues := r.routed("N", "one", "two")
		r.Equal(v2.Code_OK, code)
		r.Equal([]string{
			"broker-a 0 one:1;two:2", "broker-a 1 one:1;two:2", "broker-b 0 one:1;two:2", "broker-b 1 one:1;two:2",
		}, queues)

		proxy := r.cluster.Endpoints()[1]
		_, queues = r.at(proxy).routed("N")
		r.Equal("broker-a 0 "+proxy, queues[0], "a client that names none hears of the proxy it has asked")

		code, _ = r.routed("unknown")
		r.Equal(v2.Code_TOPIC_NOT_FOUND, code)
	})
}

func TestCluster_RoutesNameBrokersThatAreTheirOwnProxies(t *testing.T) {
	local := func(o *broker.ClusterOptions) { o.Mode, o.Proxies = broker.ProxyLocal, 0 }
	inCluster(t, local, func(r *clusterRig) {
		at := r.cluster.Endpoints()
		_, queues := r.routed("N", "one")
		r.Equal([]string{"broker-a 0 " + at[0], "broker-a 1 " + at[0], "broker-b 0 " + at[1], "broker-b 1 " + at[1]}, queues)

		r.at(at[1]).send("N", "m")
		r.Empty(r.stored("broker-a", "N"))
		r.Len(r.stored("broker-b", "N"), 1, "a broker that is its own proxy reaches no other")
	})
}

func TestCluster_AssignsQueuesOfAllBrokers(t *testing.T) {
	inCluster(t, nil, func(r *clusterRig) {
		r.Equal([]string{"broker-a -1", "broker-b -1"}, r.assigned("G", "N"))
		r.Equal([]string{"broker-a 0", "broker-a 1", "broker-b 0", "broker-b 1"}, r.assigned("O", "F"))
	})
}

func TestCluster_TakesQueuesOfAllBrokersInTurn(t *testing.T) {
	inCluster(t, nil, func(r *clusterRig) {
		for i := range 8 {
			r.send("N", fmt.Sprint(i))
		}
		for _, name := range []string{"broker-a", "broker-b"} {
			perQueue := map[string]int{}
			for _, m := range r.stored(name, "N") {
				perQueue[m[:1]]++
			}
			r.Equal(map[string]int{"0": 2, "1": 2}, perQueue)
		}
	})
}

// The places are those that the server was seen to choose.
func TestCluster_PlacesMessageGroupsAmongQueuesOfAllBrokers(t *testing.T) {
	inCluster(t, nil, func(r *clusterRig) {
		for i := range 7 {
			group := fmt.Sprintf("g%d", i+1)
			r.send("F", group, withGroup(group))
		}
		r.ElementsMatch([]string{"0:g1", "0:g7", "1:g4"}, r.stored("broker-a", "F"))
		r.ElementsMatch([]string{"0:g3", "0:g5", "0:g6", "1:g2"}, r.stored("broker-b", "F"))
	})
}

func TestCluster_PlacesEachMessageOfABatchByItsGroup(t *testing.T) {
	inCluster(t, nil, func(r *clusterRig) {
		var messages []*v2.Message
		for _, group := range []string{"g1", "g3", "g5", "g4"} {
			m := message("F", group, group)
			withGroup(group)(m)
			messages = append(messages, m)
		}
		answer, err := r.stub.SendMessage(r.ctx, &v2.SendMessageRequest{Messages: messages})
		r.NoError(err)
		r.Equal(v2.Code_OK, answer.GetStatus().GetCode())
		for i, e := range answer.GetEntries() {
			r.Equal(messages[i].GetSystemProperties().GetMessageId(), e.GetMessageId())
		}
		r.ElementsMatch([]string{"0:g1", "1:g4"}, r.stored("broker-a", "F"))
		r.ElementsMatch([]string{"0:g3", "0:g5"}, r.stored("broker-b", "F"))
	})
}

func TestCluster_ReceivesFromTheBrokerThatIsNamed(t *testing.T) {
	inCluster(t, nil, func(r *clusterRig) {
		r.register()
		for i := range 4 {
			r.send("N", fmt.Sprint(i))
		}
		for _, name := range []string{"broker-b", "broker-a"} {
			got, messages := r.pop("G", "N", from(name))
			r.Len(got, 2, name)
			for _, m := range messages {
				r.Contains(m.GetSystemProperties().GetReceiptHandle(), " "+name+" ")
			}
		}
	})
}

func TestCluster_SettlesAtTheBrokerThatTheHandleNames(t *testing.T) {
	inCluster(t, nil, func(r *clusterRig) {
		r.register()
		for i := range 8 {
			r.send("N", fmt.Sprint(i))
		}
		_, a := r.pop("G", "N", from("broker-a"))
		_, b := r.pop("G", "N", from("broker-b"))
		elsewhere := "0 1 2 3 0 broker-c 0 0 0"
		codes := r.ack("G", "N", append(handles(a[0], b[0], a[1]), elsewhere, "garbage")...)
		const ok, invalid = v2.Code_OK, v2.Code_INVALID_RECEIPT_HANDLE
		r.Equal([]v2.Code{ok, ok, ok, invalid, invalid}, codes)

		code, changed := r.change("G", "N", handles(b[1])[0], time.Minute, false)
		r.Equal(ok, code)
		r.Equal([]v2.Code{ok}, r.ack("G", "N", changed))
		r.Equal(ok, r.forward("G", "N", handles(b[2])[0]))
		r.Len(r.stored("broker-b", "%DLQ%G"), 1)
		code, _ = r.change("G", "N", elsewhere, time.Minute, false)
		r.Equal(invalid, code)

		for name, acked := range map[string]int64{"broker-a": 2, "broker-b": 2} {
			stats, err := r.member(name).GroupStats("G")
			r.NoError(err)
			r.Equal(acked, stats.Acked, name)
		}
	})
}

func TestCluster_EndsTransactionsThroughTheProxyThatKnowsThem(t *testing.T) {
	inCluster(t, nil, func(r *clusterRig) {
		first, second := r.at(r.cluster.Endpoints()[0]), r.at(r.cluster.Endpoints()[1])
		for i := range 4 {
			id := fmt.Sprint(i)
			first.send("T", id, inTransaction)
			r.Equal(v2.Code_INTERNAL_SERVER_ERROR, second.end(id, commit, byClient))
			r.Equal(v2.Code_OK, first.end(id, commit, byClient))
		}
		r.Len(r.stored("broker-a", "T"), 2)
		r.Len(r.stored("broker-b", "T"), 2)
	})
}
