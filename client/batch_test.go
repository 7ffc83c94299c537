package client_test

import (
	"context"
	"testing"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/client"
)

func threeOrders() []*client.Message {
	return []*client.Message{message("orders", "a"), message("orders", "b"), message("orders", "c")}
}

func TestSendBatch_UnderstandsEveryAnswer(t *testing.T) {
	entry := func(s *v2.Status, offset int64) *v2.SendResultEntry {
		return &v2.SendResultEntry{Status: s, MessageId: "of the server's own", Offset: offset}
	}
	for name, c := range map[string]struct {
		answer  *v2.SendMessageResponse
		offsets []int64
		kinds   []error // by index; nil for what is stored
	}{
		"an entry for each": {
			&v2.SendMessageResponse{Status: ok(), Entries: []*v2.SendResultEntry{entry(ok(), 7), entry(ok(), 3), entry(ok(), 8)}},
			[]int64{7, 3, 8}, []error{nil, nil, nil},
		},
		"one entry for all": {
			&v2.SendMessageResponse{Status: ok(), Entries: []*v2.SendResultEntry{entry(ok(), 7)}},
			[]int64{7, -1, -1}, []error{nil, nil, nil},
		},
		"no entry": {
			&v2.SendMessageResponse{Status: ok()},
			[]int64{-1, -1, -1}, []error{nil, nil, nil},
		},
		"one entry of three bad": {
			&v2.SendMessageResponse{Status: code(v2.Code_MULTIPLE_RESULTS), Entries: []*v2.SendResultEntry{
				entry(ok(), 7), entry(code(v2.Code_ILLEGAL_MESSAGE_TAG), 0), entry(ok(), 8),
			}},
			[]int64{7, 0, 8}, []error{nil, client.ErrIllegalTag, nil},
		},
		"an entry without a status": {
			&v2.SendMessageResponse{Status: ok(), Entries: []*v2.SendResultEntry{entry(ok(), 7), nil, entry(ok(), 8)}},
			[]int64{7, 0, 8}, []error{nil, client.ErrBadAnswer, nil},
		},
		"the only entry bad": {
			&v2.SendMessageResponse{Status: ok(), Entries: []*v2.SendResultEntry{entry(code(v2.Code_FORBIDDEN), 0)}},
			[]int64{0, 0, 0}, []error{client.ErrForbidden, client.ErrForbidden, client.ErrForbidden},
		},
		"no status": {
			&v2.SendMessageResponse{},
			[]int64{0, 0, 0}, []error{client.ErrBadAnswer, client.ErrBadAnswer, client.ErrBadAnswer},
		},
	} {
		t.Run(name, func(t *testing.T) {
			onNetwork(t, single, func(n *network) {
				n.at(single[0]).send = func(context.Context, *v2.SendMessageRequest) (*v2.SendMessageResponse, error) {
					return c.answer, nil
				}
				receipts, err := n.producer().SendBatch(n.Context(), threeOrders())
				var failed *client.BatchError
				for i, kind := range c.kinds {
					if kind == nil {
						require.Equal(n, c.offsets[i], receipts[i].Offset)
						require.Len(n, receipts[i].MessageID, 34, "ours, not the server's")
						continue
					}
					require.ErrorAs(n, err, &failed)
					require.ErrorIs(n, failed.Errors[i], kind)
					require.Empty(n, receipts[i])
				}
				if failed == nil {
					require.NoError(n, err)
				}
			})
		})
	}
}

func TestSendBatch_TriesAgainAloneWhatMayPass(t *testing.T) {
	onNetwork(t, single, func(n *network) {
		var requests [][]string
		n.at(single[0]).send = func(_ context.Context, q *v2.SendMessageRequest) (*v2.SendMessageResponse, error) {
			a := &v2.SendMessageResponse{Status: ok()}
			var ids []string
			for i, m := range q.GetMessages() {
				ids = append(ids, m.GetSystemProperties().GetMessageId())
				s := ok()
				if i == 1 {
					s = code(v2.Code_HA_NOT_AVAILABLE)
				}
				a.Entries = append(a.Entries, &v2.SendResultEntry{Status: s})
			}
			requests = append(requests, ids)
			return a, nil
		}
		receipts, err := n.producer().SendBatch(n.Context(), threeOrders())
		require.NoError(n, err)
		require.Len(n, requests, 2)
		require.Equal(n, []string{receipts[1].MessageID}, requests[1], "the same message, under its id")
	})
}

func TestSendBatch_FillsNoRequestBeyondTheLimit(t *testing.T) {
	onNetwork(t, single, func(n *network) {
		n.at(single[0]).telemetry = answerSettings(func(s *v2.Settings) *v2.Settings {
			s.GetPublishing().MaxBodySize = 2000
			return s
		})
		var sizes []int
		inner := n.at(single[0]).send
		n.at(single[0]).send = func(ctx context.Context, q *v2.SendMessageRequest) (*v2.SendMessageResponse, error) {
			size := 0
			for _, m := range q.GetMessages() {
				size += len(m.GetBody())
			}
			sizes = append(sizes, size)
			return inner(ctx, q)
		}
		batch := threeOrders()
		batch[0].Body = make([]byte, 600)
		batch[1].Body = make([]byte, 600)
		batch[2].Body = make([]byte, 2000)
		_, err := n.producer().SendBatch(n.Context(), batch)
		require.NoError(n, err)
		require.Equal(n, []int{1200, 2000}, sizes)
	})
}
