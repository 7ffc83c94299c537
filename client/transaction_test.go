package client_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/rocketflow-io/rocketflow/client"
)

// An endLog is the ends of transactions that reach a server, which it answers with status.
type endLog struct {
	mu     sync.Mutex // guards what follows
	ends   []*v2.EndTransactionRequest
	status *v2.Status
	err    error
}

func (n *network) logEnds(address string) *endLog {
	l := &endLog{status: ok()}
	n.at(address).end = func(_ context.Context, q *v2.EndTransactionRequest) (*v2.EndTransactionResponse, error) {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.ends = append(l.ends, q)
		return &v2.EndTransactionResponse{Status: l.status}, l.err
	}
	return l
}

func (l *endLog) all() []*v2.EndTransactionRequest {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.ends
}

func (l *endLog) answer(s *v2.Status, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.status, l.err = s, err
}

// noData is how the server says that it knows nothing of a transaction.
func noData() *v2.Status {
	return &v2.Status{Code: v2.Code_INTERNAL_SERVER_ERROR,
		Message: "org.apache.rocketmq.proxy.common.ProxyException: cannot found transaction data"}
}

func undecided(context.Context, *client.Message) client.Resolution { return client.ResolutionUnknown }

func (n *network) begin(p *client.Producer, opts ...client.TransactionOption) *client.Transaction {
	n.Helper()
	tx, err := p.BeginTransaction(opts...)
	require.NoError(n, err)
	return tx
}

func TestTransaction_IsEndedWhereItsMessageIs(t *testing.T) {
	onNetwork(t, pair, func(n *network) {
		var half *v2.Message
		inner := n.at(pair[1]).send
		n.at(pair[1]).send = func(ctx context.Context, q *v2.SendMessageRequest) (*v2.SendMessageResponse, error) {
			half = q.GetMessages()[0]
			return inner(ctx, q)
		}
		n.at(pair[0]).send = func(context.Context, *v2.SendMessageRequest) (*v2.SendMessageResponse, error) {
			return nil, status.Error(codes.Unavailable, "down")
		}
		other, there := n.logEnds(pair[0]), n.logEnds(pair[1])
		p := n.producer(client.WithTransactionChecker(undecided))
		for i, end := range []func(*client.Transaction, context.Context) error{
			(*client.Transaction).Commit, (*client.Transaction).Rollback,
		} {
			tx := n.begin(p, client.WithRecoveryAfter(10*time.Second))
			m := message("orders", "x")
			m.TraceContext = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
			receipt, err := tx.Send(n.Context(), m)
			require.NoError(n, err)
			require.Equal(n, pair[1], receipt.Endpoint)
			require.Equal(n, v2.MessageType_TRANSACTION, half.GetSystemProperties().GetMessageType())
			require.Equal(n, 10*time.Second, half.GetSystemProperties().GetOrphanedTransactionRecoveryDuration().AsDuration())

			require.NoError(n, end(tx, n.Context()))
			require.Len(n, there.all(), i+1)
			q := there.all()[i]
			require.Equal(n, "orders", q.GetTopic().GetName())
			require.Equal(n, receipt.MessageID, q.GetMessageId())
			require.Equal(n, "tx-"+receipt.MessageID, q.GetTransactionId())
			require.Equal(n, v2.TransactionSource_SOURCE_CLIENT, q.GetSource())
			require.Equal(n, m.TraceContext, q.GetTraceContext())
		}
		require.Equal(n, v2.TransactionResolution_COMMIT, there.all()[0].GetResolution())
		require.Equal(n, v2.TransactionResolution_ROLLBACK, there.all()[1].GetResolution())
		require.Empty(n, other.all())
	})
}

func TestTransaction_GoesThroughItsStatesOnce(t *testing.T) {
	onNetwork(t, single, func(n *network) {
		ends := n.logEnds(single[0])
		_, err := n.producer().BeginTransaction()
		require.ErrorIs(n, err, client.ErrNoChecker)
		require.ErrorContains(n, err, "WithTransactionChecker")

		tx := n.begin(n.producer(client.WithTransactionChecker(undecided)))
		require.ErrorIs(n, tx.Commit(n.Context()), client.ErrNothingSent)
		require.ErrorIs(n, tx.Rollback(n.Context()), client.ErrNothingSent)
		_, err = tx.Send(n.Context(), message("orders", ""))
		require.ErrorIs(n, err, client.ErrBodyEmpty)
		require.ErrorIs(n, tx.Commit(n.Context()), client.ErrNothingSent, "and no lock is held after a failure")
		receipt, err := tx.Send(n.Context(), message("orders", "x"))
		require.NoError(n, err)
		_, err = tx.Send(n.Context(), message("orders", "y"))
		require.ErrorIs(n, err, client.ErrTransactionFull)
		require.ErrorContains(n, err, receipt.MessageID)
		require.NoError(n, tx.Commit(n.Context()))
		require.ErrorIs(n, tx.Commit(n.Context()), client.ErrTransactionEnded)
		require.ErrorIs(n, tx.Rollback(n.Context()), client.ErrTransactionEnded)
		_, err = tx.Send(n.Context(), message("orders", "z"))
		require.ErrorIs(n, err, client.ErrTransactionEnded)
		require.Len(n, ends.all(), 1)
	})
}

