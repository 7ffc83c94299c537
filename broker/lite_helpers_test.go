package broker_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/rocketflow-io/rocketflow/broker"
)

// withLite is a broker with a topic L of lite topics and groups bound to it.
func withLite() broker.Options {
	return broker.Options{
		InMemory: true,
		Topics: []broker.Topic{
			{Name: "L", Queues: 4, Type: broker.Lite}, {Name: "N"}, {Name: "short", Type: broker.Lite, LiteExpiry: time.Hour},
		},
		Groups: []broker.Group{
			{Name: "G"},
			{Name: "lite", Lite: broker.LiteBinding{Topic: "L"}},
			{Name: "other", Lite: broker.LiteBinding{Topic: "L"}},
			{Name: "once", RetryMaxTimes: -1, Lite: broker.LiteBinding{Topic: "L"}},
			{Name: "few", Lite: broker.LiteBinding{Topic: "L", Quota: 5}},
			{Name: "exclusive", Lite: broker.LiteBinding{Topic: "L", Exclusive: true}},
			{Name: "taking", Lite: broker.LiteBinding{Topic: "L", Exclusive: true, ResetOnTakeover: true}},
			{Name: "again", Lite: broker.LiteBinding{Topic: "L", ResetOnUnsubscribe: true}},
			{Name: "all", Lite: broker.LiteBinding{Topic: "L", Wildcard: true}},
			{Name: "short", Lite: broker.LiteBinding{Topic: "short"}},
		},
	}
}

// withLiteTopics runs a test with such a broker in a bubble of virtual time.
func withLiteTopics(t *testing.T, test func(r *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { test(newRig(t, withLite())) })
}

// A liteClient is a client of lite topics whose telemetry stream is open.
type liteClient struct {
	*rig
	group, topic string
	notified     chan string // the lite topics that the broker says it has lost
	breakOff     context.CancelFunc
}

// liteSettings are those of a client of a group that is bound to a topic.
func liteSettings(group, topic string) *v2.Settings {
	settings := consumer(group)
	settings.ClientType = new(v2.ClientType_LITE_PUSH_CONSUMER)
	settings.GetSubscription().Subscriptions = []*v2.SubscriptionEntry{{Topic: resource(topic)}}
	return settings
}

// lite makes a client, with an id, of a group that is bound to the topic L.
func (r *rig) lite(id, group string) *liteClient { return r.liteOf(id, group, "L") }

func (r *rig) liteOf(id, group, topic string) *liteClient {
	ctx, cancel := context.WithCancel(as(id))
	c := &liteClient{
		rig: &rig{r.Assertions, r.broker, r.stub, as(id)}, group: group, topic: topic,
		notified: make(chan string, 100), breakOff: cancel,
	}
	stream, err := r.stub.Telemetry(ctx)
	r.NoError(err)
	r.NoError(stream.Send(&v2.TelemetryCommand{
		Command: &v2.TelemetryCommand_Settings{Settings: liteSettings(group, topic)},
	}))
	answer, err := stream.Recv()
	r.NoError(err)
	r.Equal(v2.Code_OK, answer.GetStatus().GetCode())
	go func() {
		for {
			command, err := stream.Recv()
			if err != nil {
				return
			}
			c.notified <- command.GetNotifyUnsubscribeLiteCommand().GetLiteTopic()
		}
	}()
	return c
}

// sync tells of subscriptions and gives the status.
func (c *liteClient) sync(action v2.LiteSubscriptionAction, from *v2.OffsetOption, names ...string) *v2.Status {
	answer, err := c.stub.SyncLiteSubscription(c.ctx, &v2.SyncLiteSubscriptionRequest{
		Action: action, Topic: resource(c.topic), Group: resource(c.group), LiteTopicSet: names, OffsetOption: from,
	})
	c.NoError(err)
	return answer.GetStatus()
}

// subscribe adds lite topics.
func (c *liteClient) subscribe(names ...string) {
	c.Equal(v2.Code_OK, c.sync(v2.LiteSubscriptionAction_PARTIAL_ADD, nil, names...).GetCode())
}

// subscribeFrom adds a lite topic with an offset option.
func (c *liteClient) subscribeFrom(from *v2.OffsetOption, name string) {
	c.Equal(v2.Code_OK, c.sync(v2.LiteSubscriptionAction_PARTIAL_ADD, from, name).GetCode())
}

