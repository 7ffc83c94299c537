package client_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/rocketflow-io/rocketflow/client"
)

// lease has the server deliver messages of the ids, and returns the deliveries.
func (n *network) lease(c *client.SimpleConsumer, ids ...string) []*client.Delivery {
	n.Helper()
	all := []*v2.ReceiveMessageResponse{statusFrame(ok())}
	for _, id := range ids {
		all = append(all, messageFrame(id))
	}
	n.at(single[0]).script(func() { n.at(single[0]).receive = frames(nil, all...) })
	got, err := c.Receive(n.Context(), 32, time.Minute)
	require.NoError(n, err)
	require.Len(n, got, len(ids))
	return got
}

func result(id, handle string, s *v2.Status) *v2.AckMessageResultEntry {
	return &v2.AckMessageResultEntry{MessageId: id, ReceiptHandle: handle, Status: s}
}

func TestAck_UnderstandsEveryAnswer(t *testing.T) {
	expired := code(v2.Code_INVALID_RECEIPT_HANDLE)
	for name, c := range map[string]struct {
		answer *v2.AckMessageResponse
		kinds  []error // of a, b and another delivery of a
	}{
		"all well, no entries": {&v2.AckMessageResponse{Status: ok()}, []error{nil, nil, nil}},
		"in another order, with other handles": {
			&v2.AckMessageResponse{Status: code(v2.Code_MULTIPLE_RESULTS), Entries: []*v2.AckMessageResultEntry{
				result("b", "new", expired), result("a", "handle of a", ok()), result("a", "new", ok()),
			}},
			[]error{nil, client.ErrReceiptExpired, nil},
		},
		"one left out": {
			&v2.AckMessageResponse{Status: code(v2.Code_MULTIPLE_RESULTS), Entries: []*v2.AckMessageResultEntry{
				result("a", "handle of a", ok()), result("b", "handle of b", expired),
			}},
			[]error{nil, client.ErrReceiptExpired, client.ErrBadAnswer},
		},
		"entries of nobody": {
			&v2.AckMessageResponse{Status: code(v2.Code_MULTIPLE_RESULTS), Entries: []*v2.AckMessageResultEntry{nil, result("z", "z", ok())}},
			[]error{client.ErrBadAnswer, client.ErrBadAnswer, client.ErrBadAnswer},
		},
		"an entry without a status": {
			&v2.AckMessageResponse{Status: ok(), Entries: []*v2.AckMessageResultEntry{result("b", "handle of b", nil)}},
			[]error{nil, client.ErrBadAnswer, nil},
		},
		"no status": {&v2.AckMessageResponse{}, []error{client.ErrBadAnswer, client.ErrBadAnswer, client.ErrBadAnswer}},
		"refused": {
			&v2.AckMessageResponse{Status: code(v2.Code_FORBIDDEN)},
			[]error{client.ErrForbidden, client.ErrForbidden, client.ErrForbidden},
		},
	} {
		t.Run(name, func(t *testing.T) {
			onNetwork(t, single, func(n *network) {
				sc := n.consumer("orders")
				n.at(single[0]).ack = func(context.Context, *v2.AckMessageRequest) (*v2.AckMessageResponse, error) { return c.answer, nil }
				got := n.lease(sc, "a", "b", "a")
				err := sc.Ack(n.Context(), got...)
				want := make(map[*client.Delivery]error)
				for i, kind := range c.kinds {
					if kind != nil {
						want[got[i]] = kind
					}
				}
				var failed *client.AckError
				if len(want) == 0 {
					require.NoError(n, err)
					return
				}
				require.ErrorAs(n, err, &failed)
				require.Len(n, failed.Failed, len(want))
				for _, f := range failed.Failed {
					require.ErrorIs(n, f.Err, want[f.Delivery])
				}
			})
		})
	}
}

func TestAck_PutsManyIntoOneRequest(t *testing.T) {
	onNetwork(t, single, func(n *network) {
		c := n.consumer("orders")
		var ids []string
		for i := range 200 {
			ids = append(ids, fmt.Sprint(i))
		}
		got := n.lease(c, ids...)
		sizes := make(chan int, 10)
		n.at(single[0]).ack = func(_ context.Context, q *v2.AckMessageRequest) (*v2.AckMessageResponse, error) {
			require.Equal(n, "orders", q.GetTopic().GetName())
			require.Equal(n, "G", q.GetGroup().GetName())
			sizes <- len(q.GetEntries())
			return &v2.AckMessageResponse{Status: ok()}, nil
		}
		require.NoError(n, c.Ack(n.Context(), got...))
		close(sizes)
		total, most := 0, 0
		for size := range sizes {
			total, most = total+size, max(most, size)
		}
		require.Equal(n, 200, total)
		require.Equal(n, 128, most)
	})
}

func TestAck_TriesAgainOnlyWhatMayPass(t *testing.T) {
	onNetwork(t, single, func(n *network) {
		c := n.consumer("orders")
		got := n.lease(c, "a", "b", "c")
		var requests [][]string
		n.at(single[0]).ack = func(_ context.Context, q *v2.AckMessageRequest) (*v2.AckMessageResponse, error) {
			var ids []string
			for _, e := range q.GetEntries() {
				ids = append(ids, e.GetMessageId())
			}
			requests = append(requests, ids)
			switch len(requests) {
			case 1:
				return nil, status.Error(codes.Unavailable, "going away")
			case 2:
				return &v2.AckMessageResponse{Status: code(v2.Code_MULTIPLE_RESULTS), Entries: []*v2.AckMessageResultEntry{
					result("a", "handle of a", ok()),
					result("b", "handle of b", code(v2.Code_INTERNAL_SERVER_ERROR)),
					result("c", "handle of c", code(v2.Code_INVALID_RECEIPT_HANDLE)),
				}}, nil
			default:
				return &v2.AckMessageResponse{Status: ok()}, nil
			}
		}
		err := c.Ack(n.Context(), got...)
		require.Equal(n, [][]string{{"a", "b", "c"}, {"a", "b", "c"}, {"b"}}, requests)
		var failed *client.AckError
		require.ErrorAs(n, err, &failed)
		require.Len(n, failed.Failed, 1)
		require.Same(n, got[2], failed.Failed[0].Delivery)
	})
}

