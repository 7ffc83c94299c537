package target_test

import (
	"context"
	"strings"
	"testing"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"

	"github.com/rocketflow-io/rocketflow/test/rocketmq"
	"github.com/rocketflow-io/rocketflow/test/rocketmq/target"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestTarget_CreatesWhatARouteThenShows(t *testing.T) {
	server := target.New(t)
	for _, kind := range []string{"NORMAL", "FIFO"} {
		topic := server.CreateTopic(t, kind, 3)
		resp, err := rpc(t, server).QueryRoute(identified(t), &v2.QueryRouteRequest{Topic: &v2.Resource{Name: topic}})
		require.NoError(t, err)
		require.Len(t, resp.GetMessageQueues(), 3)
		require.Equal(t, []v2.MessageType{v2.MessageType(v2.MessageType_value[kind])}, resp.GetMessageQueues()[0].GetAcceptMessageTypes())
	}
	require.NotEqual(t, server.CreateTopic(t, "NORMAL", 1), server.CreateTopic(t, "NORMAL", 1))
	require.Equal(t, server.Mode() != target.Embedded, server.IsReal())
}

func TestTarget_CountsTheBacklogOfAGroupThatHasReadNothing(t *testing.T) {
	server := target.New(t)
	topic, group := server.CreateTopic(t, "NORMAL", 2), server.CreateGroup(t, false, 3)
	for _, id := range []string{"1", "2", "3"} {
		resp, err := rpc(t, server).SendMessage(identified(t), &v2.SendMessageRequest{Messages: []*v2.Message{{
			Topic: &v2.Resource{Name: topic}, Body: []byte(id),
			SystemProperties: &v2.SystemProperties{MessageId: id, BodyEncoding: v2.Encoding_IDENTITY},
		}}})
		require.NoError(t, err)
		require.Equal(t, v2.Code_OK, resp.GetStatus().GetCode())
	}
	require.Eventually(t, func() bool {
		backlog, err := server.Backlog(t.Context(), group, topic)
		return err == nil && backlog == 3
	}, 10*time.Second, 20*time.Millisecond)
}

func TestFromEnvironment_WantsAllOfTheAddresses(t *testing.T) {
	t.Setenv(rocketmq.EndpointVariable, "127.0.0.1:1")
	t.Setenv(rocketmq.BrokerVariable, "")
	_, err := target.FromEnvironment()
	require.ErrorContains(t, err, "run the test by the command in rocketmq/cmd")
	t.Setenv(rocketmq.EndpointVariable, "")
	_, err = target.FromEnvironment()
	require.ErrorIs(t, err, target.ErrNoServer)
}

func TestPrefix_IsAnotherEachTime(t *testing.T) {
	first := target.Prefix()
	require.NotEqual(t, first, target.Prefix())
	require.Equal(t, strings.ToLower(first), first)
}

func rpc(t *testing.T, server *target.Target) v2.MessagingServiceClient {
	t.Helper()
	conn, err := server.Dial(insecure.NewCredentials())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, conn.Close()) })
	return v2.NewMessagingServiceClient(conn)
}

func identified(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	t.Cleanup(cancel)
	return metadata.AppendToOutgoingContext(ctx, "x-mq-client-id", "target-test")
}