func TestTransaction_MayBeSentAgainAfterAFailure(t *testing.T) {
	onNetwork(t, single, func(n *network) {
		s := n.at(single[0])
		well := s.send
		s.send = func(context.Context, *v2.SendMessageRequest) (*v2.SendMessageResponse, error) {
			return &v2.SendMessageResponse{Status: code(v2.Code_FORBIDDEN)}, nil
		}
		tx := n.begin(n.producer(client.WithTransactionChecker(undecided)))
		_, err := tx.Send(n.Context(), message("orders", "x"))
		require.ErrorIs(n, err, client.ErrForbidden)
		s.script(func() { s.send = well })
		_, err = tx.Send(n.Context(), message("orders", "x"))
		require.NoError(n, err)
		require.NoError(n, tx.Commit(n.Context()))
	})
}

func TestTransaction_IsNotBegunByAnAnswerThatNamesNone(t *testing.T) {
	for name, entries := range map[string][]*v2.SendResultEntry{"no entry": nil, "no id": {{Status: ok()}}} {
		onNetwork(t, single, func(n *network) {
			n.at(single[0]).send = func(context.Context, *v2.SendMessageRequest) (*v2.SendMessageResponse, error) {
				return &v2.SendMessageResponse{Status: ok(), Entries: entries}, nil
			}
			tx := n.begin(n.producer(client.WithTransactionChecker(undecided)))
			_, err := tx.Send(n.Context(), message("orders", "x"))
			require.ErrorIs(n, err, client.ErrBadAnswer, name)
			require.ErrorIs(n, tx.Commit(n.Context()), client.ErrNothingSent, name)
		})
	}
}

func TestTransaction_TakesPlainMessagesOnly(t *testing.T) {
	onNetwork(t, single, func(n *network) {
		tx := n.begin(n.producer(client.WithTransactionChecker(undecided)))
		for field, m := range map[string]*client.Message{
			"message group": {MessageGroup: "g"}, "delivery time": {DeliveryTime: time.Now()},
			"lite topic": {LiteTopic: "l"}, "priority": {Priority: new(0)},
		} {
			m.Topic, m.Body = "orders", []byte("x")
			_, err := tx.Send(n.Context(), m)
			require.ErrorIs(n, err, client.ErrMessageType)
			require.ErrorContains(n, err, field+": is not possible in a transaction")
		}
		_, err := tx.Send(n.Context(), nil)
		require.ErrorContains(n, err, "message: is nil")
	})
}

func TestTransaction_KeepsToTheLimitsOfTheRecoveryTime(t *testing.T) {
	onNetwork(t, single, func(n *network) {
		p := n.producer(client.WithTransactionChecker(undecided))
		for d, good := range map[time.Duration]bool{
			0: false, -time.Second: false, time.Second - 1: false, time.Second: true, time.Hour: true, time.Hour + 1: false,
		} {
			_, err := p.BeginTransaction(client.WithRecoveryAfter(d))
			if good {
				require.NoError(n, err)
				continue
			}
			var argument *client.ArgumentError
			require.ErrorAs(n, err, &argument)
			require.Equal(n, "recovery time", argument.Field)
			require.ErrorContains(n, err, d.String()+" is not between 1s and 1h0m0s")
		}
	})
}

func TestTransaction_SaysThatTheServerHasForgottenIt(t *testing.T) {
	onNetwork(t, single, func(n *network) {
		ends := n.logEnds(single[0])
		tx := n.begin(n.producer(client.WithTransactionChecker(undecided)))
		_, err := tx.Send(n.Context(), message("orders", "x"))
		require.NoError(n, err)
		ends.answer(noData(), nil)
		for range 2 {
			err = tx.Commit(n.Context())
			require.ErrorIs(n, err, client.ErrTransactionExpired)
			require.NotErrorIs(n, err, client.ErrInternal)
			require.ErrorContains(n, err, "end transactions within 30 seconds; the checker will be asked")
		}
		ends.answer(ok(), nil) // the server has asked the checker, and so knows of it again
		require.NoError(n, tx.Commit(n.Context()))
	})
}

