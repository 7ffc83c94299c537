package client_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/client"
)

func TestUnsubscribe_EndsTheSessionThatNoTopicNeeds(t *testing.T) {
	onNetwork(t, pair, func(n *network) {
		n.at(pair[0]).route = func(_ context.Context, q *v2.QueryRouteRequest) (*v2.QueryRouteResponse, error) {
			if q.GetTopic().GetName() == "bills" {
				return routeOver("bills", pair[1]), nil
			}
			return routeOver("orders", pair[0]), nil
		}
		var streams atomic.Int32
		n.at(pair[1]).telemetry = func(s telemetryServer) error {
			streams.Add(1)
			defer streams.Add(-1)
			return answerSettings(func(s *v2.Settings) *v2.Settings { return s })(s)
		}
		c := n.consumer("bills", "orders")
		for _, address := range pair {
			n.at(address).receive = func(_ *v2.ReceiveMessageRequest, stream receiveServer) error {
				return stream.Send(statusFrame(code(v2.Code_MESSAGE_NOT_FOUND)))
			}
		}
		for range pair {
			_, err := c.Receive(n.Context(), 1, time.Minute)
			require.NoError(n, err)
		}
		require.EqualValues(n, 1, streams.Load())
		c.Unsubscribe("bills")
		synctest.Wait()
		require.Zero(n, streams.Load())
	})
}

func TestReceive_WaitsForNoSessionThatHasLeftTheRoute(t *testing.T) {
	onNetwork(t, pair, func(n *network) {
		n.at(pair[1]).telemetry = func(s telemetryServer) error {
			<-s.Context().Done()
			return nil
		}
		var at atomic.Pointer[string]
		at.Store(&pair[1])
		n.at(pair[0]).route = func(_ context.Context, q *v2.QueryRouteRequest) (*v2.QueryRouteResponse, error) {
			return routeOver(q.GetTopic().GetName(), *at.Load()), nil
		}
		time.Sleep(29 * time.Second)
		received := make(chan error, 1)
		go func() {
			_, err := n.consumer("orders").Receive(n.Context(), 1, time.Minute)
			received <- err
		}()
		synctest.Wait()
		at.Store(&pair[0])
		time.Sleep(time.Second) // routes are refreshed
		synctest.Wait()
		require.ErrorContains(n, <-received, "has left the routes")
	})
}

func TestUnsubscribe_EndsTheRefreshOfTheRoute(t *testing.T) {
	onNetwork(t, single, func(n *network) {
		var asked atomic.Int32
		n.at(single[0]).route = func(_ context.Context, q *v2.QueryRouteRequest) (*v2.QueryRouteResponse, error) {
			asked.Add(1)
			return routeOver(q.GetTopic().GetName(), single...), nil
		}
		n.at(single[0]).receive = noMessage
		c := n.consumer("orders")
		_, err := c.Receive(n.Context(), 1, time.Minute)
		require.NoError(n, err)
		time.Sleep(61 * time.Second)
		require.EqualValues(n, 3, asked.Load())
		c.Unsubscribe("orders")
		time.Sleep(61 * time.Second)
		require.EqualValues(n, 3, asked.Load())
		require.NoError(n, c.Subscribe("orders", client.All()))
		_, err = c.Receive(n.Context(), 1, time.Minute)
		require.NoError(n, err)
		require.EqualValues(n, 4, asked.Load(), "what was known is too old")
		time.Sleep(61 * time.Second)
		require.EqualValues(n, 6, asked.Load())
	})
}
