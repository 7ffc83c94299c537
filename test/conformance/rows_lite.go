package conformance

import (
	"fmt"
	"strings"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"

	"github.com/rocketflow-io/rocketflow/test/rocketmq/target"
)

// liteRows are what all modes agree on: what is said before a lite topic is subscribed to.
func liteRows() []Row {
	return []Row{
		{"LI2", "a message to a lite topic whose name is blank, over 64 bytes or has a space is ILLEGAL_LITE_TOPIC", Equal, func(e *Env) {
			topic, c := e.Topic("LITE", 4), e.Client()
			for _, name := range illegalLite() {
				require.Equal(e, v2.Code_ILLEGAL_LITE_TOPIC, c.Code(e.Message(topic, "body", inLite(name))), "lite topic %q", name)
			}
			require.Equal(e, v2.Code_OK, c.Code(e.Message(topic, "body", inLite(strings.Repeat("a", 64)))))
		}},
		{"LI3", "a lite topic for a NORMAL topic, or none for a LITE one, conflicts", Equal, func(e *Env) {
			c, topic := e.Client(), e.Topic("LITE", 4)
			require.Equal(e, conflict, c.Code(e.Message(e.Topic("NORMAL", 4), "body", inLite("a"))))
			require.Equal(e, conflict, c.Code(e.Message(topic, "body")))
			require.Equal(e, conflict, c.Code(e.Message(topic, "body", inLite("a"), inGroup("g"))))
		}},
		{"LI4", "the queues of a LITE topic take LITE messages; a bound group is assigned all of them as one", Equal, func(e *Env) {
			topic := e.Topic("LITE", 4)
			group := e.GroupOf(target.Group{Ordered: true, RetryMaxTimes: 16, Lite: &target.Lite{Parent: topic}})
			queues := e.Client().Route(topic).GetMessageQueues()
			require.Len(e, queues, 4)
			require.Equal(e, []v2.MessageType{v2.MessageType_LITE}, queues[0].GetAcceptMessageTypes())
			assignments := e.Client().Assignment(group, topic).GetAssignments()
			require.Len(e, assignments, 1)
			require.EqualValues(e, -1, assignments[0].GetMessageQueue().GetId())
		}},
		{"LI5", "settings that do not fit the group end the stream", Equal, liteSettingsRefused},
		{"LI6", "a client is told how many lite topics it may subscribe to, and how long their names may be", Equal, func(e *Env) {
			topic := e.Topic("LITE", 4)
			for quota, want := range map[int]int32{0: 2000, 5: 5} {
				group := e.LiteGroup(topic, target.Lite{Quota: quota})
				sub := e.Client().Settle(liteSettings(topic, group)).GetSubscription()
				require.Equal(e, want, sub.GetLiteSubscriptionQuota())
				require.EqualValues(e, 64, sub.GetMaxLiteTopicSize())
			}
		}},
		{"LI7", "a subscription with an illegal name, too many names, or another topic than the bound one is refused", Equal, liteSyncRefused},
		{"LI8", "a subscription with an offset option that says nothing", Either, func(e *Env) {
			topic := e.Topic("LITE", 4)
			status := e.Client().Sync(topic, e.LiteGroup(topic, target.Lite{}), addLite, &v2.OffsetOption{}, "a")
			sawOne(e, status.GetCode(), map[v2.Code]string{
				v2.Code_BAD_REQUEST: "bad request", v2.Code_INTERNAL_SERVER_ERROR: "internal server error",
			})
		}},
		{"LI9", "a subscription of an unknown group", Either, func(e *Env) {
			status := e.Client().Sync(e.Topic("LITE", 4), e.Name("unknown"), addLite, nil, "a")
			sawOne(e, status.GetCode(), map[v2.Code]string{
				v2.Code_ILLEGAL_CONSUMER_GROUP: "illegal consumer group", v2.Code_ILLEGAL_TOPIC: "illegal topic",
			})
		}},
		{"LI10", "a group that is not bound reads a LITE topic as any other", Equal, func(e *Env) {
			topic, group := e.Topic("LITE", 4), e.Group()
			c := e.Consumer(group)
			c.Store(e.Message(topic, "body", inLite("a")))
			m := c.Take(group, topic, 1)[0]
			require.Equal(e, "a", m.GetSystemProperties().GetLiteTopic())
			require.Equal(e, v2.MessageType_LITE, m.GetSystemProperties().GetMessageType())
		}},
	}
}

func illegalLite() []string {
	return []string{" ", strings.Repeat("a", 65), "a b", "a%b", "a|b", "ä"}
}