// The server would answer with success, and not do it.
func TestTransaction_DoesNotEndAfterItsRecoveryTime(t *testing.T) {
	onNetwork(t, single, func(n *network) {
		ends := n.logEnds(single[0])
		tx := n.begin(n.producer(client.WithTransactionChecker(undecided)), client.WithRecoveryAfter(7*time.Second))
		_, err := tx.Send(n.Context(), message("orders", "x"))
		require.NoError(n, err)
		time.Sleep(7 * time.Second)
		err = tx.Rollback(n.Context())
		require.ErrorIs(n, err, client.ErrTransactionExpired)
		require.ErrorContains(n, err, "7s (WithRecoveryAfter)")
		require.Empty(n, ends.all())
	})
}

func TestTransaction_LeavesOpenWhatWasNotAnswered(t *testing.T) {
	onNetwork(t, single, func(n *network) {
		ends := n.logEnds(single[0])
		tx := n.begin(n.producer(client.WithTransactionChecker(undecided)))
		_, err := tx.Send(n.Context(), message("orders", "x"))
		require.NoError(n, err)
		ends.answer(nil, status.Error(codes.Unavailable, "down"))
		require.ErrorIs(n, tx.Commit(n.Context()), client.ErrUnavailable)
		require.Len(n, ends.all(), 1, "a second attempt finds nothing if the first got through")
		ends.answer(noData(), nil)
		for range 2 {
			err = tx.Commit(n.Context())
			require.ErrorIs(n, err, client.ErrTransactionExpired)
			require.ErrorContains(n, err, "has got through, or it is too late")
		}
	})
}

func TestTransaction_IsEndedOnceTheServerIsLessBusy(t *testing.T) {
	onNetwork(t, single, func(n *network) {
		ends := n.logEnds(single[0])
		tx := n.begin(n.producer(client.WithTransactionChecker(undecided)))
		_, err := tx.Send(n.Context(), message("orders", "x"))
		require.NoError(n, err)
		ends.answer(code(v2.Code_TOO_MANY_REQUESTS), nil)
		start := time.Now()
		require.ErrorIs(n, tx.Commit(n.Context()), client.ErrThrottled)
		require.Len(n, ends.all(), 3)
		require.Equal(n, 30*time.Millisecond, time.Since(start))
		ends.answer(ok(), nil)
		require.NoError(n, tx.Commit(n.Context()))
		require.Len(n, ends.all(), 4)
	})
}

func TestTransaction_RefusesASecondCallMeanwhile(t *testing.T) {
	onNetwork(t, single, func(n *network) {
		proceed := make(chan struct{})
		inner := n.at(single[0]).send
		n.at(single[0]).send = func(ctx context.Context, q *v2.SendMessageRequest) (*v2.SendMessageResponse, error) {
			<-proceed
			return inner(ctx, q)
		}
		tx := n.begin(n.producer(client.WithTransactionChecker(undecided)))
		sent := make(chan error, 1)
		go func() {
			_, err := tx.Send(n.Context(), message("orders", "x"))
			sent <- err
		}()
		synctest.Wait()
		require.ErrorIs(n, tx.Commit(n.Context()), client.ErrBusy)
		close(proceed)
		require.NoError(n, <-sent)
		require.NoError(n, tx.Commit(n.Context()))
	})
}

func TestTransaction_IsRefusedByATopicOfAnotherType(t *testing.T) {
	onNetwork(t, single, func(n *network) {
		n.at(single[0]).telemetry = answerSettings(func(s *v2.Settings) *v2.Settings {
			s.GetPublishing().ValidateMessageType = true
			return s
		})
		n.at(single[0]).route = func(_ context.Context, q *v2.QueryRouteRequest) (*v2.QueryRouteResponse, error) {
			a := routeOver(q.GetTopic().GetName(), single[0])
			a.MessageQueues[0].AcceptMessageTypes = []v2.MessageType{v2.MessageType_NORMAL}
			return a, nil
		}
		tx := n.begin(n.producer(client.WithTransactionChecker(undecided)))
		_, err := tx.Send(n.Context(), message("orders", "x"))
		require.ErrorIs(n, err, client.ErrMessageType)
		require.ErrorContains(n, err, "TRANSACTION")
	})
}

func TestTransaction_EndsWithItsProducer(t *testing.T) {
	onNetwork(t, single, func(n *network) {
		p := n.producer(client.WithTransactionChecker(undecided))
		tx, empty := n.begin(p), n.begin(p)
		_, err := tx.Send(n.Context(), message("orders", "x"))
		require.NoError(n, err)
		require.NoError(n, p.Close())
		require.ErrorIs(n, tx.Commit(n.Context()), client.ErrClosed)
		_, err = empty.Send(n.Context(), message("orders", "x"))
		require.ErrorIs(n, err, client.ErrClosed)
		_, err = p.BeginTransaction()
		require.ErrorIs(n, err, client.ErrClosed)
		_, err = n.client.NewProducer(client.WithTransactionChecker(nil), client.WithLinger(-1), client.WithCompression(0))
		for _, option := range []string{"WithTransactionChecker", "WithLinger", "WithCompression"} {
			require.True(n, strings.Contains(err.Error(), option), option)
		}
	})
}
