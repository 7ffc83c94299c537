package client_test

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/client"
)

// hidden are addresses that cannot be reached from here.
var hidden = []string{"172.17.0.2:8081", "172.17.0.3:8081"}

func outside(address string) string {
	return strings.NewReplacer("172.17.0.2", "10.0.0.1", "172.17.0.3", "10.0.0.2").Replace(address)
}

func TestWithAddressRewrite_ReachesBrokersElsewhere(t *testing.T) {
	onNetwork(t, pair, func(n *network) {
		n.at(pair[0]).route = func(_ context.Context, q *v2.QueryRouteRequest) (*v2.QueryRouteResponse, error) {
			return routeOver(q.GetTopic().GetName(), hidden...), nil
		}
		var asked atomic.Pointer[v2.MessageQueue]
		for _, address := range pair {
			n.at(address).receive = func(q *v2.ReceiveMessageRequest, s receiveServer) error {
				asked.Store(q.GetMessageQueue())
				return frames(nil, messageFrame("a"))(q, s)
			}
		}
		p := n.producer()
		seen := make(map[string]bool)
		for range 2 {
			receipt, err := p.Send(n.Context(), message("orders", "x"))
			require.NoError(n, err)
			seen[receipt.Endpoint] = true
		}
		require.Equal(n, map[string]bool{pair[0]: true, pair[1]: true}, seen)
		_, err := n.consumer("orders").Receive(n.Context(), 1, time.Minute)
		require.NoError(n, err)
		require.Contains(n, asked.Load().GetBroker().GetEndpoints().GetAddresses()[0].GetHost(), "172.17.0.", "the server knows its own")
	}, client.WithAddressRewrite(outside))
}

func TestWithAddressRewrite_LeavesOutWhatItMakesNonsenseOf(t *testing.T) {
	var log bytes.Buffer
	onNetwork(t, pair, func(n *network) {
		p := n.producer()
		for range 3 {
			receipt, err := p.Send(n.Context(), message("orders", "x"))
			require.NoError(n, err)
			require.Equal(n, pair[0], receipt.Endpoint)
		}
		require.NoError(n, n.client.Close())
		require.Contains(n, log.String(), "made of 10.0.0.2:8081")
	}, client.WithLogger(slog.New(slog.NewTextHandler(&log, nil))), client.WithAddressRewrite(func(address string) string {
		if address == pair[1] {
			return "no address at all"
		}
		return address
	}))
}

func TestWithAddressRewrite_MakesOneOfSeveral(t *testing.T) {
	onNetwork(t, single, func(n *network) {
		n.at(single[0]).route = func(_ context.Context, q *v2.QueryRouteRequest) (*v2.QueryRouteResponse, error) {
			a := routeOver(q.GetTopic().GetName(), hidden[0])
			e := a.GetMessageQueues()[0].GetBroker().GetEndpoints()
			e.Addresses = append(e.Addresses, &v2.Address{Host: "172.17.0.9", Port: 1})
			return a, nil
		}
		n.start("proxy.example:8081", newScripted(single))
		defer n.stop("proxy.example:8081")
		receipt, err := n.producer().Send(n.Context(), message("orders", "x"))
		require.NoError(n, err)
		require.Equal(n, "proxy.example:8081", receipt.Endpoint)
	}, client.WithAddressRewrite(func(string) string { return "proxy.example:8081" }))
}
