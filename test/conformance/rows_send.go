package conformance

import (
	"strconv"
	"strings"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"github.com/stretchr/testify/require"
)

// reservedProperties are the keys that the server keeps for itself.
const reservedProperties = "TRACE_ON MSG_REGION KEYS TAGS WAIT DELAY RETRY_TOPIC ORIGIN_GROUP REAL_TOPIC REAL_QID " +
	"TRAN_MSG PGROUP MIN_OFFSET MAX_OFFSET BUYER_ID ORIGIN_MESSAGE_ID TRANSFER_FLAG CORRECTION_FLAG MQ2_FLAG " +
	"RECONSUME_TIME UNIQ_KEY MAX_RECONSUME_TIMES CONSUME_START_TIME POP_CK POP_CK_OFFSET 1ST_POP_TIME " +
	"TRAN_PREPARED_QUEUE_OFFSET DUP_INFO EXTEND_UNIQ_INFO INSTANCE_ID CORRELATION_ID REPLY_TO_CLIENT TTL " +
	"ARRIVE_TIME PUSH_REPLY_TIME CLUSTER MSG_TYPE INNER_MULTI_QUEUE_OFFSET TIMER_DELAY_MS TIMER_DELAY_SEC " +
	"TIMER_DELIVER_MS TIMER_ENQUEUE_MS TIMER_DEQUEUE_MS TIMER_ROLL_TIMES TIMER_OUT_MS TIMER_DEL_UNIQKEY " +
	"TIMER_DELAY_LEVEL __BORNHOST BORN_TIMESTAMP DLQ_ORIGIN_TOPIC DLQ_ORIGIN_MESSAGE_ID __CRC32# " +
	"_SYS_MSG_PRIORITY_ __LITE_TOPIC"

