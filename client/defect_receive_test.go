package client_test

import (
	"context"
	"testing"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/client"
)

func TestDefectB4_ARefusedSettlementIsATypedError(t *testing.T) {
	onNetwork(t, single, func(n *network) {
		s, c := n.at(single[0]), n.consumer("orders")
		refused := func(err error) {
			n.Helper()
			var status *client.StatusError
			require.ErrorAs(n, err, &status)
			require.Equal(n, int32(v2.Code_INVALID_RECEIPT_HANDLE), status.Code)
			require.Equal(n, single[0], status.Endpoint)
			require.Len(n, status.RequestID, 36)
			require.ErrorIs(n, err, client.ErrReceiptExpired)
		}
		s.ack = func(context.Context, *v2.AckMessageRequest) (*v2.AckMessageResponse, error) {
			return &v2.AckMessageResponse{Status: code(v2.Code_INVALID_RECEIPT_HANDLE)}, nil
		}
		s.change = func(context.Context, *v2.ChangeInvisibleDurationRequest) (*v2.ChangeInvisibleDurationResponse, error) {
			return &v2.ChangeInvisibleDurationResponse{Status: code(v2.Code_INVALID_RECEIPT_HANDLE)}, nil
		}
		s.forward = func(context.Context, *v2.ForwardMessageToDeadLetterQueueRequest) (*v2.ForwardMessageToDeadLetterQueueResponse, error) {
			return &v2.ForwardMessageToDeadLetterQueueResponse{Status: code(v2.Code_INVALID_RECEIPT_HANDLE)}, nil
		}
		d := n.lease(c, "a")[0]
		refused(d.Ack(n.Context()))
		refused(c.Ack(n.Context(), d))
		refused(d.Nack(n.Context(), time.Second))
		refused(d.Extend(n.Context(), time.Minute))
		refused(c.ForwardToDeadLetterQueue(n.Context(), d))
	})
}

func TestDefectB4_NoMessageIsNoErrorAndSeveralResultsAreMessages(t *testing.T) {
	onNetwork(t, single, func(n *network) {
		s, c := n.at(single[0]), n.consumer("orders")
		s.receive = frames(nil, statusFrame(code(v2.Code_MESSAGE_NOT_FOUND)))
		got, err := c.Receive(n.Context(), 1, time.Minute)
		require.NoError(n, err)
		require.Empty(n, got)
		s.script(func() {
			s.receive = frames(nil, messageFrame("a"), statusFrame(code(v2.Code_MULTIPLE_RESULTS)), messageFrame("b"))
		})
		got, err = c.Receive(n.Context(), 2, time.Minute)
		require.NoError(n, err)
		require.Equal(n, []string{"body of a", "body of b"}, bodies(got))
	})
}

func TestDefectC10_TopicsAreReceivedFromInTurn(t *testing.T) {
	onNetwork(t, single, func(n *network) {
		var polled []string
		n.at(single[0]).receive = func(q *v2.ReceiveMessageRequest, s receiveServer) error {
			polled = append(polled, q.GetMessageQueue().GetTopic().GetName())
			return s.Send(statusFrame(code(v2.Code_MESSAGE_NOT_FOUND)))
		}
		c := n.consumer("c", "a", "b")
		for range 6 {
			_, err := c.Receive(n.Context(), 1, time.Minute)
			require.NoError(n, err)
		}
		require.Equal(n, []string{"a", "b", "c", "a", "b", "c"}, polled)
	})
}
