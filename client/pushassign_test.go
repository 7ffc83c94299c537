package client_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/client"
)

// polledOnce says whether the server has a poll of the last 30 seconds.
func (c *counter) polledLately() bool {
	_, when := c.polled()
	return len(when) > 0 && time.Since(when[len(when)-1]) < 30*time.Second
}

func TestPushConsumer_FollowsItsAssignments(t *testing.T) {
	onNetwork(t, pair, func(n *network) {
		one, other := n.counterAt(pair[0], false), n.counterAt(pair[1], false)
		var assigned atomic.Pointer[[]string]
		assign := func(addresses ...string) { assigned.Store(&addresses) }
		one.script(func() {
			one.assign = func(_ context.Context, q *v2.QueryAssignmentRequest) (*v2.QueryAssignmentResponse, error) {
				if assigned.Load() == nil {
					return &v2.QueryAssignmentResponse{Status: code(v2.Code_INTERNAL_SERVER_ERROR)}, nil
				}
				return assignmentsOver(q.GetTopic().GetName(), *assigned.Load()...), nil
			}
		})
		assign(pair[0])
		var seen journal
		n.push(seen.seeID)
		time.Sleep(time.Minute)
		require.True(n, one.polledLately())
		require.False(n, other.polledLately())

		assign(pair...)
		time.Sleep(6 * time.Second)
		require.True(n, other.polledLately(), "a new one starts")

		assigned.Store(nil)
		time.Sleep(time.Minute)
		require.True(n, one.polledLately() && other.polledLately(), "a query that fails changes nothing")

		assign(pair[1])
		time.Sleep(time.Minute)
		require.False(n, one.polledLately(), "one that has vanished ends")
		require.True(n, other.polledLately())
		other.give(nil, ids("a")...)
		synctest.Wait()
		require.Equal(n, []string{"a"}, seen.all())

		assign()
		time.Sleep(time.Minute)
		require.False(n, other.polledLately(), "none is an answer, too")
	})
}

func TestPushConsumer_AsksABrokerIfTheAccessPointIsNone(t *testing.T) {
	onNetwork(t, pair, func(n *network) {
		other := n.counterAt(pair[1], false)
		for _, address := range pair {
			n.at(address).route = func(_ context.Context, q *v2.QueryRouteRequest) (*v2.QueryRouteResponse, error) {
				return routeOver(q.GetTopic().GetName(), pair[1]), nil
			}
		}
		n.at(pair[0]).assign = func(context.Context, *v2.QueryAssignmentRequest) (*v2.QueryAssignmentResponse, error) {
			return nil, errors.New("this is no broker")
		}
		other.script(func() {
			other.assign = func(_ context.Context, q *v2.QueryAssignmentRequest) (*v2.QueryAssignmentResponse, error) {
				require.EqualValues(n, 8081, q.GetEndpoints().GetAddresses()[0].GetPort())
				return assignmentsOver(q.GetTopic().GetName(), pair[1]), nil
			}
		})
		n.push(new(journal).seeID)
		synctest.Wait()
		require.True(n, other.polledLately())
	})
}

func TestPushConsumer_GivesUpAfterThreeAttemptsToStart(t *testing.T) {
	onNetwork(t, single, func(n *network) {
		var asked atomic.Int32
		n.at(single[0]).route = func(context.Context, *v2.QueryRouteRequest) (*v2.QueryRouteResponse, error) {
			asked.Add(1)
			return &v2.QueryRouteResponse{Status: code(v2.Code_INTERNAL_SERVER_ERROR)}, nil
		}
		pc, err := n.client.NewPushConsumer("G", everything("orders"), new(journal).seeID)
		require.NoError(n, err)
		require.ErrorIs(n, pc.Run(n.Context()), client.ErrInternal)
		require.EqualValues(n, 3, asked.Load())
	})
}

