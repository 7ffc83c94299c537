package client_test

import (
	"context"
	"fmt"
	"math"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/client"
)

// many returns n properties.
func many(n int) map[string]string {
	out := make(map[string]string, n)
	for i := range n {
		out[fmt.Sprint("p", i)] = "v"
	}
	return out
}

// A limitCase is a message at a limit, which is sent, or beyond it, which is refused.
type limitCase struct {
	name   string
	change func(m *client.Message)
	field  string // of the error; empty if the message is sent
	kind   error
	says   []string // in the error, besides the field
}

func limitCases() []limitCase {
	topic := func(name string) func(*client.Message) { return func(m *client.Message) { m.Topic = name } }
	body := func(size int) func(*client.Message) { return func(m *client.Message) { m.Body = make([]byte, size) } }
	tag := func(tag string) func(*client.Message) { return func(m *client.Message) { m.Tag = tag } }
	keys := func(keys ...string) func(*client.Message) { return func(m *client.Message) { m.Keys = keys } }
	group := func(group string) func(*client.Message) { return func(m *client.Message) { m.MessageGroup = group } }
	lite := func(topic string) func(*client.Message) { return func(m *client.Message) { m.LiteTopic = topic } }
	priority := func(p int) func(*client.Message) { return func(m *client.Message) { m.Priority = &p } }
	due := func(in time.Duration) func(*client.Message) {
		return func(m *client.Message) { m.DeliveryTime = time.Now().Add(in) }
	}
	property := func(k, v string) func(*client.Message) {
		return func(m *client.Message) { m.Properties = map[string]string{k: v} }
	}
	properties := func(p map[string]string) func(*client.Message) { return func(m *client.Message) { m.Properties = p } }
	return []limitCase{
		{"topic of 127", topic(strings.Repeat("t", 127)), "", nil, nil},
		{"topic of 128", topic(strings.Repeat("t", 128)), "topic", client.ErrIllegalTopic, []string{"128", "127"}},
		{"topic with a dot", topic("a.b"), "topic", client.ErrIllegalTopic, []string{`"a.b"`}},
		{"no topic", topic(""), "topic", client.ErrIllegalTopic, []string{"empty"}},
		{"topic of the server", topic("SCHEDULE_TOPIC_XXXX"), "topic", client.ErrIllegalTopic, []string{"SCHEDULE", "the server's own"}},
		{"topic like the server's", topic("rmq_sys_mine"), "topic", client.ErrIllegalTopic, []string{"rmq_sys_mine"}},

		{"body of 4 MiB", body(4 << 20), "", nil, nil},
		{"body of a byte more", body(4<<20 + 1), "body", client.ErrBodyTooLarge, []string{"4194305", "4194304"}},
		{"no body", body(0), "body", client.ErrBodyEmpty, nil},

		{"tag *", tag("*"), "", nil, nil},
		{"blank tag", tag(" "), "tag", client.ErrIllegalTag, []string{`" "`}},
		{"tag with a bar", tag("a|b"), "tag", client.ErrIllegalTag, []string{"a|b"}},
		{"tag with a control character", tag("a\u0085"), "tag", client.ErrIllegalTag, nil},
		{"key with a space", keys("a b"), "", nil, nil},
		{"blank key", keys("a", "\t"), "key", client.ErrIllegalKey, []string{`"\t"`}},
		{"empty key", keys(""), "key", client.ErrIllegalKey, nil},
		{"key with a control character", keys("a\n"), "key", client.ErrIllegalKey, nil},

		{"128 properties", properties(many(128)), "", nil, nil},
		{"129 properties", properties(many(129)), "properties", client.ErrPropertiesTooLarge, []string{"129", "128"}},
		{"16 KiB", property("a", strings.Repeat("b", 16<<10-1)), "", nil, nil},
		{"a byte more", property("a", strings.Repeat("b", 16<<10)), "properties", client.ErrPropertiesTooLarge, []string{"16385", "16384"}},
		{"16 KiB with tag and keys", func(m *client.Message) {
			m.Tag, m.Keys, m.Properties = "t", []string{"k", "l"}, map[string]string{"a": strings.Repeat("b", 16<<10-3)}
		}, "properties", client.ErrPropertiesTooLarge, []string{"16385", "16384", "with tag and keys"}},
		{"blank property key", property(" ", "v"), "property", client.ErrIllegalProperty, nil},
		{"empty property value", property("k", ""), "property", client.ErrIllegalProperty, []string{`"k"`}},
		{"control character in a value", property("k", "a\x00"), "property", client.ErrIllegalProperty, []string{`"k"`}},
		{"control character in a key", property("k\x7f", "v"), "property", client.ErrIllegalProperty, nil},
		{"name of the server's in other letters", property("keys", "v"), "", nil, nil},

		{"group of 63 bytes", group(strings.Repeat("ä", 31) + "b"), "", nil, nil},
		{"group of 64 bytes", group(strings.Repeat("ä", 32)), "message group", client.ErrIllegalMessageGroup, []string{"64", "63"}},
		{"blank group", group(" "), "message group", client.ErrIllegalMessageGroup, nil},
		{"group with a control character", group("a\x01"), "message group", client.ErrIllegalMessageGroup, nil},

		{"lite topic of 64", lite(strings.Repeat("l", 62) + "-_"), "", nil, nil},
		{"lite topic of 65", lite(strings.Repeat("l", 65)), "lite topic", client.ErrIllegalTopic, []string{"65", "64"}},
		{"blank lite topic", lite(" "), "lite topic", client.ErrIllegalTopic, []string{`" "`}},
		{"lite topic with a bar", lite("a|b"), "lite topic", client.ErrIllegalTopic, []string{"a|b"}},
		{"lite topic with a percent sign", lite("a%b"), "lite topic", client.ErrIllegalTopic, []string{"a%b"}},

		{"priority 0", priority(0), "", nil, nil},
		{"highest priority", priority(math.MaxInt32), "", nil, nil},
		{"priority below 0", priority(-1), "priority", client.ErrIllegalPriority, []string{"-1", "0"}},
		{"priority too high", priority(math.MaxInt32 + 1), "priority", client.ErrIllegalPriority, []string{"2147483648", "2147483647"}},

		{"delivery time past", due(-time.Hour), "", nil, nil},
		{"delivery in a day", due(24 * time.Hour), "", nil, nil},
		{"delivery in more", due(24*time.Hour + 1), "delivery time", client.ErrIllegalDeliveryTime, []string{"24h0m0.000000001s", "24h0m0s"}},
		{"delivery before all times", func(m *client.Message) { m.DeliveryTime = time.Unix(-1<<40, 0) },
			"delivery time", client.ErrIllegalDeliveryTime, []string{"year"}},
	}
}

