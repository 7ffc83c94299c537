package client_test

import (
	"context"
	"testing"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/client"
)

func TestRecall_AsksTheAccessPointAlsoAboutATopicNotUsedYet(t *testing.T) {
	onNetwork(t, pair, func(n *network) {
		var asked *v2.RecallMessageRequest
		n.at(pair[0]).recall = func(_ context.Context, q *v2.RecallMessageRequest) (*v2.RecallMessageResponse, error) {
			asked = q
			return &v2.RecallMessageResponse{Status: ok(), MessageId: "id"}, nil
		}
		n.at(pair[0]).route = nil // is not called
		id, err := n.producer().Recall(n.Context(), "reminders", "handle")
		require.NoError(n, err)
		require.Equal(n, "id", id)
		require.Equal(n, "reminders", asked.GetTopic().GetName())
		require.Equal(n, "handle", asked.GetRecallHandle())
	})
}

func TestRecall_SaysWhyTheServerDoesNot(t *testing.T) {
	const prefix = "org.apache.rocketmq.proxy.common.ProxyException: "
	for words, c := range map[string]struct {
		kind error
		says string
	}{
		prefix + "recall failed, operation is forbidden":           {client.ErrNotRecalled, "set recallMessageEnable in the broker"},
		prefix + "recall failed, timestamp invalid":                {client.ErrNotRecalled, "it is due, or has been delivered"},
		prefix + "recall failed, topic not match":                  {client.ErrNotRecalled, "name the topic"},
		prefix + "recall failed, broker service not available":     {client.ErrNotRecalled, "not available"},
		prefix + "recall handle is invalid":                        {client.ErrNotRecalled, "as it is"},
		"Cannot invoke \"x\" because \"y\" is null.":               {client.ErrInternal, "because"},
		"org.apache.rocketmq.remoting.exception.RemotingException": {client.ErrInternal, "Remoting"},
	} {
		onNetwork(t, single, func(n *network) {
			n.at(single[0]).recall = func(context.Context, *v2.RecallMessageRequest) (*v2.RecallMessageResponse, error) {
				return &v2.RecallMessageResponse{Status: &v2.Status{Code: v2.Code_INTERNAL_SERVER_ERROR, Message: words}}, nil
			}
			_, err := n.producer().Recall(n.Context(), "reminders", "handle")
			require.ErrorIs(n, err, c.kind)
			require.ErrorContains(n, err, c.says)
			require.ErrorContains(n, err, `recall a message of "reminders"`)
			var refused *client.StatusError
			require.ErrorAs(n, err, &refused)
			require.EqualValues(n, v2.Code_INTERNAL_SERVER_ERROR, refused.Code)
		})
	}
}

func TestRecall_TriesAgainWhatMayPass(t *testing.T) {
	onNetwork(t, single, func(n *network) {
		answers := []v2.Code{v2.Code_TOO_MANY_REQUESTS, v2.Code_PROXY_TIMEOUT, v2.Code_OK, v2.Code_FORBIDDEN}
		n.at(single[0]).recall = func(context.Context, *v2.RecallMessageRequest) (*v2.RecallMessageResponse, error) {
			a := &v2.RecallMessageResponse{Status: code(answers[0]), MessageId: "id"}
			answers = answers[1:]
			return a, nil
		}
		p := n.producer()
		id, err := p.Recall(n.Context(), "reminders", "handle")
		require.NoError(n, err)
		require.Equal(n, "id", id)
		id, err = p.Recall(n.Context(), "reminders", "handle")
		require.ErrorIs(n, err, client.ErrForbidden)
		require.Empty(n, id)
		require.Empty(n, answers)
	})
}

func TestRecall_BelievesACodeMoreThanItsWords(t *testing.T) {
	onNetwork(t, single, func(n *network) {
		n.at(single[0]).recall = func(context.Context, *v2.RecallMessageRequest) (*v2.RecallMessageResponse, error) {
			return &v2.RecallMessageResponse{Status: &v2.Status{Code: v2.Code_TOO_MANY_REQUESTS, Message: "recall failed: busy"}}, nil
		}
		_, err := n.producer().Recall(n.Context(), "reminders", "handle")
		require.ErrorIs(n, err, client.ErrThrottled)
	})
}

func TestRecall_RefusesWhatNoServerWouldKnow(t *testing.T) {
	onNetwork(t, single, func(n *network) {
		p := n.producer()
		_, err := p.Recall(n.Context(), "reminders", "")
		require.ErrorIs(n, err, client.ErrNotRecalled)
		require.ErrorContains(n, err, "recall handle: is empty")
		_, err = p.Recall(n.Context(), "a b", "handle")
		require.ErrorIs(n, err, client.ErrIllegalTopic)
		require.NoError(n, p.Close())
		_, err = p.Recall(n.Context(), "reminders", "handle")
		require.ErrorIs(n, err, client.ErrClosed)
	})
}

func TestRecall_EndsWithItsContextAndWithItsProducer(t *testing.T) {
	onNetwork(t, single, func(n *network) {
		n.at(single[0]).recall = func(ctx context.Context, _ *v2.RecallMessageRequest) (*v2.RecallMessageResponse, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}
		p := n.producer()
		ctx, cancel := context.WithTimeout(n.Context(), time.Second)
		defer cancel()
		_, err := p.Recall(ctx, "reminders", "handle")
		require.ErrorIs(n, err, context.DeadlineExceeded)
		ended := make(chan error)
		go func() {
			_, err := p.Recall(n.Context(), "reminders", "handle")
			ended <- err
		}()
		time.Sleep(time.Second)
		start := time.Now()
		go func() { require.NoError(n, p.Close()) }()
		require.ErrorIs(n, <-ended, client.ErrNoAnswer)
		require.LessOrEqual(n, time.Since(start), 2*client.DefaultRequestTimeout)
	})
}

func TestReceipt_HasTheRecallHandle(t *testing.T) {
	onNetwork(t, single, func(n *network) {
		n.at(single[0]).send = func(_ context.Context, q *v2.SendMessageRequest) (*v2.SendMessageResponse, error) {
			require.Equal(n, v2.MessageType_DELAY, q.GetMessages()[0].GetSystemProperties().GetMessageType())
			return &v2.SendMessageResponse{Status: ok(), Entries: []*v2.SendResultEntry{{Status: ok(), RecallHandle: "handle"}}}, nil
		}
		m := message("reminders", "x")
		m.DeliveryTime = time.Now().Add(time.Hour)
		p := n.producer()
		receipt, err := p.Send(n.Context(), m)
		require.NoError(n, err)
		require.Equal(n, "handle", receipt.RecallHandle)
		receipts, err := p.SendBatch(n.Context(), []*client.Message{m, m})
		require.NoError(n, err)
		require.Equal(n, "handle", receipts[1].RecallHandle)
	})
}
