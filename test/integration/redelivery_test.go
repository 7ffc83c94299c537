package integration

import (
	"testing"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"

	"github.com/rocketflow-io/rocketflow/broker"
	"github.com/rocketflow-io/rocketflow/client"
	"github.com/rocketflow-io/rocketflow/test/rocketmq/target"
)

// newShortLeases gives a target and its least invisible duration, which is not long if it is the
// embedded broker.
func newShortLeases(t *testing.T) (*target.Target, time.Duration) {
	t.Helper()
	t.Parallel() // for what the leases take on the real server
	const short = 300 * time.Millisecond
	g := target.NewLimited(t, broker.Limits{MinInvisible: short, RedeliveryDelay: short, ClientExpiry: 2 * time.Second})
	if g.IsReal() {
		return g, 10 * time.Second
	}
	return g, short
}

func TestReceive_BringsAgainWhatIsNotSettled(t *testing.T) {
	for _, ordered := range []bool{false, true} {
		t.Run(map[bool]string{false: "concurrent", true: "FIFO"}[ordered], func(t *testing.T) {
			g, lease := newShortLeases(t)
			kind := map[bool]string{false: "NORMAL", true: "FIFO"}[ordered]
			topic, group := g.CreateTopic(t, kind, 1), g.CreateGroup(t, ordered, 16)
			c := newClient(t, g)
			m := &client.Message{Topic: topic, Body: []byte("x"), Keys: []string{"k"}}
			if ordered {
				m.MessageGroup = "g"
			}
			_, err := newProducer(t, c).Send(limited(t), m)
			require.NoError(t, err)

			sc := newConsumer(t, c, group, topic)
			first, err := sc.Receive(limited(t), 1, lease)
			require.NoError(t, err)
			require.Len(t, first, 1)
			start := time.Now()
			second := receive(t, sc, 1)[0]
			require.GreaterOrEqual(t, time.Since(start)+500*time.Millisecond, lease)
			require.Equal(t, first[0].ID, second.ID)
			require.Equal(t, []string{"k"}, second.Keys)
			require.Equal(t, 2, second.Attempt)
			require.NoError(t, second.Ack(limited(t)))
		})
	}
}

// A server that renews a lease by itself does so for a client that is there. When that vanishes
// without a word, the message has to come again all the same.
func TestReceive_BringsAgainWhatAVanishedClientHadRenewed(t *testing.T) {
	g, _ := newShortLeases(t)
	topic, group := g.CreateTopic(t, "NORMAL", 1), g.CreateGroup(t, false, 16)
	c := newClient(t, g)
	receipt, err := newProducer(t, c).Send(limited(t), &client.Message{Topic: topic, Body: []byte("x")})
	require.NoError(t, err)
	leaseOfAnother(t, g, topic, group, receipt.MessageID)

	// The server forgets a client after 120 s, and looks at leases that it renews every 5 s.
	start := time.Now()
	d := receiveWithin(t, newConsumer(t, c, group, topic), 1, 4*time.Minute)[0]
	t.Logf("it came again %v after its client had vanished", time.Since(start).Round(100*time.Millisecond))
	require.Equal(t, receipt.MessageID, d.ID)
	require.Equal(t, 2, d.Attempt)
	require.NoError(t, d.Ack(limited(t)))
}

// leaseOfAnother receives the message for a consumer that has its lease renewed, and then vanishes:
// its connection breaks, and it never takes leave.
func leaseOfAnother(t *testing.T, g *target.Target, topic, group, id string) {
	t.Helper()
	conn, err := g.Dial(insecure.NewCredentials())
	require.NoError(t, err)
	defer func() { require.NoError(t, conn.Close()) }()
	rpc := v2.NewMessagingServiceClient(conn)
	ctx := metadata.AppendToOutgoingContext(limited(t),
		"x-mq-client-id", group+"-vanishes", "x-mq-language", "GO", "x-mq-client-version", "5.5.0")
	resource := &v2.Resource{Name: topic}
	all := &v2.FilterExpression{Type: v2.FilterType_TAG, Expression: "*"}

	session, err := rpc.Telemetry(ctx)
	require.NoError(t, err)
	require.NoError(t, session.Send(&v2.TelemetryCommand{Command: &v2.TelemetryCommand_Settings{Settings: &v2.Settings{
		ClientType: v2.ClientType_PUSH_CONSUMER.Enum(),
		PubSub: &v2.Settings_Subscription{Subscription: &v2.Subscription{
			Group:         &v2.Resource{Name: group},
			Subscriptions: []*v2.SubscriptionEntry{{Topic: resource, Expression: all}},
		}},
	}}}))
	_, err = session.Recv()
	require.NoError(t, err)
	_, err = rpc.Heartbeat(ctx, &v2.HeartbeatRequest{ClientType: v2.ClientType_PUSH_CONSUMER, Group: &v2.Resource{Name: group}})
	require.NoError(t, err)
	route, err := rpc.QueryRoute(ctx, &v2.QueryRouteRequest{Topic: resource})
	require.NoError(t, err)

	for {
		stream, err := rpc.ReceiveMessage(ctx, &v2.ReceiveMessageRequest{
			Group: &v2.Resource{Name: group}, MessageQueue: route.GetMessageQueues()[0],
			FilterExpression: all, BatchSize: 1, AutoRenew: true,
		})
		require.NoError(t, err)
		for {
			frame, err := stream.Recv()
			if err != nil {
				break // the end of the answer; an empty one is asked for again
			}
			if frame.GetMessage() != nil {
				require.Equal(t, id, frame.GetMessage().GetSystemProperties().GetMessageId())
				return
			}
		}
	}
}

func TestDeadLetters_GetWhatIsNeverSettled(t *testing.T) {
	g, lease := newShortLeases(t)
	topic, group := g.CreateTopic(t, "NORMAL", 1), g.CreateGroup(t, false, 1)
	c := newClient(t, g)
	receipt, err := newProducer(t, c).Send(limited(t), &client.Message{Topic: topic, Body: []byte("poison"), Tag: "t"})
	require.NoError(t, err)
	sc := newConsumer(t, c, group, topic)
	for attempt := 1; attempt <= 2; attempt++ { // 1 + the group's retries
		var got []*client.Delivery
		for len(got) == 0 {
			got, err = sc.Receive(limited(t), 1, lease)
			require.NoError(t, err)
		}
		require.Equal(t, attempt, got[0].Attempt)
	}
	// It moves when it would be delivered once more, so somebody has to ask for it.
	require.Eventually(t, func() bool {
		got, err := sc.Receive(limited(t), 1, lease)
		require.NoError(t, err)
		require.Empty(t, bodies(got))
		n, err := g.Stored(t.Context(), "%DLQ%"+group)
		return err == nil && n == 1
	}, patience, 50*time.Millisecond)
	d := receive(t, newConsumer(t, c, g.CreateGroup(t, false, 16), "%DLQ%"+group), 1)[0]
	require.Equal(t, receipt.MessageID, d.ID)
	require.Equal(t, "poison", string(d.Body))
	require.Equal(t, "t", d.Tag)
	require.NoError(t, d.Ack(limited(t)))
}