func liteSettingsRefused(e *Env) {
	topic := e.Topic("LITE", 4)
	group := e.LiteGroup(topic, target.Lite{})
	simple := liteSettings(topic, group)
	simple.ClientType = v2.ClientType_LITE_SIMPLE_CONSUMER.Enum()
	refusedSettings(e, codes.Internal, simple)
	refusedSettings(e, codes.InvalidArgument, consumerSettings(v2.ClientType_SIMPLE_CONSUMER, group))
	refusedSettings(e, codes.InvalidArgument, consumerSettings(v2.ClientType_PUSH_CONSUMER, group))
	refusedSettings(e, codes.InvalidArgument, liteSettings(topic, e.Group()))
	refusedSettings(e, codes.InvalidArgument, liteSettings(e.Topic("LITE", 4), group))
	bare := liteSettings(topic, group)
	bare.GetSubscription().Subscriptions = nil
	e.Client().Settle(bare)
}

func liteSyncRefused(e *Env) {
	topic, c := e.Topic("LITE", 4), e.Client()
	group := e.LiteGroup(topic, target.Lite{Quota: 5})
	for _, name := range illegalLite() {
		require.Equal(e, v2.Code_ILLEGAL_LITE_TOPIC, c.Sync(topic, group, addLite, nil, "ok", name).GetCode(), "lite topic %q", name)
	}
	var names []string
	for i := range 306 {
		names = append(names, fmt.Sprint("n", i))
	}
	for _, action := range []v2.LiteSubscriptionAction{addLite, removeLite, setLite} {
		require.Equal(e, v2.Code_LITE_SUBSCRIPTION_QUOTA_EXCEEDED, c.Sync(topic, group, action, nil, names...).GetCode(), "%v", action)
	}
	for _, action := range []v2.LiteSubscriptionAction{addLite, removeLite, setLite, clearLite} {
		require.Equal(e, v2.Code_ILLEGAL_TOPIC, c.Sync(e.Topic("LITE", 4), group, action, nil, "a").GetCode(), "%v", action)
		require.Equal(e, v2.Code_ILLEGAL_TOPIC, c.Sync(topic, e.Group(), action, nil, "a").GetCode(), "%v", action)
	}
	require.Equal(e, v2.Code_ILLEGAL_TOPIC, c.Sync("a b", group, addLite, nil, "a").GetCode())
	require.Equal(e, v2.Code_ILLEGAL_CONSUMER_GROUP, c.Sync(topic, "", addLite, nil, "a").GetCode())
}

