package conformance

import (
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"github.com/stretchr/testify/require"
)

func delayRows() []Row {
	return []Row{
		{"DE1", "a message comes at the end of the second in which its time lies, never early", Near, punctual},
		{"DE2", "a delayed message says its type and the time that was asked for", Equal, func(e *Env) {
			topic, group := e.Topic("DELAY", 4), e.Group()
			c := e.Consumer(group)
			at := time.Now().Add(1500 * time.Millisecond).Truncate(time.Millisecond)
			c.Store(e.Message(topic, "body", deliverAt(at)))
			m, _ := c.One(group, topic)
			require.Equal(e, v2.MessageType_DELAY, m.GetSystemProperties().GetMessageType())
			require.True(e, at.Equal(m.GetSystemProperties().GetDeliveryTimestamp().AsTime()),
				"want %v in %v", at, m.GetSystemProperties())
		}},
		{"DE7", "only a message that has to wait has a recall handle", Equal, func(e *Env) {
			topic, c := e.Topic("DELAY", 4), e.Client()
			handle := func(ahead time.Duration) string {
				return c.Send(e.Message(topic, "body", deliverAt(time.Now().Add(ahead)))).GetEntries()[0].GetRecallHandle()
			}
			require.NotEmpty(e, handle(time.Minute))
			require.Empty(e, handle(-time.Minute))
		}},
		{"DE8", "a delayed message in a request with another is not taken", Equal, func(e *Env) {
			topic := e.Topic("DELAY", 4)
			later := deliverAt(time.Now().Add(time.Second))
			require.Equal(e, v2.Code_INTERNAL_SERVER_ERROR,
				e.Client().Code(e.Message(topic, "a", later), e.Message(topic, "b", later)))
		}},
	}
}

// punctual allows for what is left of a second, and for a server under load.
func punctual(e *Env) {
	topic, group := e.Topic("DELAY", 4), e.Group()
	c := e.Consumer(group)
	due := map[string]time.Time{}
	for _, ahead := range []time.Duration{300, 1200, 2100, 3400, 4700} {
		at := time.Now().Add(ahead * time.Millisecond)
		due[at.String()] = at
		c.Store(e.Message(topic, at.String(), deliverAt(at)))
	}
	for len(due) > 0 {
		received := c.Receive(group, topic)
		require.NotEmpty(e, received.Messages, "%d messages have not come", len(due))
		for _, body := range bodiesOf(received.Messages) {
			at, ok := due[body]
			require.True(e, ok, "message due at %s comes twice", body)
			late := received.At().Sub(at)
			require.GreaterOrEqual(e, late, -time.Millisecond, "delay after the time asked for")
			require.Less(e, late, 2*time.Second, "delay after the time asked for")
			delete(due, body)
		}
	}
}
