package conformance

import (
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"github.com/stretchr/testify/require"
)

const (
	// reviveDelay is how late a redelivery to a group that is not ordered may be: the server's 2 s,
	// and room for a machine that is busy with other things.
	reviveDelay = 20 * time.Second
	// quiet is how long after its time a message that must not come is waited for.
	quiet = 5 * time.Second
)

// tick is how much sooner than told something may come: the server reckons in whole milliseconds.
const tick = 2 * time.Millisecond

func ackRows() []Row {
	return []Row{
		{"AC1", "an acknowledged message does not come again", Near, func(e *Env) {
			r := e.popped("body")
			r.c.Acked(r.group, r.topic, r.messages...)
			r.c.Silent(r.group, r.topic, r.at.Add(minInvisible+quiet))
		}},
		{"AC2", "a second acknowledgement is OK as well", Equal, func(e *Env) {
			r := e.popped("body")
			r.c.Acked(r.group, r.topic, r.messages...)
			r.c.Acked(r.group, r.topic, r.messages...)
		}},
		{"AC3", "an acknowledgement after the invisible duration is INVALID_RECEIPT_HANDLE", Equal, func(e *Env) {
			r := e.popped("body")
			e.Sleep(minInvisible + time.Second)
			resp := r.c.Ack(r.group, r.topic, r.messages...)
			require.Equal(e, v2.Code_INVALID_RECEIPT_HANDLE, resp.GetStatus().GetCode())
			require.Equal(e, v2.Code_INVALID_RECEIPT_HANDLE, resp.GetEntries()[0].GetStatus().GetCode())
		}},
		{"AC4", "an acknowledgement with a handle that is none", Either, func(e *Env) {
			r := e.popped("body")
			sawOne(e, r.c.Ack(r.group, r.topic, unreceived("garbage")).GetEntries()[0].GetStatus().GetCode(), map[v2.Code]string{
				v2.Code_INTERNAL_SERVER_ERROR:  "internal server error",
				v2.Code_INVALID_RECEIPT_HANDLE: "invalid receipt handle",
			})
		}},
		{"AC5", "a request whose entries fare differently is MULTIPLE_RESULTS", Equal, func(e *Env) {
			r := e.popped("body")
			resp := r.c.Ack(r.group, r.topic, r.messages[0], unreceived("garbage"))
			require.Equal(e, v2.Code_MULTIPLE_RESULTS, resp.GetStatus().GetCode())
			require.Len(e, resp.GetEntries(), 2)
			for _, entry := range resp.GetEntries() {
				require.Equal(e, entry.GetReceiptHandle() == handleOf(r.messages[0]), entry.GetStatus().GetCode() == v2.Code_OK, "%v", entry)
			}
		}},
		{"AC6", "an acknowledgement of nothing is INTERNAL_SERVER_ERROR", Equal, func(e *Env) {
			resp := e.Client().Ack(e.Group(), e.Topic("NORMAL", 4))
			require.Equal(e, v2.Code_INTERNAL_SERVER_ERROR, resp.GetStatus().GetCode())
		}},
		{"AC7", "a message that is not acknowledged comes again after the invisible duration, attempt 2", Near, func(e *Env) {
			r := e.popped("body")
			again := r.again(minInvisible, minInvisible+reviveDelay)
			require.EqualValues(e, 2, attemptOf(again))
		}},
		{"AC8", "a redelivered message keeps id, tag, keys, properties and birth", Equal, func(e *Env) {
			r := e.popped("body", tagged("t"), keyed("k1", "k2"), property("p", "v"))
			first := r.messages[0].GetSystemProperties()
			again := r.again(0, minInvisible+reviveDelay)
			require.Equal(e, "body", string(again.GetBody()))
			require.Equal(e, r.topic, again.GetTopic().GetName())
			require.Equal(e, "v", again.GetUserProperties()["p"])
			second := again.GetSystemProperties()
			require.Equal(e, first.GetMessageId(), second.GetMessageId())
			require.Equal(e, first.GetTag(), second.GetTag())
			require.Equal(e, first.GetKeys(), second.GetKeys())
			require.Equal(e, first.GetBornTimestamp().AsTime(), second.GetBornTimestamp().AsTime())
		}},
		{"AC9", "a change of the invisible duration after the acknowledgement", Either, func(e *Env) {
			r := e.popped("body")
			r.c.Acked(r.group, r.topic, r.messages...)
			code := r.c.Change(r.group, r.topic, r.messages[0], time.Second).GetStatus().GetCode()
			if messages, _ := r.c.Next(r.group, r.topic, time.Second+reviveDelay); len(messages) > 0 {
				require.Equal(e, v2.Code_OK, code)
				e.Saw("resurrected")
				return
			}
			e.Saw("stays acknowledged")
		}},
		{"AC10", "an acknowledgement needs no settings before it", Equal, func(e *Env) {
			r := e.popped("body")
			e.Client().Acked(r.group, r.topic, r.messages...)
			r.c.Silent(r.group, r.topic, r.at.Add(minInvisible+quiet))
		}},
		{"AC11", "an acknowledgement in the name of another group is OK and does nothing", Equal, func(e *Env) {
			r := e.popped("body")
			r.c.Acked(e.Group(), r.topic, r.messages...)
			r.again(minInvisible, minInvisible+reviveDelay)
		}},
	}
}

// popped is what a consumer has received from a topic of one queue, in one answer.
type popped struct {
	e            *Env
	c            *Client
	topic, group string
	messages     []*v2.Message
	at           time.Time // of the request that brought them
}

// popped stores a message and receives it.
func (e *Env) popped(body string, options ...messageOption) popped {
	p := popped{e: e, topic: e.Topic("NORMAL", 1), group: e.Group()}
	p.c = e.Consumer(p.group)
	p.c.Store(e.Message(p.topic, body, options...))
	p.receive(1)
	return p
}

// receive receives n messages, all in one answer.
func (p *popped) receive(n int, options ...receiveOption) {
	received := p.c.Receive(p.group, p.topic, options...)
	require.Len(p.e, received.Messages, n)
	p.messages, p.at = received.Messages, received.Start
}

// again waits for one message and requires that it comes no sooner after the receive than the one
// duration and no later than the other.
func (p *popped) again(soonest, latest time.Duration) *v2.Message {
	messages, at := p.c.Next(p.group, p.topic, time.Until(p.at.Add(latest)))
	require.Len(p.e, messages, 1, "messages received again")
	require.GreaterOrEqual(p.e, at.Sub(p.at), soonest-tick)
	require.LessOrEqual(p.e, at.Sub(p.at), latest)
	return messages[0]
}

// unreceived returns a message with a handle that the server has not made.
func unreceived(handle string) *v2.Message {
	return &v2.Message{SystemProperties: &v2.SystemProperties{MessageId: "none", ReceiptHandle: &handle}}
}