// liteSyncRows are what subscribing does. In LOCAL mode the server refuses it.
func liteSyncRows() []Row {
	return []Row{
		{"LI1", "a client receives from the lite topics that it subscribes to, from their beginning", Either, func(e *Env) {
			c := e.Lite(target.Lite{})
			c.store("a", "a1", "a2")
			c.store("b", "b1")
			c.subscribe("a")
			messages := c.take(2)
			require.Equal(e, []string{"a1", "a2"}, bodiesOf(messages))
			for i, m := range messages {
				sp := m.GetSystemProperties()
				require.Equal(e, "a", sp.GetLiteTopic())
				require.Equal(e, v2.MessageType_LITE, sp.GetMessageType())
				require.EqualValues(e, i, sp.GetQueueOffset())
				require.EqualValues(e, 1, sp.GetDeliveryAttempt())
				require.Equal(e, c.topic, m.GetTopic().GetName())
			}
			c.acked(messages...)
			c.none()
			e.Saw(served)
		}},
		{"LI11", "a poll that waits is served by a subscription, and by the first message of a lite topic", Either, func(e *Env) {
			c := e.Lite(target.Lite{})
			c.store("a", "a1")
			answer := c.wait()
			c.subscribe("a", "new")
			require.Equal(e, []string{"a1"}, bodiesOf(answer().Messages))
			answer = c.wait()
			c.Store(e.Message(c.topic, "new1", inLite("new")))
			require.Equal(e, []string{"new1"}, bodiesOf(answer().Messages))
			e.Saw(served)
		}},
		{"LI12", "an answer has all of one lite topic before all of another", Either, func(e *Env) {
			c := e.Lite(target.Lite{})
			c.store("a", "a1", "a2", "a3")
			c.store("b", "b1", "b2")
			c.subscribe("a", "b")
			e.Sleep(time.Second)
			bodies := strings.Join(bodiesOf(c.take(5)), " ")
			require.Contains(e, []string{"a1 a2 a3 b1 b2", "b1 b2 a1 a2 a3"}, bodies)
			e.Saw(served)
		}},
		{"LI13", "a client says all that it subscribes to, some less, or nothing any more", Either, func(e *Env) {
			c := e.Lite(target.Lite{})
			c.subscribe("a", "b")
			c.say(setLite, nil, "c")
			c.store("a", "a1")
			c.store("c", "c1")
			require.Equal(e, []string{"c1"}, bodiesOf(c.take(1)))
			c.none()
			c.subscribe("a")
			require.Equal(e, []string{"a1"}, bodiesOf(c.take(1)))
			c.say(removeLite, nil, "a", "never subscribed to")
			c.say(setLite, nil)
			c.subscribe("b")
			c.say(clearLite, nil)
			c.store("b", "b1")
			c.none()
			e.Saw(served)
		}},
		{"LI14", "where a subscription begins by its offset option", Either, liteOffsets},
		{"LI15", "a subscription that begins elsewhere voids what is out", Either, func(e *Env) {
			c := e.Lite(target.Lite{})
			c.store("a", "a1", "a2")
			c.subscribe("a")
			first := c.take(2)
			c.say(removeLite, nil, "a")
			c.say(addLite, atOffset(1), "a")
			second := c.take(1)
			require.Equal(e, []string{"a2"}, bodiesOf(second))
			require.Equal(e, []int32{1}, attemptsOf(second))
			c.acked(first...)
			c.none()
			c.acked(second...)
			c.store("a", "a3")
			require.Equal(e, []string{"a3"}, bodiesOf(c.take(1)))
			e.Saw(served)
		}},
		{"LI16", "a group that resets by unsubscribing begins anew", Either, func(e *Env) {
			c := e.Lite(target.Lite{ResetOnUnsubscribe: true})
			c.store("a", "a1")
			c.subscribe("a")
			c.acked(c.take(1)...)
			c.say(removeLite, nil, "a")
			c.subscribe("a")
			require.Equal(e, []string{"a1"}, bodiesOf(c.take(1)))
			e.Saw(served)
		}},
		{"LI17", "a client of a wildcard group gets all lite topics once it has said anything, and may not name any", Either, func(e *Env) {
			c := e.Lite(target.Lite{Wildcard: true})
			c.say(setLite, nil)
			require.Equal(e, v2.Code_INTERNAL_SERVER_ERROR, c.Sync(c.topic, c.group, addLite, nil, "a").GetCode())
			e.Sleep(time.Second)
			c.Store(e.Message(c.topic, "a1", inLite("a")), e.Message(c.topic, "b1", inLite("b")))
			require.Equal(e, []string{"a1", "b1"}, sorted(bodiesOf(c.take(2))))
			e.Saw(served)
		}},
	}
}

// liteOffsets subscribes, in a row of lite topics, to one of which two of four have been read.
func liteOffsets(e *Env) {
	tests := []struct {
		name string
		from *v2.OffsetOption
		want []string
	}{
		{"none", nil, []string{"none3", "none4"}},
		{"last", atPolicy(v2.OffsetOption_LAST), []string{"last3", "last4"}},
		{"min", atPolicy(v2.OffsetOption_MIN), []string{"min1", "min2", "min3", "min4"}},
		{"max", atPolicy(v2.OffsetOption_MAX), nil},
		{"at", atOffset(1), []string{"at2", "at3", "at4"}},
		{"beyond", atOffset(99), nil},
		{"below", atOffset(-1), []string{"below3", "below4"}},
		{"tail", beforeTail(1), []string{"tail2", "tail3", "tail4"}},
		{"long", beforeTail(99), []string{"long1", "long2", "long3", "long4"}},
		{"negative", beforeTail(-1), []string{"negative4"}},
		{"time", atTime(time.Unix(0, 0)), []string{"time3", "time4"}},
	}
	c := e.Lite(target.Lite{})
	for _, test := range tests {
		c.store(test.name, test.name+"1", test.name+"2", test.name+"3", test.name+"4")
		c.subscribe(test.name)
		c.acked(c.take(2, atMost(2))...)
		c.say(removeLite, nil, test.name)
		c.say(addLite, test.from, test.name)
		received := c.Receive(c.group, c.topic)
		require.Equal(e, test.want, bodiesOf(received.Messages), "offset option %s", test.name)
		if len(received.Messages) > 0 {
			c.acked(received.Messages...)
		}
		c.store(test.name, test.name+"5")
		next := c.take(1)
		require.Equal(e, []string{test.name + "5"}, bodiesOf(next))
		c.acked(next...)
	}
	e.Saw(served)
}
