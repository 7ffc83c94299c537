package conformance

import (
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"github.com/stretchr/testify/require"
)

const conflict = v2.Code_MESSAGE_PROPERTY_CONFLICT_WITH_TYPE

func sendTypeRows() []Row {
	return []Row{
		{"SE13", "a message group for a NORMAL topic, or none for a FIFO one, conflicts", Equal, func(e *Env) {
			c := e.Client()
			require.Equal(e, conflict, c.Code(e.Message(e.Topic("NORMAL", 4), "body", inGroup("g"))))
			require.Equal(e, conflict, c.Code(e.Message(e.Topic("FIFO", 4), "body")))
		}},
		{"SE14", "the type FIFO without a message group, for a FIFO topic, conflicts", Equal, func(e *Env) {
			require.Equal(e, conflict, e.Client().Code(e.Message(e.Topic("FIFO", 4), "body", ofType(v2.MessageType_FIFO))))
		}},
		{"SE15", "the type NORMAL with a message group, for a FIFO topic, is stored", Equal, func(e *Env) {
			m := e.Message(e.Topic("FIFO", 4), "body", inGroup("g"), ofType(v2.MessageType_NORMAL))
			require.Equal(e, v2.Code_OK, e.Client().Code(m))
		}},
		{"SE16", "a delivery time for a NORMAL topic, or none for a DELAY one, conflicts", Equal, func(e *Env) {
			c := e.Client()
			require.Equal(e, conflict, c.Code(e.Message(e.Topic("NORMAL", 4), "body", deliverAt(time.Now().Add(time.Minute)))))
			require.Equal(e, conflict, c.Code(e.Message(e.Topic("DELAY", 4), "body")))
		}},
		{"SE17", "a delivery time may lie 24 h ahead; what lies ahead is kept for then, what is past comes at once", Equal, delivered},
		{"SE18", "a transactional message for a NORMAL topic, or another for a TRANSACTION one, conflicts", Equal, func(e *Env) {
			c := e.Client()
			require.Equal(e, conflict, c.Code(e.Message(e.Topic("NORMAL", 4), "body", ofType(v2.MessageType_TRANSACTION))))
			require.Equal(e, conflict, c.Code(e.Message(e.Topic("TRANSACTION", 4), "body")))
		}},
		{"SE19", "the time for the recovery of a transaction is at most an hour", Equal, func(e *Env) {
			topic, c := e.Topic("TRANSACTION", 4), e.Client()
			require.Equal(e, v2.Code_BAD_REQUEST, c.Code(e.Message(topic, "body", recoveredAfter(3601*time.Second))))
			require.Equal(e, v2.Code_OK, c.Code(e.Message(topic, "body", recoveredAfter(time.Hour))))
		}},
		{"SE20", "a priority is not below 0", Either, func(e *Env) {
			sawOne(e, e.Client().Code(e.Message(e.Topic("PRIORITY", 4), "body", withPriority(-1))), map[v2.Code]string{
				v2.Code_BAD_REQUEST:           "bad request",
				v2.Code_INTERNAL_SERVER_ERROR: "internal server error",
			})
		}},
		{"SE21", "a send to a missing topic", Either, func(e *Env) {
			sawOne(e, e.Client().Code(e.Message(e.Name("missing"), "body")), map[v2.Code]string{
				conflict:                "conflict with type",
				v2.Code_TOPIC_NOT_FOUND: "topic not found",
			})
		}},
		{"SE22", "a send to a read-only topic is FORBIDDEN", Equal, func(e *Env) {
			require.Equal(e, v2.Code_FORBIDDEN, e.Client().Code(e.Message(e.readOnlyTopic(), "body")))
		}},
	}
}

func delivered(e *Env) {
	topic, group := e.Topic("DELAY", 4), e.Group()
	c := e.Consumer(group)
	at := func(body string, ahead time.Duration) *v2.Message {
		return e.Message(topic, body, deliverAt(time.Now().Add(ahead)))
	}
	require.Equal(e, v2.Code_ILLEGAL_DELIVERY_TIME, c.Code(at("too late", 24*time.Hour+time.Minute)))
	require.Equal(e, v2.Code_OK, c.Code(at("past", -time.Minute)))
	require.Equal(e, v2.Code_OK, c.Code(at("tomorrow", 24*time.Hour-time.Minute)))
	require.Equal(e, []string{"past"}, bodiesOf(c.Take(group, topic, 1)))
}
