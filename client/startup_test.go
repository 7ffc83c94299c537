package client_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/rocketflow-io/rocketflow/client"
)

func TestRoutes_AreAskedForThreeTimesAtMost(t *testing.T) {
	unavailable := func() (*v2.QueryRouteResponse, error) { return nil, status.Error(codes.Unavailable, "starting") }
	busy := func() (*v2.QueryRouteResponse, error) {
		return &v2.QueryRouteResponse{Status: code(v2.Code_TOO_MANY_REQUESTS)}, nil
	}
	missing := func() (*v2.QueryRouteResponse, error) {
		return &v2.QueryRouteResponse{Status: code(v2.Code_TOPIC_NOT_FOUND)}, nil
	}
	for name, c := range map[string]struct {
		answer   func() (*v2.QueryRouteResponse, error)
		failures int32
		attempts int32
		kind     error
	}{
		"starting":       {unavailable, 2, 3, nil},
		"busy":           {busy, 2, 3, nil},
		"not up in time": {unavailable, 9, 3, client.ErrUnavailable},
		"no such topic":  {missing, 9, 1, client.ErrTopicNotFound},
	} {
		t.Run(name, func(t *testing.T) {
			onNetwork(t, single, func(n *network) {
				var asked atomic.Int32
				n.at(single[0]).route = func(_ context.Context, q *v2.QueryRouteRequest) (*v2.QueryRouteResponse, error) {
					if asked.Add(1) <= c.failures {
						return c.answer()
					}
					return routeOver(q.GetTopic().GetName(), single...), nil
				}
				start := time.Now()
				_, err := n.producer().Send(n.Context(), message("orders", "x"))
				require.ErrorIs(n, err, c.kind)
				require.Equal(n, c.attempts, asked.Load())
				require.Less(n, time.Since(start), time.Second)
			})
		})
	}
}

func TestRoutes_OpenSessionsAtOnceWhenTheyChange(t *testing.T) {
	onNetwork(t, pair, func(n *network) {
		addresses := atomic.Pointer[[]string]{}
		addresses.Store(&single)
		var seen announced
		n.at(pair[1]).telemetry = seen.serve
		s := n.at(pair[0])
		s.route = func(_ context.Context, q *v2.QueryRouteRequest) (*v2.QueryRouteResponse, error) {
			return routeOver(q.GetTopic().GetName(), *addresses.Load()...), nil
		}
		p := n.producer()
		_, err := p.Send(n.Context(), message("orders", "x"))
		require.NoError(n, err)
		addresses.Store(&pair)
		s.script(func() {
			s.send = func(context.Context, *v2.SendMessageRequest) (*v2.SendMessageResponse, error) {
				return &v2.SendMessageResponse{Status: code(v2.Code_TOPIC_NOT_FOUND)}, nil
			}
		})
		start := time.Now()
		_, err = p.Send(n.Context(), message("orders", "x")) // after this the route is in doubt
		require.ErrorIs(n, err, client.ErrTopicNotFound)
		for seen.count() == 0 {
			_, _ = p.Send(n.Context(), message("orders", "x"))
			require.Less(n, time.Since(start), time.Second)
			time.Sleep(time.Millisecond)
		}
		require.Equal(n, []string{"orders"}, seen.topics())
	})
}
