package broker_test

import (
	"testing"
	"testing/synctest"

	"google.golang.org/grpc/codes"

	"github.com/rocketflow-io/rocketflow/broker"
)

// atBoth gives the endpoints of the two proxies, and a client at each.
func (r *clusterRig) atBoth() (endpoints []string, first, second *rig) {
	endpoints = r.cluster.Endpoints()
	r.Len(endpoints, 2)
	return endpoints, r.at(endpoints[0]), r.at(endpoints[1])
}

// sees sends a message and tells what came of it.
func (r *rig) sees() string {
	sees, _ := r.try(r.ctx, "N", "a")
	return sees
}

func TestCluster_FreezesOneProxy(t *testing.T) {
	inCluster(t, nil, func(r *clusterRig) {
		endpoints, first, second := r.atBoth()
		thaw := r.cluster.Freeze(endpoints[0])
		r.Equal("DeadlineExceeded", first.sees())
		r.Equal("OK", second.sees())
		r.NoError(r.cluster.StopProxy(endpoints[0]))
		r.NoError(r.cluster.StartProxy(endpoints[0]))
		r.Equal("DeadlineExceeded", r.at(endpoints[0]).sees(), "the frost is of the endpoint")
		thaw()
		r.Equal("OK", r.at(endpoints[0]).sees())
		thaw = r.cluster.Freeze()
		r.Equal("DeadlineExceeded", second.sees())
		thaw()
	})
}

func TestCluster_CutsTheConnectionsOfOneProxy(t *testing.T) {
	inCluster(t, nil, func(r *clusterRig) {
		endpoints, first, second := r.atBoth()
		r.Equal("OK", first.sees())
		r.Equal("OK", second.sees())
		r.Zero(r.cluster.Cut("127.0.0.1:1"))
		r.Equal(1, r.cluster.Cut(endpoints[0]))
		synctest.Wait() // for the client to see it
		r.Equal("OK", first.sees())
		r.Equal(2, r.cluster.Cut())
	})
}

func TestCluster_InjectsAFaultAtOneProxy(t *testing.T) {
	inCluster(t, nil, func(r *clusterRig) {
		endpoints, first, second := r.atBoth()
		at := broker.Match{Endpoint: endpoints[1]}
		_, err := r.cluster.Inject(broker.Fault{On: at, Do: broker.AnswerGRPC(codes.Aborted, "")})
		r.NoError(err)
		r.Equal("OK", first.sees())
		r.Equal("Aborted", second.sees())
		calls := r.cluster.Calls(at)
		r.Len(calls, 1)
		r.Contains(calls[0].String(), "SendMessage at="+endpoints[1]+" client=client")
		r.Len(r.cluster.Calls(), 2)
	})
}

func TestCluster_FreezesOneBrokerThatIsItsOwnProxy(t *testing.T) {
	local := func(o *broker.ClusterOptions) { o.Mode, o.Proxies = broker.ProxyLocal, 0 }
	inCluster(t, local, func(r *clusterRig) {
		endpoints, first, second := r.atBoth()
		defer r.cluster.Freeze(endpoints[1])()
		r.Equal("OK", first.sees())
		r.Equal("DeadlineExceeded", second.sees())
	})
}
