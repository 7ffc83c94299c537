package conformance

import (
	"context"
	"sync"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/test/rocketmq/target"
)

const (
	addLite    = v2.LiteSubscriptionAction_PARTIAL_ADD
	removeLite = v2.LiteSubscriptionAction_PARTIAL_REMOVE
	setLite    = v2.LiteSubscriptionAction_COMPLETE_ADD
	clearLite  = v2.LiteSubscriptionAction_COMPLETE_REMOVE
)

// What the server makes of lite topics: in LOCAL mode it refuses them.
const (
	served  = "served"
	refused = "refused"
)

// liteClient is a client of a group that is bound to a topic of lite topics.
type liteClient struct {
	*Client
	group, topic string
	lost         chan string // the lite topics that the server says the client has lost
	breakOff     context.CancelFunc
}

// Lite returns a client of a new group that is bound to a new topic.
func (e *Env) Lite(binding target.Lite) *liteClient {
	topic := e.Topic("LITE", 4)
	return e.LiteOf(topic, e.LiteGroup(topic, binding))
}

// LiteGroup creates a group that is bound to the topic, and returns its name.
func (e *Env) LiteGroup(topic string, binding target.Lite) string {
	binding.Parent = topic
	return e.GroupOf(target.Group{RetryMaxTimes: 16, Lite: &binding})
}

// LiteOf returns a client of the group, whose heartbeats go on until the row ends.
func (e *Env) LiteOf(topic, group string) *liteClient {
	c := &liteClient{Client: e.Client(), group: group, topic: topic, lost: make(chan string, 100)}
	if e.server.Mode() == target.Cluster {
		c.lapses = 1 // the server loses a receive that begins to wait while it cleans up
	}
	c.connect()
	ctx, cancel := context.WithCancel(c.ctx())
	var beating sync.WaitGroup
	beating.Go(func() { c.beat(ctx, group) })
	e.Cleanup(func() {
		cancel()
		beating.Wait()
	})
	return c
}

// connect sends the settings, and takes what the server says from then on.
func (c *liteClient) connect() {
	ctx, cancel := context.WithCancel(c.ctx())
	stream, err := c.rpc.Telemetry(ctx)
	require.NoError(c.e, err)
	require.NoError(c.e, stream.Send(settingsCommand(liteSettings(c.topic, c.group))))
	first, err := stream.Recv()
	require.NoError(c.e, err)
	require.Equal(c.e, v2.Code_OK, first.GetStatus().GetCode(), "status of the settings: %v", first.GetStatus())
	require.Equal(c.e, v2.Code_OK, c.Heartbeat(c.group).GetCode())
	var listening sync.WaitGroup
	listening.Go(func() { c.listen(stream) })
	c.breakOff = func() {
		cancel()
		listening.Wait()
	}
	c.e.Cleanup(c.breakOff)
}

// listen ends with the stream.
func (c *liteClient) listen(stream v2.MessagingService_TelemetryClient) {
	for {
		command, err := stream.Recv()
		if err != nil {
			return
		}
		if unsubscribe := command.GetNotifyUnsubscribeLiteCommand(); unsubscribe != nil {
			c.lost <- unsubscribe.GetLiteTopic()
		}
	}
}

func liteSettings(topic, group string) *v2.Settings {
	s := consumerSettings(v2.ClientType_LITE_PUSH_CONSUMER, group)
	s.GetSubscription().Subscriptions = []*v2.SubscriptionEntry{{
		Topic:      resource(topic),
		Expression: &v2.FilterExpression{Type: v2.FilterType_TAG, Expression: "*"},
	}}
	return s
}

// Sync returns the status of the answer to what the client says of its subscriptions.
func (c *Client) Sync(topic, group string, action v2.LiteSubscriptionAction, from *v2.OffsetOption, names ...string) *v2.Status {
	ctx, cancel := c.short()
	defer cancel()
	resp, err := c.rpc.SyncLiteSubscription(ctx, &v2.SyncLiteSubscriptionRequest{
		Action: action, Topic: resource(topic), Group: resource(group), LiteTopicSet: names, OffsetOption: from,
	})
	require.NoError(c.e, err)
	return resp.GetStatus()
}

// say tells the server of subscriptions. It ends the row if the server serves no lite topics.
func (c *liteClient) say(action v2.LiteSubscriptionAction, from *v2.OffsetOption, names ...string) {
	status := c.Sync(c.topic, c.group, action, from, names...)
	if c.e.server.Mode() != target.Cluster && status.GetCode() == v2.Code_INTERNAL_SERVER_ERROR {
		c.e.Stop(refused)
	}
	require.Equal(c.e, v2.Code_OK, status.GetCode(), "status of the subscription: %v", status)
}

func (c *liteClient) subscribe(names ...string) { c.say(addLite, nil, names...) }

// store sends messages to a lite topic, in order, and returns when they can be received.
func (c *liteClient) store(name string, bodies ...string) {
	before, err := c.e.server.Stored(c.e.ctx, c.topic)
	require.NoError(c.e, err)
	c.StoreBodies(c.topic, bodies, inLite(name))
	c.e.Indexed(c.topic, before+int64(len(bodies)))
}

// take receives until it has n messages, which it requires within a while. They are out for long.
func (c *liteClient) take(n int, options ...receiveOption) []*v2.Message {
	return c.Take(c.group, c.topic, n, append([]receiveOption{invisible(longLease)}, options...)...)
}

// none requires that a receive gives nothing.
func (c *liteClient) none() {
	require.Empty(c.e, bodiesOf(c.Receive(c.group, c.topic).Messages))
}

func (c *liteClient) acked(messages ...*v2.Message) { c.Acked(c.group, c.topic, messages...) }

// wait makes a receive in another goroutine that waits for 20 s; the function returned gives its
// answer. It returns once the server has surely got the request.
func (c *liteClient) wait(options ...receiveOption) func() Received {
	answer := c.Async(c.group, c.topic, append(options, polling(20*time.Second), invisible(longLease))...)
	c.e.Sleep(time.Second)
	return answer
}

// loses requires that the server says that the client has lost the lite topic.
func (c *liteClient) loses(name string) {
	select {
	case lost := <-c.lost:
		require.Equal(c.e, name, lost)
	case <-time.After(reviveDelay):
		require.Fail(c.e, "nothing lost", "want a notification of %q", name)
	}
}

// losesNothing tells whether the server says nothing of the kind for a while.
func (c *liteClient) losesNothing() bool {
	select {
	case <-c.lost:
		return false
	case <-time.After(quiet):
		return true
	}
}

func atPolicy(p v2.OffsetOption_Policy) *v2.OffsetOption {
	return &v2.OffsetOption{OffsetType: &v2.OffsetOption_Policy_{Policy: p}}
}

func atOffset(n int64) *v2.OffsetOption {
	return &v2.OffsetOption{OffsetType: &v2.OffsetOption_Offset{Offset: n}}
}

func beforeTail(n int64) *v2.OffsetOption {
	return &v2.OffsetOption{OffsetType: &v2.OffsetOption_TailN{TailN: n}}
}

func atTime(t time.Time) *v2.OffsetOption {
	return &v2.OffsetOption{OffsetType: &v2.OffsetOption_Timestamp{Timestamp: t.UnixMilli()}}
}
