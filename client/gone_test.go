package client_test

import (
	"context"
	"testing"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"

	"github.com/rocketflow-io/rocketflow/client"
)

// While the broker of a topic is down, name servers forget its topics, and proxies find none.
func TestTemporary_ATopicThatWasThereMayBeBack(t *testing.T) {
	onNetwork(t, single, func(n *network) {
		missing := code(v2.Code_TOPIC_NOT_FOUND)
		s := n.at(single[0])
		p, c := n.producer(), n.consumer("orders")
		send := func() error {
			_, err := p.Send(n.Context(), message("orders", "x"))
			return err
		}
		receive := func() error {
			_, err := c.Receive(n.Context(), 1, time.Minute)
			return err
		}
		wellSend, wellReceive, wellRoute := s.send, s.receive, s.route
		remember := func() { s.send, s.receive, s.route = wellSend, wellReceive, wellRoute }
		forget := func() {
			s.send = func(context.Context, *v2.SendMessageRequest) (*v2.SendMessageResponse, error) {
				return &v2.SendMessageResponse{Status: missing}, nil
			}
			s.receive = func(_ *v2.ReceiveMessageRequest, stream grpc.ServerStreamingServer[v2.ReceiveMessageResponse]) error {
				return stream.Send(&v2.ReceiveMessageResponse{Content: &v2.ReceiveMessageResponse_Status{Status: missing}})
			}
			s.route = func(context.Context, *v2.QueryRouteRequest) (*v2.QueryRouteResponse, error) {
				return &v2.QueryRouteResponse{Status: missing}, nil
			}
		}
		requireGone := func(err error, temporary bool) {
			n.Helper()
			require.ErrorIs(n, err, client.ErrTopicNotFound)
			require.Equal(n, temporary, client.Temporary(err), err)
		}

		s.script(forget)
		requireGone(send(), false)
		requireGone(receive(), false)

		s.script(remember)
		require.NoError(n, send())
		require.NoError(n, receive())
		s.script(forget)
		requireGone(receive(), true)
		requireGone(send(), true) // by the answer to it
		requireGone(send(), true) // by the route, which is asked for again

		s.script(remember)
		require.NoError(n, send())
		require.NoError(n, receive())
	})
}
