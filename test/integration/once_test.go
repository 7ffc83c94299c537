package integration

import (
	"context"
	"fmt"
	"io"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"github.com/rocketflow-io/rocketflow/client"
	"github.com/rocketflow-io/rocketflow/flow"
	"github.com/rocketflow-io/rocketflow/sinks"
	"github.com/rocketflow-io/rocketflow/sources"
	"github.com/rocketflow-io/rocketflow/state"
)

// lossy makes connections on which each third end of a transaction and each fourth acknowledgement
// gets lost.
type lossy struct{ ends, acks atomic.Int32 }

func (l *lossy) connect(_ context.Context, endpoint string) (grpc.ClientConnInterface, io.Closer, error) {
	conn, err := grpc.NewClient("passthrough:///"+endpoint,
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithUnaryInterceptor(l.lose))
	return conn, conn, err
}

func (l *lossy) lose(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	switch req.(type) {
	case *v2.EndTransactionRequest:
		if l.ends.Add(1)%3 == 0 {
			return status.Error(codes.Unavailable, "lost")
		}
	case *v2.AckMessageRequest:
		if l.acks.Add(1)%4 == 0 {
			return status.Error(codes.Unavailable, "lost")
		}
	}
	return invoke(ctx, method, req, reply, cc, opts...)
}

// What a run cut off is finished by the next, and each input has one output.
func TestPipeline_SendsOneOutputForEachInput(t *testing.T) {
	const n = 100
	g := newTransactions(t)
	in, out := g.CreateTopic(t, "NORMAL", 4), g.CreateTopic(t, "TRANSACTION", 4)
	group, watch := g.CreateGroup(t, false, 16), g.CreateGroup(t, false, 16)
	load(t, newClient(t, g), in, n)
	store := state.NewMemory()

	job := func(c *client.Client, each func()) *flow.Pipeline {
		return flow.From(sources.RocketMQ(c, in, group, sources.WithInvisible(10*time.Second))).
			Map(func(m *client.Message) string { each(); return "output " + string(m.Body) }).
			To(sinks.RocketMQOnce(c, out, store, sinks.ByInput[string], func(v string) (*client.Message, error) {
				return &client.Message{Body: []byte(v)}, nil
			}), flow.Batched(8, 10*time.Millisecond))
	}
	first, err := client.New(g.Endpoint(), client.WithConnect((&lossy{}).connect))
	require.NoError(t, err)
	ctx, cut := context.WithCancel(limited(t))
	var begun atomic.Int32
	err = job(first, func() {
		if begun.Add(1) == n/2 {
			cut()
		}
	}).Run(ctx, flow.WithDrainTimeout(time.Millisecond))
	if err != nil {
		require.ErrorAs(t, err, new(*flow.DrainError))
	}
	require.NoError(t, first.Close())

	next, err := client.New(g.Endpoint(), client.WithConnect((&lossy{}).connect))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, next.Close()) })
	var got []string
	run(t, job(next, func() {}), func(context.Context) error {
		sc := newConsumer(t, newClient(t, g), watch, out)
		for begun := time.Now(); len(got) < n && time.Since(begun) < checks; {
			batch, err := sc.Receive(limited(t), 32, invisible)
			require.NoError(t, err)
			require.NoError(t, sc.Ack(limited(t), batch...))
			got = append(got, bodies(batch)...)
		}
		require.Eventually(t, func() bool {
			backlog, err := g.Backlog(t.Context(), group, in)
			return err == nil && backlog == 0
		}, checks, 100*time.Millisecond)
		more, err := sc.Receive(limited(t), 32, invisible) // waits for 5 s
		require.NoError(t, err)
		require.Empty(t, bodies(more))
		return nil
	})
	slices.Sort(got)
	var want []string
	for i := range n {
		want = append(want, fmt.Sprintf("output %d", i))
	}
	slices.Sort(want)
	require.Equal(t, want, got)
}
