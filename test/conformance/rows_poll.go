package conformance

import (
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// pollDelay is how late a poll may end, or a message may come that ends it, on a machine that is busy.
const pollDelay = 5 * time.Second

func receivePollRows() []Row {
	return []Row{
		{"RE2", "a poll of 1 s waits 5 s for a message, and ends in MESSAGE_NOT_FOUND", Near, func(e *Env) {
			requireEmptyPoll(e, 4900*time.Millisecond, polling(time.Second))
		}},
		{"RE3", "a poll of 60 s waits 20 s", Near, func(e *Env) {
			requireEmptyPoll(e, 19900*time.Millisecond, polling(time.Minute))
		}},
		{"RE3b", "a poll of no length waits until half a request timeout before the deadline", Near, func(e *Env) {
			topic, group := e.Topic("NORMAL", 4), e.Group()
			c, s := e.Consumer(group), consumerSettings(v2.ClientType_SIMPLE_CONSUMER, group)
			s.RequestTimeout = durationOf(10 * time.Second) // so that there is time for the answer
			c.Settle(s)
			unsaid := func(r *receive) { r.LongPollingTimeout, r.timeout = nil, 16*time.Second }
			requireEmptyAfter(e, 10900*time.Millisecond, c.Receive(group, topic, unsaid))
		}},
		{"RE13", "a message wakes the receive that waits for it", Near, func(e *Env) {
			topic, group := e.Topic("NORMAL", 4), e.Group()
			c := e.Consumer(group)
			wait := c.Async(group, topic, polling(20*time.Second))
			e.Sleep(time.Second)
			c.Store(e.Message(topic, "body"))
			stored := time.Now()
			received := wait()
			require.Equal(e, []string{"body"}, bodiesOf(received.Messages))
			require.Less(e, received.At().Sub(stored), pollDelay)
		}},
		{"RE14", "one of two receives that wait gets the message", Equal, func(e *Env) {
			topic, group := e.Topic("NORMAL", 4), e.Group()
			c := e.Consumer(group)
			first, second := c.Async(group, topic, polling(8*time.Second)), c.Async(group, topic, polling(8*time.Second))
			e.Sleep(time.Second)
			c.Store(e.Message(topic, "body"))
			require.Len(e, append(first().Messages, second().Messages...), 1)
		}},
		{"RE15", "a message that does not match wakes nobody", Equal, func(e *Env) {
			topic, group := e.Topic("NORMAL", 4), e.Group()
			c := e.Consumer(group)
			wait := c.Async(group, topic, matching("A"))
			e.Sleep(time.Second)
			c.Store(e.Message(topic, "body", tagged("B")))
			received := wait()
			require.Empty(e, received.Messages)
			require.GreaterOrEqual(e, received.Took, 4900*time.Millisecond)
		}},
		{"RE19", "a message that arrives for a receive that was cancelled comes soon, as the first attempt", Near, cancelled},
	}
}

// requireEmptyPoll requires that a receive without a message takes as long as said, and a little.
func requireEmptyPoll(e *Env, want time.Duration, option receiveOption) {
	topic, group := e.Topic("NORMAL", 4), e.Group()
	requireEmptyAfter(e, want, e.Consumer(group).Receive(group, topic, option))
}

func requireEmptyAfter(e *Env, want time.Duration, received Received) {
	require.Equal(e, v2.Code_MESSAGE_NOT_FOUND, received.Status.GetCode())
	require.GreaterOrEqual(e, received.Took, want)
	require.Less(e, received.Took, want+pollDelay)
}

func cancelled(e *Env) {
	topic, group := e.Topic("NORMAL", 4), e.Group()
	c := e.Consumer(group)
	leave := func(r *receive) { r.leave = time.Second }
	_, err := c.receive(newReceive(group, topic, []receiveOption{polling(20 * time.Second), leave}))
	require.Equal(e, codes.Canceled, status.Code(err), "end of the receive: %v", err)
	e.Sleep(500 * time.Millisecond)
	sent := time.Now()
	c.Store(e.Message(topic, "body"))
	m, at := c.One(group, topic)
	require.EqualValues(e, 1, attemptOf(m))
	require.Less(e, at.Sub(sent), reviveDelay)
}

func receiveLimitRows() []Row {
	return []Row{
		{"RE4", "a deadline too near is ILLEGAL_POLLING_TIME, to clients before 5.0.3 BAD_REQUEST", Equal, func(e *Env) {
			topic, group := e.Topic("NORMAL", 4), e.Group()
			c := e.Consumer(group)
			require.Equal(e, v2.Code_ILLEGAL_POLLING_TIME, c.Receive(group, topic, within(3*time.Second)).Status.GetCode())
			c.version = "5.0.2"
			require.Equal(e, v2.Code_BAD_REQUEST, c.Receive(group, topic, within(3*time.Second)).Status.GetCode())
		}},
		{"RE5", "a receive without a deadline", Either, func(e *Env) {
			topic, group := e.Topic("NORMAL", 4), e.Group()
			c := e.Consumer(group)
			c.Store(e.Message(topic, "body"))
			switch received := c.Receive(group, topic, within(0)); received.Status.GetCode() {
			case v2.Code_INTERNAL_SERVER_ERROR:
				e.Saw("internal server error")
			case v2.Code_OK:
				require.Equal(e, []string{"body"}, bodiesOf(received.Messages))
				e.Saw("served")
			default:
				require.Failf(e, "other status", "%v", received.Status)
			}
		}},
		{"RE6", "a receive before settings", Either, func(e *Env) {
			code := e.Client().Receive(e.Group(), e.Topic("NORMAL", 4)).Status.GetCode()
			require.NotEqual(e, v2.Code_OK, code)
			require.NotEqual(e, v2.Code_MESSAGE_NOT_FOUND, code)
			e.Saw(code.String())
		}},
		{"RE7", "an invisible duration below 10 s or above 12 h is ILLEGAL_INVISIBLE_TIME", Equal, func(e *Env) {
			topic, group := e.Topic("NORMAL", 4), e.Group()
			c := e.Consumer(group)
			for _, d := range []time.Duration{9999 * time.Millisecond, 12*time.Hour + time.Millisecond} {
				require.Equal(e, v2.Code_ILLEGAL_INVISIBLE_TIME, c.Receive(group, topic, invisible(d)).Status.GetCode(), "%v", d)
			}
		}},
		{"RE8", "a receive with renewal needs no invisible duration, and the message stays away", Equal, func(e *Env) {
			topic, group := e.Topic("NORMAL", 4), e.Group()
			c := e.Consumer(group)
			c.Store(e.Message(topic, "body"))
			_, at := c.One(group, topic, renewed())
			c.Silent(group, topic, at.Add(16*time.Second))
		}},
		{"RE20", "a tag filter of bars alone is ILLEGAL_FILTER_EXPRESSION", Equal, func(e *Env) {
			topic, group := e.Topic("NORMAL", 4), e.Group()
			code := e.Consumer(group).Receive(group, topic, matching("||")).Status.GetCode()
			require.Equal(e, v2.Code_ILLEGAL_FILTER_EXPRESSION, code)
		}},
		{"RE23", "a receive for a group that does not exist, by a client of another", Either, func(e *Env) {
			topic := e.Topic("NORMAL", 4)
			c := e.Consumer(e.Group())
			c.Store(e.Message(topic, "body"))
			e.Saw(c.Receive(e.Name("unknown"), topic).Status.GetCode().String())
		}},
	}
}
