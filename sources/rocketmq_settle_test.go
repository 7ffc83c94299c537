package sources

import (
	"context"
	"io"
	"maps"
	"slices"
	"strconv"
	"testing"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"github.com/rocketflow-io/rocketflow/client"
	"github.com/rocketflow-io/rocketflow/flow/stage"
)

func TestRocketMQ_TriesToAcknowledgeUntilTheLeaseEnds(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.send("in", "", "a")
		reader := open(r.T, RocketMQ(r.client, "in", "G"))
		a := r.gather(reader, 1)[0]
		require.NoError(r, r.broker.Close())
		began := time.Now()
		err := a.batch.Settler.Settle(r.Context(), []stage.Outcome{{Index: a.index}})
		require.ErrorIs(r, err, client.ErrUnavailable)
		require.InDelta(r, DefaultInvisible.Seconds(), time.Since(began).Seconds(), 30)
	})
}

// refusing gives a client whose requests fail where refuse says so.
func (r *rig) refusing(refuse func(req any) bool) *client.Client {
	r.Helper()
	c, err := client.New(r.broker.Endpoint(), client.WithConnect(
		func(_ context.Context, endpoint string) (grpc.ClientConnInterface, io.Closer, error) {
			conn, err := grpc.NewClient("passthrough:///"+endpoint,
				grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithContextDialer(r.broker.Dialer()),
				grpc.WithUnaryInterceptor(func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, next grpc.UnaryInvoker, opts ...grpc.CallOption) error {
					if refuse(req) {
						return status.Error(codes.Unavailable, "refused by the test")
					}
					return next(ctx, method, req, reply, cc, opts...)
				}))
			return conn, conn, err
		}))
	require.NoError(r, err)
	r.Cleanup(func() { require.NoError(r, c.Close()) })
	return c
}

func TestRocketMQ_NamesTheOutcomesThatMayBeLost(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.send("one", "", "1", "2", "3", "4")
		deaf := r.refusing(func(req any) bool {
			_, nack := req.(*v2.ChangeInvisibleDurationRequest)
			return nack
		})
		reader := open(r.T, RocketMQ(deaf, "one", "G"))
		time.Sleep(time.Second) // virtual: the poll fetches
		got := r.gather(reader, 4)
		require.Equal(r, 4, got[0].batch.Len())
		err := got[0].batch.Settler.Settle(r.Context(), []stage.Outcome{
			{Index: 3, Err: errBroken}, {Index: 0}, {Index: 1, Err: stage.ErrHandedBack}, {Index: 2},
		})
		var lost *stage.BatchError
		require.ErrorAs(r, err, &lost)
		require.ElementsMatch(r, []int{1, 3}, slices.Collect(maps.Keys(lost.Failed)))
		require.ErrorIs(r, err, client.ErrUnavailable)
		require.EqualValues(r, 2, r.stats("G").Acked)
	})
}

func TestRocketMQ_NamesTheAcknowledgementsThatAreLost(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.send("one", "", "1", "2")
		reader := open(r.T, RocketMQ(r.client, "one", "G"))
		time.Sleep(time.Second) // virtual: the poll fetches
		got := r.gather(reader, 2)
		require.NoError(r, r.broker.Close())
		over, cancel := context.WithCancel(r.Context())
		cancel()
		var lost *stage.BatchError
		require.ErrorAs(r, got[0].batch.Settler.Settle(over, []stage.Outcome{{Index: 1}}), &lost)
		require.Len(r, lost.Failed, 1)
		require.ErrorIs(r, lost.Failed[1], context.Canceled)
	})
}

// Rule 8: what the dead letters did not take is not over.
func TestRocketMQ_LetsNothingPassAMessageThatDidNotGetToTheDeadLetters(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.send("steps", "g", "1", "2")
		refuse := true
		deaf := r.refusing(func(req any) bool {
			_, bury := req.(*v2.ForwardMessageToDeadLetterQueueRequest)
			return bury && refuse
		})
		reader := open(r.T, RocketMQ(deaf, "steps", "O")) // at most 2 deliveries
		settle := func(first error) error {
			got := r.gather(reader, 2)
			require.Equal(r, []string{"1", "2"}, texts(got))
			got[1].settle(r.T, stage.ErrHandedBack)
			return got[0].batch.Settler.Settle(r.Context(), []stage.Outcome{{Index: got[0].index, Err: first}})
		}
		require.NoError(r, settle(errBroken))
		var lost *stage.BatchError
		require.ErrorAs(r, settle(errBroken), &lost)
		require.ErrorIs(r, lost.Failed[0], client.ErrUnavailable)
		refuse = false
		require.NoError(r, settle(errBroken))
		require.Len(r, r.broker.Messages("%DLQ%O"), 1)
		last := r.gather(reader, 1)
		require.Equal(r, []string{"2"}, texts(last))
		last[0].settle(r.T, nil)
		require.Zero(r, r.stats("O").Backlog)
	})
}

func TestRocketMQ_MakesAFaultOfABodyThatIsNotWhatWasSent(t *testing.T) {
	good, bad := &client.Message{Body: []byte("a")}, &client.Message{Body: []byte("b"), Err: client.ErrCorrupted}
	b := newReceipts(&acker{}, []*client.Delivery{{Message: good}, {Message: bad}}).batch(time.Minute)
	require.Equal(t, []stage.Fault{{Index: 1, Err: client.ErrCorrupted, Raw: []byte("b")}}, b.Faults)
	require.Same(t, bad, b.Values[1], "dead letters want the message")
}

func TestRocketMQ_ForgetsOldFailuresWhenThereAreMany(t *testing.T) {
	now := time.Now()
	a := &acker{settings: client.ConsumerSettings{FIFO: true}, failures: make(map[string]failure, maxFailures)}
	for i := range maxFailures {
		a.failures[strconv.Itoa(i)] = failure{count: 1, last: now.Add(-keepFailure - time.Hour)}
	}
	d := &client.Delivery{Message: &client.Message{ID: "new"}}
	require.Equal(t, 1, a.failed(d))
	require.Equal(t, 2, a.failed(d))
	require.Len(t, a.failures, 1)
	a.forget([]*client.Delivery{d})
	require.Empty(t, a.failures)
}
