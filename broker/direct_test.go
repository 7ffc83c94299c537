package broker_test

import (
	"testing"
	"testing/synctest"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/rocketflow-io/rocketflow/broker"
)

// directly runs a test in a bubble, with a client that is connected through no network.
func directly(t *testing.T, test func(r *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b, err := broker.Start(standard())
		require.NoError(t, err)
		defer b.Close()
		conn, closer, err := b.Connect(t.Context(), b.Endpoint())
		require.NoError(t, err)
		r := &rig{require.New(t), b, v2.NewMessagingServiceClient(conn), as("client")}
		r.register()
		test(r)
		r.NoError(closer.Close())
	})
}

func TestConnect_AnswersAsTheNetworkDoes(t *testing.T) {
	directly(t, func(r *rig) {
		r.send("N", "a", withTag("A"))
		seen, got := r.pop("G", "N", tags("A"), invisible(time.Minute))
		r.Equal([]string{"a/1"}, seen)
		r.Equal("127.0.0.1:0", got[0].GetSystemProperties().GetBornHost())
		r.Empty(<-r.waiting("G2", "N", tags("B")), "nothing that matches")
		r.Equal([]v2.Code{v2.Code_OK}, r.ack("G", "N", handles(got...)...))
		calls := r.broker.Calls(broker.Match{RPC: "ReceiveMessage"})
		r.Len(calls, 2)
		r.Equal(1, calls[0].Messages)
		r.Equal("client", calls[0].Client)
	})
}

func TestConnect_IsFrozenAndCutAsTheNetworkIs(t *testing.T) {
	directly(t, func(r *rig) {
		thaw := r.broker.Freeze()
		sees, took := r.try(r.ctx, "N", "during")
		r.Equal("DeadlineExceeded", sees)
		r.Equal(3*time.Second, took)
		r.Empty(r.broker.Messages("N"))
		thaw()
		polled := r.waiting("G", "N", invisible(time.Minute))
		synctest.Wait()
		r.Equal(1, r.broker.Cut())
		r.Contains((<-polled)[0], "Unavailable")
		r.Zero(r.broker.Cut())
		sees, _ = r.try(r.ctx, "N", "after")
		r.Equal("OK", sees)
		_, err := r.broker.Inject(broker.Fault{On: broker.Match{RPC: "SendMessage"}, Times: 1, Do: broker.CutAfter()})
		r.NoError(err)
		sees, _ = r.try(r.ctx, "N", "cut")
		r.Equal("Unavailable", sees)
		r.Len(r.broker.Messages("N"), 2)
	})
}

func TestConnect_EndsWithTheBroker(t *testing.T) {
	directly(t, func(r *rig) {
		polled := r.waiting("G", "N", invisible(time.Minute))
		synctest.Wait()
		r.NoError(r.broker.Close())
		r.Contains((<-polled)[0], "Unavailable")
		_, err := r.stub.SendMessage(r.ctx, &v2.SendMessageRequest{Messages: []*v2.Message{message("N", "id", "body")}})
		r.Equal(codes.Unavailable, status.Code(err))
	})
}
