package conformance

import (
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"github.com/stretchr/testify/require"
)

func transactionRows() []Row {
	return []Row{
		{"TX1", "a message in a transaction is not visible before the commit, and soon after it", Near, func(e *Env) {
			topic, group := e.Topic("TRANSACTION", 4), e.Group()
			c := e.Consumer(group)
			m := c.Begin(topic, "body")
			require.Empty(e, c.Receive(group, topic).Messages)
			wait := c.Async(group, topic, polling(20*time.Second))
			start := time.Now()
			require.Equal(e, v2.Code_OK, c.End(m, commit, byClient))
			received := wait()
			require.Equal(e, []string{"body"}, bodiesOf(received.Messages))
			require.Less(e, received.At().Sub(start), pollDelay)
		}},
		{"TX3", "a transaction ends once", Equal, func(e *Env) {
			c := e.Client()
			m := c.Begin(e.Topic("TRANSACTION", 4), "body")
			require.Equal(e, v2.Code_OK, c.End(m, rollback, byClient))
			require.Equal(e, v2.Code_INTERNAL_SERVER_ERROR, c.End(m, rollback, byClient))
		}},
		{"TX4", "a blank transaction id is refused, and one that is not known", Equal, func(e *Env) {
			topic, c := e.Topic("TRANSACTION", 4), e.Client()
			require.Equal(e, v2.Code_INVALID_TRANSACTION_ID, c.End(e.Message(topic, "body", withID(" ")), commit, byClient))
			require.Equal(e, v2.Code_INTERNAL_SERVER_ERROR, c.End(e.Message(topic, "body"), commit, byClient))
			m := c.Begin(topic, "body")
			m.Topic = resource(e.Topic("TRANSACTION", 4))
			require.Equal(e, v2.Code_INTERNAL_SERVER_ERROR, c.End(m, commit, byClient))
		}},
		{"TX7", "the end of a transaction that was left open before", Either, func(e *Env) {
			topic, group := e.Topic("TRANSACTION", 4), e.Group()
			c := e.Consumer(group)
			m := c.Begin(topic, "body")
			require.Equal(e, v2.Code_OK, c.End(m, leaveOpen, byClient))
			require.Empty(e, c.Receive(group, topic).Messages)
			sawOne(e, c.End(m, commit, byClient), map[v2.Code]string{
				v2.Code_OK: "OK", v2.Code_INTERNAL_SERVER_ERROR: "internal server error",
			})
		}},
		{"TX9", "30 s after the send a transaction of which nobody was asked cannot be ended", Equal, func(e *Env) {
			c := e.Client()
			m := c.Begin(e.Topic("TRANSACTION", 4), "body")
			e.Sleep(32 * time.Second)
			require.Equal(e, v2.Code_INTERNAL_SERVER_ERROR, c.End(m, commit, byClient))
		}},
		{"TX10", "a committed message says its type and its transaction", Equal, func(e *Env) {
			topic, group := e.Topic("TRANSACTION", 4), e.Group()
			c := e.Consumer(group)
			m := c.Begin(topic, "body", tagged("tag"), keyed("key"), property("k", "v"))
			require.Equal(e, v2.Code_OK, c.End(m, commit, byClient))
			got, _ := c.One(group, topic)
			require.Equal(e, v2.MessageType_TRANSACTION, got.GetSystemProperties().GetMessageType())
			require.Equal(e, idOf(m), idOf(got))
			require.Equal(e, "tag", got.GetSystemProperties().GetTag())
			require.Equal(e, []string{"key"}, got.GetSystemProperties().GetKeys())
			require.Equal(e, map[string]string{"k": "v", "__transactionId__": idOf(m)}, got.GetUserProperties())
		}},
		{"TX11", "a message in a transaction, in a request with another, is not taken", Equal, func(e *Env) {
			topic := e.Topic("TRANSACTION", 4)
			require.Equal(e, v2.Code_INTERNAL_SERVER_ERROR,
				e.Client().Code(e.Message(topic, "a", inTransaction), e.Message(topic, "b", inTransaction)))
		}},
	}
}
