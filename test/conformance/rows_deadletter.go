package conformance

import (
	"slices"
	"strings"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/test/rocketmq/target"
)

func deadLetterRows() []Row {
	return []Row{
		{"DL1", "a message of a group with one retry is delivered twice, then moved to the dead letters", Near, func(e *Env) {
			topic, group := e.Topic("NORMAL", 1), e.GroupOf(target.Group{RetryMaxTimes: 1})
			c := e.Consumer(group)
			c.Store(e.Message(topic, "body"))
			for attempt := range 2 {
				messages, _ := c.Next(group, topic, minInvisible+reviveDelay)
				require.Len(e, messages, 1)
				require.EqualValues(e, attempt+1, attemptOf(messages[0]))
			}
			e.moved(group, func() { require.Empty(e, c.Receive(group, topic).Messages) })
			c.Silent(group, topic, time.Now().Add(quiet))
			e.requireDead(group, "body")
		}},
		{"DL2", "a forwarded message is a dead letter with its body, id, tag and properties, and does not come again", Equal, func(e *Env) {
			r := e.popped("body", tagged("t"), property("p", "v"))
			require.Equal(e, v2.Code_OK, r.c.Forward(r.group, r.topic, r.messages[0]).GetCode())
			dead := e.deadLetter(r.group)
			require.Equal(e, "body", string(dead.GetBody()))
			require.Equal(e, idOf(r.messages[0]), idOf(dead))
			require.Equal(e, "t", dead.GetSystemProperties().GetTag())
			require.Equal(e, "v", dead.GetUserProperties()["p"])
			r.c.Silent(r.group, r.topic, r.at.Add(minInvisible+quiet))
		}},
		{"DL3", "the dead letters of a message forwarded twice", Either, func(e *Env) {
			r := e.popped("body")
			for range 2 {
				require.Equal(e, v2.Code_OK, r.c.Forward(r.group, r.topic, r.messages[0]).GetCode())
			}
			e.moved(r.group, func() { e.Sleep(100 * time.Millisecond) })
			reader := e.Group()
			c := e.Consumer(reader)
			dead, _ := c.Next(reader, deadLetterTopic(r.group), quiet, invisible(time.Minute))
			more, _ := c.Next(reader, deadLetterTopic(r.group), quiet, invisible(time.Minute))
			sawOne(e, len(dead)+len(more), map[int]string{1: "one", 2: "two"})
		}},
		{"DL4", "a forward with a handle that lacks its end is INVALID_RECEIPT_HANDLE", Equal, func(e *Env) {
			r := e.popped("body")
			code := r.c.Forward(r.group, r.topic, unreceived(shortened(handleOf(r.messages[0])))).GetCode()
			require.Equal(e, v2.Code_INVALID_RECEIPT_HANDLE, code)
		}},
		{"DL5", "the dead letter of a message whose duration was changed before", Either, func(e *Env) {
			e.Client().Store(e.Message(e.Topic("NORMAL", 1), "stored before it"))
			r := e.popped("body")
			r.c.Changed(r.group, r.topic, r.messages[0], minInvisible)
			require.Equal(e, v2.Code_OK, r.c.Forward(r.group, r.topic, r.messages[0]).GetCode())
			if idOf(e.deadLetter(r.group)) == idOf(r.messages[0]) {
				e.Saw("the message")
				return
			}
			e.Saw("another message")
		}},
		{"DL6", "the dead letters are a topic of type NORMAL", Equal, func(e *Env) {
			r := e.popped("body")
			require.Equal(e, v2.Code_OK, r.c.Forward(r.group, r.topic, r.messages[0]).GetCode())
			e.deadLetter(r.group)
			queues := e.route(deadLetterTopic(r.group))
			require.Equal(e, []v2.MessageType{v2.MessageType_NORMAL}, queues[0].GetAcceptMessageTypes())
		}},
		{"DL7", "a forward by a client that has sent no settings", Either, func(e *Env) {
			r := e.popped("body")
			e.Saw(e.Client().Forward(r.group, r.topic, r.messages[0]).GetCode().String())
		}},
	}
}

func deadLetterTopic(group string) string { return "%DLQ%" + group }

// moveWithin bounds how long it takes until a message is among the dead letters. When the server moves
// one by itself and has too much to do, it tries again at the end of a lease.
const moveWithin = 90 * time.Second

// moved calls wait until the group has a dead letter. Nobody receives them before, since a proxy
// remembers for a while that there is no such topic.
func (e *Env) moved(group string, wait func()) {
	for deadline := time.Now().Add(moveWithin); ; wait() {
		stored, err := e.server.Stored(e.ctx, deadLetterTopic(group))
		if err == nil && stored > 0 {
			return
		}
		require.True(e, time.Now().Before(deadline), "no dead letter: %v", err)
	}
}

// deadLetter returns the only dead letter of the group, received by another group.
func (e *Env) deadLetter(group string) *v2.Message {
	e.moved(group, func() { e.Sleep(100 * time.Millisecond) })
	reader := e.Group()
	m, _ := e.Consumer(reader).One(reader, deadLetterTopic(group))
	return m
}

// requireDead requires that the group has one dead letter, and reports if it has another of the same
// message.
func (e *Env) requireDead(group, body string) {
	reader := e.Group()
	c := e.Consumer(reader)
	dead, _ := c.Next(reader, deadLetterTopic(group), quiet, invisible(time.Minute))
	more, _ := c.Next(reader, deadLetterTopic(group), quiet, invisible(time.Minute))
	bodies := bodiesOf(append(dead, more...))
	if len(bodies) > 1 {
		e.Saw("dead twice")
	}
	require.Equal(e, []string{body}, slices.Compact(bodies))
}

// shortened cuts the last field off a handle, or its last character if it has no fields.
func shortened(handle string) string {
	if i := strings.LastIndexByte(handle, ' '); i >= 0 {
		return handle[:i]
	}
	return handle[:len(handle)-1]
}