func TestSend_KeepsToEveryLimitBeforeItAsks(t *testing.T) {
	onNetwork(t, single, func(n *network) {
		var requests atomic.Int32
		inner, innerRoute := n.at(single[0]).send, n.at(single[0]).route
		n.at(single[0]).send = func(ctx context.Context, q *v2.SendMessageRequest) (*v2.SendMessageResponse, error) {
			requests.Add(1)
			return inner(ctx, q)
		}
		n.at(single[0]).route = func(ctx context.Context, q *v2.QueryRouteRequest) (*v2.QueryRouteResponse, error) {
			requests.Add(1)
			return innerRoute(ctx, q)
		}
		p := n.producer()
		for _, c := range limitCases() {
			m := message("orders", "x")
			c.change(m)
			before := requests.Load()
			_, err := p.Send(n.Context(), m)
			if c.field == "" {
				require.NoError(n, err, c.name)
				continue
			}
			if c.field != "body" { // of whose limit the server tells
				require.Equal(n, before, requests.Load(), c.name)
			}
			var argument *client.ArgumentError
			require.ErrorAs(n, err, &argument, c.name)
			require.Equal(n, c.field, argument.Field, c.name)
			require.ErrorIs(n, err, c.kind, c.name)
			for _, text := range c.says {
				require.Contains(n, argument.Problem, text, c.name)
			}
		}
	})
}