func TestPushConsumer_RunEndsWithItsContextBeforeItHasBegun(t *testing.T) {
	onNetwork(t, single, func(n *network) {
		n.at(single[0]).route = func(ctx context.Context, _ *v2.QueryRouteRequest) (*v2.QueryRouteResponse, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}
		pc, err := n.client.NewPushConsumer("G", everything("orders"), new(journal).seeID)
		require.NoError(n, err)
		ctx, cancel := context.WithTimeout(n.Context(), time.Second)
		defer cancel()
		begun := time.Now()
		require.NoError(n, pc.Run(ctx))
		require.Equal(n, time.Second, time.Since(begun))
	})
}

func TestPushConsumer_TellsServersAtOnceOfItsSubscriptions(t *testing.T) {
	onNetwork(t, single, func(n *network) {
		c := n.counterAt(single[0], false)
		var announced journal
		c.script(func() {
			c.telemetry = answerSettings(func(s *v2.Settings) *v2.Settings {
				line := s.GetClientType().String()
				for _, e := range s.GetSubscription().GetSubscriptions() {
					line += " " + e.GetTopic().GetName() + ":" + e.GetExpression().GetExpression()
				}
				announced.add("%s", line)
				return groupSettings(s, false)
			})
		})
		last := func() string {
			synctest.Wait()
			all := announced.all()
			return all[len(all)-1]
		}
		pc := n.push(new(journal).seeID)
		require.Equal(n, "PUSH_CONSUMER orders:*", last())
		require.NoError(n, pc.Subscribe("bills", client.Tag("a")))
		require.Equal(n, "PUSH_CONSUMER bills:a orders:*", last())
		require.NoError(n, pc.Subscribe("bills", client.SQL("x > 1")))
		require.Equal(n, "PUSH_CONSUMER bills:x > 1 orders:*", last())
		pc.Unsubscribe("bills")
		require.Equal(n, "PUSH_CONSUMER orders:*", last())
		pc.Unsubscribe("bills")
	})
}

func TestPushConsumer_ClosesInUnderASecondWhilePollsAreHeld(t *testing.T) {
	onNetwork(t, pair, func(n *network) {
		for _, address := range pair {
			n.counterAt(address, false)
		}
		pc := n.push(new(journal).seeID)
		time.Sleep(time.Hour) // and 180 empty polls at each
		begun := time.Now()
		require.NoError(n, pc.Close())
		require.Less(n, time.Since(begun), time.Second)
	})
}

func TestPushConsumer_ShowsItsHandlerWhatAServerHasPicked(t *testing.T) {
	onNetwork(t, single, func(n *network) {
		server := newCommander(verifyCommand("good"), verifyCommand("bad"), verifyCommand("worse"))
		n.counterAt(single[0], false).script(func() { n.at(single[0]).telemetry = server.serve })
		n.push(func(_ context.Context, m *client.Message) error {
			switch m.ID {
			case "bad":
				return errHandler
			case "worse":
				panic("oh")
			}
			return nil
		})
		synctest.Wait()
		got := make(map[string]v2.Code)
		for len(server.replies) > 0 {
			r := <-server.replies
			got[r.GetVerifyMessageResult().GetNonce()] = r.GetStatus().GetCode()
		}
		require.Equal(n, map[string]v2.Code{
			"good": v2.Code_OK, "bad": v2.Code_FAILED_TO_CONSUME_MESSAGE, "worse": v2.Code_FAILED_TO_CONSUME_MESSAGE,
		}, got)
	})
}

func TestLitePushConsumer_ShowsItsHandlerNothingBeforeItRuns(t *testing.T) {
	onNetwork(t, single, func(n *network) {
		server := newCommander(verifyCommand("early"))
		n.at(single[0]).script(func() { n.at(single[0]).telemetry = server.serve })
		lp, err := n.client.NewLitePushConsumer("L", "orders", func(context.Context, *client.Message) error {
			n.Error("the handler was called")
			return nil
		})
		require.NoError(n, err)
		require.NoError(n, lp.SubscribeLite(n.Context(), "a"))
		synctest.Wait()
		reply := <-server.replies
		require.Equal(n, v2.Code_FAILED_TO_CONSUME_MESSAGE, reply.GetStatus().GetCode())
		require.Contains(n, reply.GetStatus().GetMessage(), "does not run")
	})
}
