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
		{"DE4", "a recalled message does not come, its sibling does", Near, recalled},
		{"DE5", "a recall handle of another topic, of a time that is past, or of nothing is refused", Equal, func(e *Env) {
			topic, other, c := e.Topic("DELAY", 4), e.Topic("DELAY", 4), e.Client()
			handle := c.Later(topic, "body", time.Second)
			require.Equal(e, v2.Code_INTERNAL_SERVER_ERROR, c.Recall(other, handle).GetStatus().GetCode())
			e.Sleep(3 * time.Second)
			for _, handle := range []string{handle, "", "garbage", "djIgYSBiIGMgZA=="} {
				require.Equal(e, v2.Code_INTERNAL_SERVER_ERROR, c.Recall(topic, handle).GetStatus().GetCode(), "handle %q", handle)
			}
		}},
		{"DE6", "a recall from a NORMAL topic conflicts", Equal, func(e *Env) {
			c := e.Client()
			handle := c.Later(e.Topic("DELAY", 4), "body", time.Minute)
			require.Equal(e, conflict, c.Recall(e.Topic("NORMAL", 4), handle).GetStatus().GetCode())
		}},
		{"DE7", "only a message that has to wait has a recall handle", Equal, func(e *Env) {
			topic, c := e.Topic("DELAY", 4), e.Client()
			require.NotEmpty(e, c.Later(topic, "body", time.Minute))
			require.Empty(e, c.Later(topic, "body", -time.Minute))
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
	for _, millis := range []int{300, 1200, 2100, 3400, 4700} {
		at := time.Now().Add(time.Duration(millis) * time.Millisecond)
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
			require.Less(e, late, time.Second+pollDelay, "delay after the time asked for")
			delete(due, body)
		}
	}
}

// recalled waits for the sibling, which is in the same second.
func recalled(e *Env) {
	topic, group := e.Topic("DELAY", 4), e.Group()
	c := e.Consumer(group)
	ahead := time.Until(time.Now().Truncate(time.Second).Add(15500 * time.Millisecond))
	handle := c.Later(topic, "recalled", ahead)
	c.Later(topic, "sibling", ahead)
	for range 2 { // it makes no difference whether the message is there
		answer := c.Recall(topic, handle)
		require.Equal(e, v2.Code_OK, answer.GetStatus().GetCode(), "status of the recall: %v", answer.GetStatus())
		require.NotEmpty(e, answer.GetMessageId())
	}
	m, _ := c.One(group, topic)
	require.Equal(e, "sibling", string(m.GetBody()))
	c.Acked(group, topic, m)
	c.Silent(group, topic, time.Now().Add(5*time.Second))
}

// Later sends a message to be delivered after a time and returns its recall handle.
func (c *Client) Later(topic, body string, ahead time.Duration) string {
	resp := c.Send(c.e.Message(topic, body, deliverAt(time.Now().Add(ahead))))
	require.Equal(c.e, v2.Code_OK, resp.GetStatus().GetCode(), "status of the send: %v", resp.GetStatus())
	return resp.GetEntries()[0].GetRecallHandle()
}

// Recall returns the answer to the recall of a message.
func (c *Client) Recall(topic, handle string) *v2.RecallMessageResponse {
	ctx, cancel := c.short()
	defer cancel()
	resp, err := c.rpc.RecallMessage(ctx, &v2.RecallMessageRequest{Topic: resource(topic), RecallHandle: handle})
	require.NoError(c.e, err)
	return resp
}