func TestSend_RefusesEachNameThatTheServerKeeps(t *testing.T) {
	const names = "TRACE_ON MSG_REGION KEYS TAGS WAIT DELAY RETRY_TOPIC ORIGIN_GROUP REAL_TOPIC REAL_QID TRAN_MSG PGROUP " +
		"MIN_OFFSET MAX_OFFSET BUYER_ID ORIGIN_MESSAGE_ID TRANSFER_FLAG CORRECTION_FLAG MQ2_FLAG RECONSUME_TIME UNIQ_KEY " +
		"MAX_RECONSUME_TIMES CONSUME_START_TIME POP_CK POP_CK_OFFSET 1ST_POP_TIME TRAN_PREPARED_QUEUE_OFFSET DUP_INFO " +
		"EXTEND_UNIQ_INFO INSTANCE_ID CORRELATION_ID REPLY_TO_CLIENT TTL ARRIVE_TIME PUSH_REPLY_TIME CLUSTER MSG_TYPE " +
		"INNER_MULTI_QUEUE_OFFSET TIMER_DELAY_MS TIMER_DELAY_SEC TIMER_DELIVER_MS TIMER_ENQUEUE_MS TIMER_DEQUEUE_MS " +
		"TIMER_ROLL_TIMES TIMER_OUT_MS TIMER_DEL_UNIQKEY TIMER_DELAY_LEVEL __BORNHOST BORN_TIMESTAMP DLQ_ORIGIN_TOPIC " +
		"DLQ_ORIGIN_MESSAGE_ID __CRC32# _SYS_MSG_PRIORITY_ __LITE_TOPIC"
	require.Len(t, strings.Fields(names), 54)
	onNetwork(t, single, func(n *network) {
		p := n.producer()
		for _, name := range strings.Fields(names) {
			m := message("orders", "x")
			m.Properties = map[string]string{name: "v"}
			_, err := p.Send(n.Context(), m)
			require.ErrorIs(n, err, client.ErrIllegalProperty, name)
			require.ErrorContains(n, err, fmt.Sprintf("%q is the server's own", name))
		}
	})
}

func TestSend_TakesNoTwoTypesAtOnce(t *testing.T) {
	fields := []struct {
		name string
		set  func(*client.Message)
	}{
		{"message group", func(m *client.Message) { m.MessageGroup = "g" }},
		{"delivery time", func(m *client.Message) { m.DeliveryTime = time.Now() }},
		{"lite topic", func(m *client.Message) { m.LiteTopic = "l" }},
		{"priority", func(m *client.Message) { m.Priority = new(0) }},
	}
	onNetwork(t, single, func(n *network) {
		p := n.producer()
		for i, first := range fields {
			for _, second := range fields[i+1:] {
				m := message("orders", "x")
				first.set(m)
				second.set(m)
				_, err := p.Send(n.Context(), m)
				require.ErrorIs(n, err, client.ErrMessageType)
				require.ErrorContains(n, err, first.name+": excludes a "+second.name)
			}
		}
	})
}

func TestProducer_TakesTheLimitsOfAServerThatHasOthers(t *testing.T) {
	onNetwork(t, single, func(n *network) {
		m := message("orders", "x")
		m.DeliveryTime = time.Now().Add(48 * time.Hour)
		_, err := n.producer(client.WithMaxDelay(47*time.Hour)).Send(n.Context(), m)
		require.ErrorIs(n, err, client.ErrIllegalDeliveryTime)
		require.ErrorContains(n, err, "WithMaxDelay")
		_, err = n.producer(client.WithMaxDelay(48*time.Hour)).Send(n.Context(), m)
		require.NoError(n, err)
		_, err = n.client.NewProducer(client.WithMaxDelay(0), client.WithSenders(0), client.WithLinger(1), client.WithoutBatching())
		for _, option := range []string{"WithMaxDelay", "WithSenders", "WithLinger: excludes WithoutBatching"} {
			require.ErrorContains(n, err, option)
		}
	})
}