// unsubscribe removes lite topics.
func (c *liteClient) unsubscribe(names ...string) {
	c.Equal(v2.Code_OK, c.sync(v2.LiteSubscriptionAction_PARTIAL_REMOVE, nil, names...).GetCode())
}

// set makes the lite topics all that the client subscribes to.
func (c *liteClient) set(names ...string) {
	c.Equal(v2.Code_OK, c.sync(v2.LiteSubscriptionAction_COMPLETE_ADD, nil, names...).GetCode())
}

// take receives at once, or waits for up to 5 s, and gives what is seen and the messages.
func (c *liteClient) take(change ...func(*v2.ReceiveMessageRequest)) ([]string, []*v2.Message) {
	return c.pop(c.group, c.topic, change...)
}

// settle acknowledges messages and gives the code of each.
func (c *liteClient) settle(messages ...*v2.Message) []v2.Code {
	req := &v2.AckMessageRequest{Group: resource(c.group), Topic: resource(c.topic)}
	for _, m := range messages {
		req.Entries = append(req.Entries, &v2.AckMessageEntry{
			MessageId: "m", ReceiptHandle: m.GetSystemProperties().GetReceiptHandle(), LiteTopic: m.GetSystemProperties().LiteTopic,
		})
	}
	answer, err := c.stub.AckMessage(c.ctx, req)
	c.NoError(err)
	var codes []v2.Code
	for _, e := range answer.GetEntries() {
		codes = append(codes, e.GetStatus().GetCode())
	}
	return codes
}

// settled acknowledges messages, which must succeed.
func (c *liteClient) settled(messages ...*v2.Message) {
	for _, code := range c.settle(messages...) {
		c.Equal(v2.Code_OK, code)
	}
}

// hide changes when a message, or with suspend all that was received of its lite topic, is visible
// again. The message has its new handle then.
func (c *liteClient) hide(m *v2.Message, d time.Duration, suspend bool) {
	handle, code := c.hidden(m, d, suspend)
	c.Equal(v2.Code_OK, code)
	m.SystemProperties.ReceiptHandle = &handle
}

// hidden gives the new handle and the code.
func (c *liteClient) hidden(m *v2.Message, d time.Duration, suspend bool) (string, v2.Code) {
	answer, err := c.stub.ChangeInvisibleDuration(c.ctx, &v2.ChangeInvisibleDurationRequest{
		Group: resource(c.group), Topic: resource(c.topic), MessageId: "m", LiteTopic: m.GetSystemProperties().LiteTopic,
		ReceiptHandle: m.GetSystemProperties().GetReceiptHandle(), InvisibleDuration: durationpb.New(d), Suspend: &suspend,
	})
	c.NoError(err)
	return answer.GetReceiptHandle(), answer.GetStatus().GetCode()
}

// bury sends a message to the dead letters and gives the code.
func (c *liteClient) bury(m *v2.Message) v2.Code {
	answer, err := c.stub.ForwardMessageToDeadLetterQueue(c.ctx, &v2.ForwardMessageToDeadLetterQueueRequest{
		Group: resource(c.group), Topic: resource(c.topic), MessageId: "m",
		ReceiptHandle: m.GetSystemProperties().GetReceiptHandle(), LiteTopic: m.GetSystemProperties().LiteTopic,
	})
	c.NoError(err)
	return answer.GetStatus().GetCode()
}

// sendLite sends messages to a lite topic of L, with bodies that name it and count from 1.
func (r *rig) sendLite(name string, from, to int) { r.sendLiteTo("L", name, from, to) }

func (r *rig) sendLiteTo(topic, name string, from, to int) {
	for i := from; i <= to; i++ {
		r.send(topic, fmt.Sprint(name, i), func(m *v2.Message) { m.SystemProperties.LiteTopic = &name })
	}
}

// awaiting starts a receive that waits for up to 20 s.
func (c *liteClient) awaiting() <-chan []string { return c.waiting(c.group, c.topic) }

func policy(p v2.OffsetOption_Policy) *v2.OffsetOption {
	return &v2.OffsetOption{OffsetType: &v2.OffsetOption_Policy_{Policy: p}}
}

func offset(n int64) *v2.OffsetOption {
	return &v2.OffsetOption{OffsetType: &v2.OffsetOption_Offset{Offset: n}}
}

func tail(n int64) *v2.OffsetOption {
	return &v2.OffsetOption{OffsetType: &v2.OffsetOption_TailN{TailN: n}}
}
