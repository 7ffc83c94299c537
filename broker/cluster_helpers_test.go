package broker_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/rocketflow-io/rocketflow/broker"
)

// A clusterRig is a cluster and the bare protocol to talk to it.
type clusterRig struct {
	*rig    // at the access point
	t       *testing.T
	cluster *broker.Cluster
}

// standardCluster is brokers a and b behind two proxies, with two queues of each topic on each.
func standardCluster() broker.ClusterOptions {
	return broker.ClusterOptions{
		Brokers: []string{"broker-a", "broker-b"}, Proxies: 2,
		Options: broker.Options{
			InMemory: true, Recall: true,
			Topics: []broker.Topic{
				{Name: "N", Queues: 2}, {Name: "F", Queues: 2, Type: broker.FIFO}, {Name: "D", Queues: 2, Type: broker.Delay},
				{Name: "T", Queues: 2, Type: broker.Transaction}, {Name: "P", Queues: 2, Type: broker.Priority},
				{Name: "L", Queues: 2, Type: broker.Lite},
			},
			Groups: []broker.Group{{Name: "G"}, {Name: "O", Ordered: true}, {Name: "GL", Lite: broker.LiteBinding{Topic: "L"}}},
		},
	}
}

// inCluster runs a test with a cluster in a bubble of virtual time.
func inCluster(t *testing.T, change func(*broker.ClusterOptions), test func(r *clusterRig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		opts := standardCluster()
		if change != nil {
			change(&opts)
		}
		test(newClusterRig(t, opts))
	})
}

func newClusterRig(t *testing.T, opts broker.ClusterOptions) *clusterRig {
	t.Helper()
	c, err := broker.StartCluster(opts)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	r := &clusterRig{t: t, cluster: c}
	r.rig = r.at(c.Endpoint())
	return r
}

// at gives a client at an endpoint.
func (r *clusterRig) at(endpoint string) *rig {
	conn, err := grpc.NewClient("passthrough:///"+endpoint,
		grpc.WithContextDialer(r.cluster.Dialer()), grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(r.t, err)
	r.t.Cleanup(func() { require.NoError(r.t, conn.Close()) })
	return &rig{require.New(r.t), nil, v2.NewMessagingServiceClient(conn), as("client")}
}

// member gives a broker of the cluster.
func (r *clusterRig) member(name string) *broker.Broker {
	b, err := r.cluster.Broker(name)
	require.NoError(r.t, err)
	return b
}

// stored gives the bodies that a broker has of a topic, as "queue:body".
func (r *clusterRig) stored(name, topic string) []string {
	all := []string{}
	for _, m := range r.member(name).Messages(topic) {
		all = append(all, fmt.Sprintf("%d:%s", m.Queue, m.Body))
	}
	return all
}

// from makes a receive one from a broker.
func from(name string) func(*v2.ReceiveMessageRequest) {
	return func(r *v2.ReceiveMessageRequest) { r.MessageQueue.Broker = &v2.Broker{Name: name} }
}

// routed gives the queues of a topic as "broker queue endpoint", to a client that names the addresses.
func (r *rig) routed(topic string, addresses ...string) (v2.Code, []string) {
	answer, err := r.stub.QueryRoute(r.ctx, &v2.QueryRouteRequest{Topic: resource(topic), Endpoints: endpointsOf(addresses)})
	r.NoError(err)
	all := []string{}
	for _, q := range answer.GetMessageQueues() {
		all = append(all, fmt.Sprintf("%s %d %s", q.GetBroker().GetName(), q.GetId(), addressesOf(q.GetBroker().GetEndpoints())))
	}
	return answer.GetStatus().GetCode(), all
}

func endpointsOf(addresses []string) *v2.Endpoints {
	if len(addresses) == 0 {
		return nil
	}
	e := &v2.Endpoints{Scheme: v2.AddressScheme_DOMAIN_NAME}
	for i, host := range addresses {
		e.Addresses = append(e.Addresses, &v2.Address{Host: host, Port: int32(i + 1)})
	}
	return e
}

func addressesOf(e *v2.Endpoints) string {
	var all []string
	for _, a := range e.GetAddresses() {
		all = append(all, fmt.Sprintf("%s:%d", a.GetHost(), a.GetPort()))
	}
	return strings.Join(all, ";")
}

// assigned gives the queues that a consumer is to receive from, as "broker queue".
func (r *rig) assigned(group, topic string) []string {
	answer, err := r.stub.QueryAssignment(r.ctx, &v2.QueryAssignmentRequest{Group: resource(group), Topic: resource(topic)})
	r.NoError(err)
	r.Equal(v2.Code_OK, answer.GetStatus().GetCode())
	var all []string
	for _, a := range answer.GetAssignments() {
		q := a.GetMessageQueue()
		all = append(all, fmt.Sprintf("%s %d", q.GetBroker().GetName(), q.GetId()))
	}
	return all
}
