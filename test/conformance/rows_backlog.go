package conformance

import (
	"fmt"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"github.com/stretchr/testify/require"
)

const (
	// backlog is how many messages wait in the rows that have many.
	backlog = 2000
	// perRequest is how many messages those rows send in a request.
	perRequest = 50
	// drainWithin bounds how long it takes to receive them.
	drainWithin = 2 * time.Minute
)

// backlogRows are of topics in which much waits.
func backlogRows() []Row {
	return []Row{
		{"BL1", "a new group receives all that waits, each message once", Equal, func(e *Env) {
			topic, group := e.Topic("NORMAL", 4), e.Group()
			c := e.Consumer(group)
			c.storeMany(topic, backlog)
			e.Indexed(topic, backlog)
			requireEach(e, c.drain(group, topic, backlog), backlog)
			c.Silent(group, topic, time.Now().Add(quiet))
		}},
		{"BL2", "an ordered group receives what waits in a queue in the order of its sends", Equal, func(e *Env) {
			topic, group := e.Topic("FIFO", 4), e.OrderedGroup()
			c := e.Consumer(group)
			var want []string
			for i := range 300 {
				want = append(want, fmt.Sprint(i))
				c.Store(e.Message(topic, want[i], inGroup("g")))
			}
			e.Indexed(topic, int64(len(want)))
			require.Equal(e, want, bodiesOf(c.drain(group, topic, len(want))))
		}},
		{"BL3", "a message that matches a filter is found behind many that do not", Near, func(e *Env) {
			topic, group := e.Topic("NORMAL", 1), e.Group()
			c := e.Consumer(group)
			c.storeMany(topic, backlog, tagged("A"))
			c.Store(e.Message(topic, "wanted", tagged("B")))
			e.Indexed(topic, backlog+1)
			messages, _ := c.Next(group, topic, time.Minute, matching("B"))
			require.Equal(e, []string{"wanted"}, bodiesOf(messages))
		}},
		{"BL4", "many messages that are not acknowledged come again, each once, as attempt 2", Near, func(e *Env) {
			topic, group := e.Topic("NORMAL", 4), e.Group()
			c := e.Consumer(group)
			c.storeMany(topic, 500)
			e.Indexed(topic, 500)
			var out []*v2.Message
			for len(out) < 500 {
				out = append(out, c.Receive(group, topic, invisible(time.Minute)).Messages...)
			}
			requireEach(e, out, 500)
			again := c.drain(group, topic, 500)
			requireEach(e, again, 500)
			for _, m := range again {
				require.EqualValues(e, 2, attemptOf(m))
			}
		}},
		{"BL5", "many messages with one delivery time all come, none early", Near, func(e *Env) {
			topic, group := e.Topic("DELAY", 4), e.Group()
			c := e.Consumer(group)
			at := time.Now().Add(10 * time.Second)
			for i := range 300 {
				c.Store(e.Message(topic, fmt.Sprint(i), deliverAt(at)))
			}
			first, came := c.Next(group, topic, time.Minute)
			require.False(e, came.Before(at))
			c.Acked(group, topic, first...)
			requireEach(e, append(first, c.drain(group, topic, 300-len(first))...), 300)
		}},
	}
}

// storeMany stores n messages, their numbers as bodies, many in a request.
func (c *Client) storeMany(topic string, n int, options ...messageOption) {
	for first := 0; first < n; first += perRequest {
		var messages []*v2.Message
		for i := first; i < min(first+perRequest, n); i++ {
			messages = append(messages, c.e.Message(topic, fmt.Sprint(i), options...))
		}
		require.Equal(c.e, v2.Code_OK, c.Code(messages...))
	}
}

// drain receives and acknowledges until it has n messages, which it requires within a while.
func (c *Client) drain(group, topic string, n int) []*v2.Message {
	var all []*v2.Message
	for deadline := time.Now().Add(drainWithin); len(all) < n; {
		require.True(c.e, time.Now().Before(deadline), "received %d messages, want %d", len(all), n)
		received := c.Receive(group, topic, invisible(time.Minute))
		if len(received.Messages) > 0 {
			c.Acked(group, topic, received.Messages...)
		}
		all = append(all, received.Messages...)
		c.rest(received)
	}
	return all
}

// requireEach requires the messages that have the numbers from 0 to n as bodies, each once.
func requireEach(e *Env, messages []*v2.Message, n int) {
	require.Len(e, messages, n)
	seen := map[string]bool{}
	for _, m := range messages {
		seen[string(m.GetBody())] = true
	}
	require.Len(e, seen, n)
	for i := range n {
		require.True(e, seen[fmt.Sprint(i)], "message %d", i)
	}
}
