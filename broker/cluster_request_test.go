package broker_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/rocketflow-io/rocketflow/broker"
)

func TestCluster_ServesUsersAlone(t *testing.T) {
	guard := func(o *broker.ClusterOptions) { o.Options.ACL, o.Options.Pull = &broker.ACL{}, true }
	inCluster(t, guard, func(r *clusterRig) {
		for name, ask := range r.requests() {
			answer, err := ask(as("client"))
			r.NoError(err, name)
			r.Equal(v2.Code_UNAUTHORIZED, answer.GetStatus().GetCode(), name)
		}
		r.NoError(r.member("broker-b").SetUser(broker.User{Name: "root", Secret: "secret", Super: true}))
		r.ctx = signedBy("root", "secret")
		r.codesOf(4)
		r.Len(r.stored("broker-a", "N"), 2, "a user of one is a user of all")
		r.Len(r.stored("broker-b", "N"), 2)
	})
}

func TestCluster_InjectsFaultsAndLogsCallsAtAllProxies(t *testing.T) {
	inCluster(t, nil, func(r *clusterRig) {
		sends := broker.Match{RPC: "SendMessage"}
		fault, err := r.cluster.Inject(broker.Fault{On: sends, Every: 2, Do: broker.AnswerCode(42900, "slowly")})
		r.NoError(err)
		for _, at := range r.cluster.Endpoints() {
			answer, err := r.at(at).stub.SendMessage(r.ctx, &v2.SendMessageRequest{Messages: []*v2.Message{message("N", "m", "m")}})
			r.NoError(err)
			r.Equal(at == r.cluster.Endpoints()[1], answer.GetStatus().GetCode() == v2.Code_TOO_MANY_REQUESTS)
		}
		r.Equal(1, fault.Hits())
		r.Len(r.cluster.Calls(sends), 2)
	})
}

func TestCluster_ReadsQueuesOfTheBrokerThatIsNamed(t *testing.T) {
	of := func(name string) func(*v2.PullMessageRequest) {
		return func(req *v2.PullMessageRequest) { req.MessageQueue.Broker = &v2.Broker{Name: name} }
	}
	inCluster(t, func(o *broker.ClusterOptions) { o.Options.Pull = true }, func(r *clusterRig) {
		r.codesOf(8)
		for _, name := range []string{"broker-a", "broker-b"} {
			r.Len(r.pull("N", 0, of(name)).messages, 2, name)
			queue := &v2.MessageQueue{Topic: resource("N"), Broker: &v2.Broker{Name: name}}
			told, err := r.stub.UpdateOffset(r.ctx, &v2.UpdateOffsetRequest{Group: resource("G"), MessageQueue: queue, Offset: 1})
			r.NoError(err)
			r.Equal(v2.Code_OK, told.GetStatus().GetCode())
			known, err := r.stub.GetOffset(r.ctx, &v2.GetOffsetRequest{Group: resource("G"), MessageQueue: queue})
			r.NoError(err)
			r.EqualValues(1, known.GetOffset())
			end, err := r.stub.QueryOffset(r.ctx, &v2.QueryOffsetRequest{
				MessageQueue: queue, QueryOffsetPolicy: v2.QueryOffsetPolicy_END,
			})
			r.NoError(err)
			r.EqualValues(2, end.GetOffset())
		}
		r.Equal(v2.Code_BAD_REQUEST, r.pull("N", 0, of("elsewhere")).status.GetCode())
		time.AfterFunc(time.Second, func() { r.NoError(r.cluster.StopBroker("broker-b")) })
		r.Equal(v2.Code_INTERNAL_SERVER_ERROR, r.pull("N", 2, of("broker-b"), patient(20*time.Second)).status.GetCode())
	})
	inCluster(t, nil, func(r *clusterRig) {
		_, err := r.stub.GetOffset(r.ctx, &v2.GetOffsetRequest{})
		r.Equal(codes.Unimplemented, status.Code(err), "without the option")
	})
}