func TestChangeInvisibleDuration_TakesTheNewReceiptOnlyOnSuccess(t *testing.T) {
	onNetwork(t, single, func(n *network) {
		c := n.consumer("orders")
		d := n.lease(c, "a")[0]
		s := n.at(single[0])
		var used []string
		answer := &v2.ChangeInvisibleDurationResponse{Status: code(v2.Code_ILLEGAL_INVISIBLE_TIME), ReceiptHandle: "must not be used"}
		s.change = func(_ context.Context, q *v2.ChangeInvisibleDurationRequest) (*v2.ChangeInvisibleDurationResponse, error) {
			used = append(used, q.GetReceiptHandle())
			return answer, nil
		}
		before := d.Expires()
		require.ErrorIs(n, d.Extend(n.Context(), time.Hour), client.ErrIllegalInvisibleDuration)
		require.Equal(n, before, d.Expires())
		answer = &v2.ChangeInvisibleDurationResponse{Status: ok(), ReceiptHandle: "second"}
		require.NoError(n, d.Extend(n.Context(), time.Hour))
		answer = &v2.ChangeInvisibleDurationResponse{Status: ok()}
		require.NoError(n, d.Extend(n.Context(), time.Hour))
		require.NoError(n, d.Extend(n.Context(), time.Hour))
		require.Equal(n, []string{"handle of a", "handle of a", "second", "second"}, used)
		require.ErrorIs(n, d.Extend(n.Context(), -1), client.ErrIllegalInvisibleDuration)
		require.ErrorIs(n, d.Nack(n.Context(), 13*time.Hour), client.ErrIllegalInvisibleDuration)
	})
}

func TestDelivery_RefusesASecondCallAtOnce(t *testing.T) {
	onNetwork(t, single, func(n *network) {
		c := n.consumer("orders")
		d := n.lease(c, "a")[0]
		proceed := make(chan struct{})
		n.at(single[0]).change = func(context.Context, *v2.ChangeInvisibleDurationRequest) (*v2.ChangeInvisibleDurationResponse, error) {
			<-proceed
			return &v2.ChangeInvisibleDurationResponse{Status: ok(), ReceiptHandle: "second"}, nil
		}
		var used string
		n.at(single[0]).ack = func(_ context.Context, q *v2.AckMessageRequest) (*v2.AckMessageResponse, error) {
			used = q.GetEntries()[0].GetReceiptHandle()
			return &v2.AckMessageResponse{Status: ok()}, nil
		}
		extended := make(chan error)
		go func() { extended <- d.Extend(n.Context(), time.Hour) }()
		synctest.Wait()
		err := d.Ack(n.Context())
		require.ErrorIs(n, err, client.ErrBusy)
		require.True(n, client.Temporary(err))
		close(proceed)
		require.NoError(n, <-extended)
		require.NoError(n, d.Ack(n.Context()))
		require.Equal(n, "second", used)
	})
}

func TestForwardToDeadLetterQueue_NamesTheMessageByItsFirstReceipt(t *testing.T) {
	for name, c := range map[string]struct {
		first    v2.Code // of the answer to the first receipt
		forwards []string
		acks     []string
	}{
		"a server that knows it":      {v2.Code_OK, []string{"handle of a"}, []string{"second"}},
		"a server that does not care": {v2.Code_INVALID_RECEIPT_HANDLE, []string{"handle of a", "second"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			onNetwork(t, single, func(n *network) {
				sc := n.consumer("orders")
				d := n.lease(sc, "a")[0]
				var forwards, acks []string
				s := n.at(single[0])
				s.change = func(context.Context, *v2.ChangeInvisibleDurationRequest) (*v2.ChangeInvisibleDurationResponse, error) {
					return &v2.ChangeInvisibleDurationResponse{Status: ok(), ReceiptHandle: "second"}, nil
				}
				s.forward = func(_ context.Context, q *v2.ForwardMessageToDeadLetterQueueRequest) (*v2.ForwardMessageToDeadLetterQueueResponse, error) {
					forwards = append(forwards, q.GetReceiptHandle())
					if len(forwards) == 1 {
						return &v2.ForwardMessageToDeadLetterQueueResponse{Status: code(c.first)}, nil
					}
					return &v2.ForwardMessageToDeadLetterQueueResponse{Status: ok()}, nil
				}
				s.ack = func(_ context.Context, q *v2.AckMessageRequest) (*v2.AckMessageResponse, error) {
					acks = append(acks, q.GetEntries()[0].GetReceiptHandle())
					return &v2.AckMessageResponse{Status: ok()}, nil
				}
				require.NoError(n, d.Extend(n.Context(), time.Hour))
				require.NoError(n, sc.ForwardToDeadLetterQueue(n.Context(), d))
				require.Equal(n, c.forwards, forwards)
				require.Equal(n, c.acks, acks)
			})
		})
	}
}
