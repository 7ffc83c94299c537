package conformance

import (
	"errors"
	"fmt"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/rocketflow-io/rocketflow/test/rocketmq/target"
)

// aloneRows change the server as a whole, and so each of them runs alone.
func aloneRows() []Row {
	return []Row{
		{"DE3", "a recall is refused where it is not enabled", Equal, func(e *Env) {
			e.Alone()
			topic, c := e.withoutRecall()
			answer := c.Recall(topic, c.Later(topic, "body", time.Minute))
			require.Equal(e, v2.Code_INTERNAL_SERVER_ERROR, answer.GetStatus().GetCode())
			require.Contains(e, answer.GetStatus().GetMessage(), "operation is forbidden")
		}},
		{"RS1", "what was sent before a restart is received after it", Equal, func(e *Env) {
			e.Alone()
			topic, group := e.Topic("NORMAL", 4), e.Group()
			e.Client().StoreBodies(topic, []string{"1", "2", "3"})
			e.Restart()
			require.Equal(e, []string{"1", "2", "3"}, sorted(bodiesOf(e.Consumer(group).Take(group, topic, 3))))
		}},
		{"RS2", "what comes of two messages that were received before a restart, the first of them acknowledged", Either, func(e *Env) {
			e.Alone()
			r := e.heldOver(heldFor, "1", "2")
			r.c.Acked(r.group, r.topic, r.messages[0])
			e.Restart()
			again, _ := e.Consumer(r.group).Next(r.group, r.topic, heldFor+reviveDelay)
			sawOne(e, fmt.Sprint(bodiesOf(again), attemptsOf(again)), map[string]string{
				"[2] [2]": "the second, attempt 2", "[1 2] [1 1]": "both anew",
			})
		}},
		{"RS3", "a message that is acknowledged after a restart, with a handle from before it", Either, func(e *Env) {
			e.Alone()
			for lease := heldFor; ; lease *= 2 {
				r := e.heldOver(lease, "1")
				e.Restart()
				code := e.Client().Ack(r.group, r.topic, r.messages...).GetStatus().GetCode()
				if code == v2.Code_INVALID_RECEIPT_HANDLE && time.Since(r.at) >= lease {
					continue // the restart took longer
				}
				require.Equal(e, v2.Code_OK, code)
				again, _ := e.Consumer(r.group).Next(r.group, r.topic, time.Until(r.at.Add(lease+reviveDelay)))
				sawOne(e, len(again), map[int]string{0: "acknowledged", 1: "comes again"})
				return
			}
		}},
		{"RS4", "a message whose delivery time passes in a restart comes after it", Equal, func(e *Env) {
			e.Alone()
			topic, group := e.Topic("DELAY", 4), e.Group()
			e.Client().Later(topic, "body", 5*time.Second)
			e.Restart()
			came, _ := e.Consumer(group).Next(group, topic, reviveDelay)
			require.Equal(e, []string{"body"}, bodiesOf(came))
		}},
		{"RS5", "after a restart the server knows no client", Equal, func(e *Env) {
			e.Alone()
			group := e.Group()
			c := settled(e, group)
			require.Equal(e, v2.Code_OK, c.Heartbeat(group).GetCode())
			e.Restart()
			require.Equal(e, v2.Code_UNRECOGNIZED_CLIENT_TYPE, c.Heartbeat(group).GetCode())
		}},
		{"RS6", "the end of a transaction from before a restart", Either, func(e *Env) {
			e.Alone()
			c := e.Client()
			m := c.Begin(e.Topic("TRANSACTION", 4), "body")
			e.Restart()
			e.Saw(c.End(m, commit, byClient).String())
		}},
		{"RS7", "what an ordered queue gives after a restart, a message of it being out", Either, func(e *Env) {
			e.Alone()
			group := e.OrderedGroup()
			r := popped{e: e, topic: e.Topic("FIFO", 1), group: group, c: settled(e, group)}
			for i := range 2 {
				r.c.Store(e.Message(r.topic, fmt.Sprint(i), inGroup(messageGroup)))
			}
			e.Indexed(r.topic, 2)
			r.receive(1, atMost(1), invisible(10*heldFor))
			e.Restart()
			next := e.Consumer(group).Receive(group, r.topic)
			sawOne(e, fmt.Sprint(bodiesOf(next.Messages)), map[string]string{"[]": "nothing", "[0 1]": "all anew", "[1]": "what follows"})
		}},
	}
}

// heldFor is how long a message received before a restart is invisible: longer than that takes, if the
// machine has not too much to do.
const heldFor = time.Minute

// heldOver stores messages, and receives them by a client that does not outlive a restart.
func (e *Env) heldOver(lease time.Duration, bodies ...string) popped {
	group := e.Group()
	r := popped{e: e, topic: e.Topic("NORMAL", 1), group: group, c: settled(e, group)}
	r.c.StoreBodies(r.topic, bodies)
	e.Indexed(r.topic, int64(len(bodies)))
	r.receive(len(bodies), invisible(lease))
	return r
}

// withoutRecall gives a topic and a client of a server that recalls nothing until the row ends.
func (e *Env) withoutRecall() (topic string, c *Client) {
	server, restore, err := e.server.WithoutRecall(e.ctx)
	require.NoError(e, err)
	e.Cleanup(func() { require.NoError(e, restore()) })
	e.server = server
	conn, err := server.Dial(insecure.NewCredentials())
	require.NoError(e, err)
	e.Cleanup(func() { require.NoError(e, conn.Close()) })
	c = e.Client()
	c.rpc = v2.NewMessagingServiceClient(patient{conn})
	return e.Topic("DELAY", 4), c
}

// Restart restarts the server, and returns when it answers. It ends the row if it cannot be restarted.
func (e *Env) Restart() {
	err := e.server.Restart(e.ctx)
	if errors.Is(err, target.ErrNoRestart) {
		e.Skip("the server cannot be restarted")
	}
	require.NoError(e, err)
	c := e.Client()
	for {
		ctx, cancel := c.short()
		_, err := c.rpc.QueryRoute(ctx, &v2.QueryRouteRequest{Topic: resource("any"), Endpoints: e.endpoints()})
		cancel()
		if err == nil {
			return
		}
		e.Sleep(100 * time.Millisecond)
	}
}