func TestCluster_SubscribesToLiteTopicsOfAllBrokers(t *testing.T) {
	inCluster(t, nil, func(r *clusterRig) {
		names := []string{"g1", "g2", "g3", "g4"} // on a, b, b and a, as message groups of these names
		c := r.lite("c", "GL")
		c.subscribe(names...)
		for _, name := range names {
			r.sendLite(name, 0, 0)
		}
		a, _ := c.take(from("broker-a"))
		r.Equal([]string{"g10/1", "g40/1"}, a)
		b, messages := c.take(from("broker-b"))
		r.Equal([]string{"g20/1", "g30/1"}, b)
		c.settled(messages...)
		r.NoError(r.cluster.StopBroker("broker-a"))
		c.unsubscribe("g2")
		r.sendLite("g3", 1, 1)
		b, _ = c.take(from("broker-b"))
		r.Equal([]string{"g31/1"}, b)
	})
}

func TestCluster_RecallsAtTheBrokerThatTheHandleNames(t *testing.T) {
	inCluster(t, nil, func(r *clusterRig) {
		for _, name := range []string{"broker-a", "broker-b"} {
			handle := r.delayedAt(name, time.Minute)
			r.Equal(v2.Code_OK, r.at(r.cluster.Endpoints()[1]).recall("D", handle).GetStatus().GetCode(), name)
		}
		r.Equal("recall handle is invalid", r.recall("D", "!").GetStatus().GetMessage())
		gone := r.delayedAt("broker-b", time.Minute)
		r.NoError(r.cluster.RemoveBroker("broker-b"))
		r.Equal(v2.Code_INTERNAL_SERVER_ERROR, r.recall("D", gone).GetStatus().GetCode())
		time.Sleep(broker.DefaultRouteRefresh)
		r.Equal(v2.Code_BAD_REQUEST, r.recall("D", gone).GetStatus().GetCode())
	})
}

// The producer is asked through a proxy to which it is connected, and may answer there alone.
func TestCluster_AsksProducersThroughAnyProxy(t *testing.T) {
	inCluster(t, nil, func(r *clusterRig) {
		first, second := r.at(r.cluster.Endpoints()[0]), r.at(r.cluster.Endpoints()[1])
		first.send("T", "half", inTransaction)
		questions := second.producer("client", nil, "T")
		r.NoError(r.cluster.StopProxy(r.cluster.Endpoints()[0]))
		time.Sleep(time.Minute)
		all := questions()
		r.NotEmpty(all)
		r.Equal("half", all[0].GetTransactionId())
		r.Equal(v2.Code_OK, second.end("half", commit, byCheck))
		r.Equal(1, len(r.stored("broker-a", "T"))+len(r.stored("broker-b", "T")))
	})
}

func TestCluster_HasNoAnswersWithoutBrokers(t *testing.T) {
	inCluster(t, nil, func(r *clusterRig) {
		r.NoError(r.cluster.RemoveBroker("broker-a"))
		r.NoError(r.cluster.RemoveBroker("broker-b"))
		time.Sleep(broker.DefaultRouteRefresh)
		for name, ask := range r.requests() {
			answer, err := ask(as("client"))
			r.NoError(err, name)
			r.NotEqual(v2.Code_OK, answer.GetStatus().GetCode(), name)
		}
		r.NoError(r.cluster.AddBroker("broker-c"))
		time.Sleep(broker.DefaultRouteRefresh)
		r.send("N", "m")
		r.Len(r.stored("broker-c", "N"), 1)
	})
}

// Whatever is done at once, each call has an answer, and the cluster ends.
func TestCluster_ChangesWhileManyWork(t *testing.T) {
	inCluster(t, nil, func(r *clusterRig) {
		ctx, cancel := context.WithCancel(r.ctx)
		var working sync.WaitGroup
		for i := range 8 {
			working.Go(func() {
				for n := 0; ctx.Err() == nil; n++ {
					_, err := r.stub.SendMessage(ctx, &v2.SendMessageRequest{
						Messages: []*v2.Message{message("N", fmt.Sprint(i, n), "m")},
					})
					r.Contains([]codes.Code{codes.OK, codes.Unavailable, codes.Canceled}, status.Code(err))
					time.Sleep(100 * time.Millisecond)
				}
			})
		}
		for range 5 {
			for _, change := range []func(string) error{r.cluster.StopBroker, r.cluster.StartBroker} {
				r.NoError(change("broker-a"))
				time.Sleep(7 * time.Second)
			}
			for _, change := range []func(string) error{r.cluster.StopProxy, r.cluster.StartProxy} {
				r.NoError(change(r.cluster.Endpoints()[0]))
				time.Sleep(7 * time.Second)
			}
		}
		cancel()
		working.Wait()
	})
}
