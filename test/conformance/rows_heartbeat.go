package conformance

import (
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"github.com/stretchr/testify/require"
)

func heartbeatRows() []Row {
	return []Row{
		{"HB1", "a heartbeat before settings is UNRECOGNIZED_CLIENT_TYPE", Equal, func(e *Env) {
			require.Equal(e, v2.Code_UNRECOGNIZED_CLIENT_TYPE, e.Client().Heartbeat(e.Group()).GetCode())
		}},
		{"HB2", "a consumer's heartbeat without a group is ILLEGAL_CONSUMER_GROUP", Equal, func(e *Env) {
			require.Equal(e, v2.Code_ILLEGAL_CONSUMER_GROUP, e.Consumer(e.Group()).Heartbeat("").GetCode())
		}},
		{"HB3", "a heartbeat after the termination is UNRECOGNIZED_CLIENT_TYPE", Equal, func(e *Env) {
			group := e.Group()
			c := settled(e, group)
			require.Equal(e, v2.Code_OK, c.Terminate(group).GetCode())
			require.Equal(e, v2.Code_UNRECOGNIZED_CLIENT_TYPE, c.Heartbeat(group).GetCode())
		}},
		{"TM1", "a second termination is UNRECOGNIZED_CLIENT_TYPE", Equal, func(e *Env) {
			group := e.Group()
			c := settled(e, group)
			require.Equal(e, v2.Code_OK, c.Terminate(group).GetCode())
			require.Equal(e, v2.Code_UNRECOGNIZED_CLIENT_TYPE, c.Terminate(group).GetCode())
		}},
		{"HB4", "a receive of a consumer that has sent no heartbeat for 135 s", Either, func(e *Env) {
			group, topic := e.Group(), e.Topic("NORMAL", 4)
			c := settled(e, group)
			require.Equal(e, v2.Code_OK, c.Heartbeat(group).GetCode())
			e.Sleep(135 * time.Second)
			code := c.Receive(group, topic).Status.GetCode()
			require.NotEqual(e, v2.Code_OK, code)
			require.NotEqual(e, v2.Code_MESSAGE_NOT_FOUND, code)
			e.Saw(code.String())
		}},
		{"TM2", "a message that the server renews for a client comes again soon after its termination, attempt 2", Near, func(e *Env) {
			r := e.stored("body")
			leaving := settled(e, r.group)
			require.Equal(e, v2.Code_OK, leaving.Heartbeat(r.group).GetCode())
			received := leaving.Receive(r.group, r.topic, renewed())
			require.Len(e, received.Messages, 1)
			r.at = time.Now()
			require.Equal(e, v2.Code_OK, leaving.Terminate(r.group).GetCode())
			require.EqualValues(e, 2, attemptOf(r.again(time.Second, 2*time.Second+reviveDelay)))
		}},
	}
}

// settled returns a consumer that sends no heartbeats of its own.
func settled(e *Env, group string) *Client {
	c := e.Client()
	c.Settle(consumerSettings(v2.ClientType_SIMPLE_CONSUMER, group))
	return c
}