func sendRows() []Row {
	return []Row{
		{"SE1", "a message is stored, with its own id as transaction id", Equal, func(e *Env) {
			m := e.Message(e.Topic("NORMAL", 4), "body")
			resp := e.Client().Send(m)
			require.Equal(e, v2.Code_OK, resp.GetStatus().GetCode())
			require.Len(e, resp.GetEntries(), 1)
			entry := resp.GetEntries()[0]
			require.Equal(e, v2.Code_OK, entry.GetStatus().GetCode())
			require.Equal(e, idOf(m), entry.GetMessageId())
			require.Equal(e, idOf(m), entry.GetTransactionId())
			require.Empty(e, entry.GetRecallHandle())
		}},
		{"SE2", "no message is MESSAGE_CORRUPTED", Equal, func(e *Env) {
			require.Equal(e, v2.Code_MESSAGE_CORRUPTED, e.Client().Code())
		}},
		{"SE3", "a body may have 1 byte to 4 MiB", Equal, func(e *Env) {
			topic, c := e.Topic("NORMAL", 4), e.Client()
			require.Equal(e, v2.Code_MESSAGE_BODY_EMPTY, c.Code(e.Message(topic, "")))
			require.Equal(e, v2.Code_OK, c.Code(e.Message(topic, strings.Repeat("b", 4<<20))))
			require.Equal(e, v2.Code_MESSAGE_BODY_TOO_LARGE, c.Code(e.Message(topic, strings.Repeat("b", 4<<20+1))))
		}},
		{"SE4", "a blank message id is ILLEGAL_MESSAGE_ID", Equal, func(e *Env) {
			refuses(e, v2.Code_ILLEGAL_MESSAGE_ID, withID(""), withID(" "))
		}},
		{"SE5", "a tag that is blank, or has a bar or a control character, is ILLEGAL_MESSAGE_TAG", Equal, func(e *Env) {
			refuses(e, v2.Code_ILLEGAL_MESSAGE_TAG, tagged(" "), tagged("a|b"), tagged("a\tb"))
		}},
		{"SE6", "a key that is blank or has a control character is ILLEGAL_MESSAGE_KEY", Equal, func(e *Env) {
			refuses(e, v2.Code_ILLEGAL_MESSAGE_KEY, keyed(" "), keyed("a\tb"))
		}},
		{"SE7", "a key with a space in it, at the consumer", Either, func(e *Env) {
			sawOne(e, strings.Join(sendAndReceive(e, keyed("a b")).GetSystemProperties().GetKeys(), "+"), map[string]string{
				"a b": "one key",
				"a+b": "two keys",
			})
		}},
		{"SE8", "each reserved property is ILLEGAL_MESSAGE_PROPERTY_KEY", Equal, func(e *Env) {
			var each []messageOption
			for key := range strings.FieldsSeq(reservedProperties) {
				each = append(each, property(key, "v"))
			}
			require.Len(e, each, 54)
			refuses(e, v2.Code_ILLEGAL_MESSAGE_PROPERTY_KEY, each...)
		}},
		{"SE9", "a control character in a property is ILLEGAL_MESSAGE_PROPERTY_KEY", Equal, func(e *Env) {
			refuses(e, v2.Code_ILLEGAL_MESSAGE_PROPERTY_KEY, property("a\x01", "v"), property("a", "v\x02"))
		}},
		{"SE10", "a message may have 128 properties", Equal, func(e *Env) {
			require.Equal(e, v2.Code_OK, e.Client().Code(e.Message(e.Topic("NORMAL", 4), "body", properties(128))))
			refuses(e, v2.Code_MESSAGE_PROPERTIES_TOO_LARGE, properties(129))
		}},
		{"SE11", "properties, tag and keys together may have 16384 bytes", Equal, func(e *Env) {
			fits := property("k", strings.Repeat("v", 16384-3))
			require.Equal(e, v2.Code_OK, e.Client().Code(e.Message(e.Topic("NORMAL", 4), "body", fits, tagged("t"), keyed("y"))))
			refuses(e, v2.Code_MESSAGE_PROPERTIES_TOO_LARGE, property("k", strings.Repeat("v", 16384)))
		}},
		{"SE12", "a message group may have 63 bytes", Equal, func(e *Env) {
			topic, c := e.Topic("FIFO", 4), e.Client()
			require.Equal(e, v2.Code_OK, c.Code(e.Message(topic, "body", inGroup(strings.Repeat("g", 63)))))
			for _, name := range []string{strings.Repeat("g", 64), " ", "a\tb"} {
				require.Equal(e, v2.Code_ILLEGAL_MESSAGE_GROUP, c.Code(e.Message(topic, "body", inGroup(name))), "group %q", name)
			}
		}},
		{"SE26", "a body digest that is wrong is not looked at", Equal, func(e *Env) {
			wrong := &v2.Digest{Type: v2.DigestType_CRC32, Checksum: "00000000"}
			m := sendAndReceive(e, func(m *v2.Message) { m.SystemProperties.BodyDigest = wrong })
			require.NotEqual(e, wrong.GetChecksum(), m.GetSystemProperties().GetBodyDigest().GetChecksum())
		}},
		{"SE27", "a namespace does not tell topics apart", Equal, func(e *Env) {
			m := sendAndReceive(e, func(m *v2.Message) { m.Topic.ResourceNamespace = "ns1" })
			require.Empty(e, m.GetTopic().GetResourceNamespace())
		}},
		{"SE30", "a property with an empty value, at the consumer", Either, func(e *Env) {
			m := sendAndReceive(e, property("empty", ""), property("full", "v"))
			require.Equal(e, "v", m.GetUserProperties()["full"])
			if _, ok := m.GetUserProperties()["empty"]; ok {
				e.Saw("kept")
				return
			}
			e.Saw("dropped")
		}},
	}
}

// refuses requires the code for a message with each of the options.
func refuses(e *Env, code v2.Code, options ...messageOption) {
	topic, c := e.Topic("NORMAL", 1), e.Client()
	for _, option := range options {
		m := e.Message(topic, "body", option)
		require.Equal(e, code, c.Code(m), "message of %.200v", m)
	}
}

// sendAndReceive stores a message and returns it as a consumer gets it.
func sendAndReceive(e *Env, options ...messageOption) *v2.Message {
	topic, group := e.Topic("NORMAL", 4), e.Group()
	c := e.Consumer(group)
	c.Store(e.Message(topic, "body", options...))
	m, _ := c.One(group, topic)
	return m
}

func properties(n int) messageOption {
	return func(m *v2.Message) {
		for i := range n {
			m.UserProperties["k"+strconv.Itoa(i)] = "v"
		}
	}
}
