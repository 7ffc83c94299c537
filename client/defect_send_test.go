package client_test

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/rocketflow-io/rocketflow/client"
)

// sends scripts a server whose sends go wrong as fail says; nil is well.
func (n *network) sends(address string, fail func(ctx context.Context) error) *atomic.Int32 {
	var count atomic.Int32
	s := n.at(address)
	well := s.send
	s.script(func() {
		s.send = func(ctx context.Context, q *v2.SendMessageRequest) (*v2.SendMessageResponse, error) {
			count.Add(1)
			if err := fail(ctx); err != nil {
				return nil, err
			}
			return well(ctx, q)
		}
	})
	return &count
}

func untilCancelled(ctx context.Context) error {
	<-ctx.Done()
	return ctx.Err()
}

// backoffOf has the server lay down the waits between attempts.
func backoffOf(attempts int32, initial time.Duration) func(telemetryServer) error {
	return answerSettings(func(s *v2.Settings) *v2.Settings {
		s.BackoffPolicy = &v2.RetryPolicy{MaxAttempts: attempts, Strategy: &v2.RetryPolicy_ExponentialBackoff{
			ExponentialBackoff: &v2.ExponentialBackoff{
				Initial: durationpb.New(initial), Max: durationpb.New(time.Hour), Multiplier: 2,
			},
		}}
		return s
	})
}

func TestDefectB9_ACancelledSendMakesOneAttemptAndIsolatesNobody(t *testing.T) {
	onNetwork(t, pair, func(n *network) {
		var hold atomic.Bool
		hold.Store(true)
		wait := func(ctx context.Context) error {
			if hold.Load() {
				return untilCancelled(ctx)
			}
			return nil
		}
		first, second := n.sends(pair[0], wait), n.sends(pair[1], wait)
		p := n.producer()
		for range 4 {
			before := first.Load() + second.Load()
			ctx, cancel := context.WithTimeout(n.Context(), 100*time.Millisecond)
			_, err := p.Send(ctx, message("orders", "x"))
			cancel()
			require.ErrorIs(n, err, context.DeadlineExceeded)
			require.Equal(n, before+1, first.Load()+second.Load())
		}
		hold.Store(false)
		used := make(map[string]bool)
		for range 4 {
			r, err := p.Send(n.Context(), message("orders", "x"))
			require.NoError(n, err)
			used[r.Endpoint] = true
		}
		require.Len(n, used, 2, "neither broker is avoided")
	})
}

func TestDefectB9_TheWaitAfterAThrottleEndsWithTheContext(t *testing.T) {
	onNetwork(t, single, func(n *network) {
		n.at(single[0]).telemetry = backoffOf(3, 5*time.Second) // more than fits into 32 bits of nanoseconds
		count := n.sends(single[0], func(context.Context) error { return status.Error(codes.ResourceExhausted, "slow down") })
		p := n.producer(client.WithMaxAttempts(2))
		start := time.Now()
		_, err := p.Send(n.Context(), message("orders", "x"))
		require.ErrorIs(n, err, client.ErrThrottled, "the code of grpc means the same as the protocol's own")
		require.Equal(n, 5*time.Second, time.Since(start))
		require.EqualValues(n, 2, count.Load())

		ctx, cancel := context.WithTimeout(n.Context(), time.Second)
		defer cancel()
		start = time.Now()
		_, err = p.Send(ctx, message("orders", "x"))
		require.ErrorIs(n, err, context.DeadlineExceeded)
		require.ErrorIs(n, err, client.ErrThrottled)
		require.Equal(n, time.Second, time.Since(start))
	})
}

func TestDefectB9_AnEndpointOfSeveralAddressesIsUsedAgainOnceItIsWell(t *testing.T) {
	onNetwork(t, pair, func(n *network) {
		n.at(pair[0]).route = func(_ context.Context, q *v2.QueryRouteRequest) (*v2.QueryRouteResponse, error) {
			a := routeOver(q.GetTopic().GetName(), pair...)
			a.MessageQueues[1].Broker.Endpoints.Addresses = append(a.MessageQueues[1].Broker.Endpoints.Addresses,
				&v2.Address{Host: "10.0.0.3", Port: 8081})
			return a, nil
		}
		var ill atomic.Bool
		ill.Store(true)
		n.sends(pair[1], func(context.Context) error {
			if ill.Load() {
				return status.Error(codes.Unavailable, "ill")
			}
			return nil
		})
		n.at(pair[1]).heartbeat = func(ctx context.Context, q *v2.HeartbeatRequest) (*v2.HeartbeatResponse, error) {
			if ill.Load() {
				return nil, status.Error(codes.Unavailable, "ill")
			}
			return wellHeartbeat(ctx, q)
		}
		p := n.producer()
		send := func() map[string]int {
			used := make(map[string]int)
			for range 10 {
				r, err := p.Send(n.Context(), message("orders", "x"))
				require.NoError(n, err)
				used[r.Endpoint]++
			}
			return used
		}
		require.Equal(n, map[string]int{pair[0]: 10}, send())
		ill.Store(false)
		time.Sleep(11 * time.Second)
		require.Equal(n, map[string]int{pair[0]: 5, "10.0.0.2:8081;10.0.0.3:8081": 5}, send())
	})
}

func TestDefectB9_TheStatusOfAnEntryCounts(t *testing.T) {
	onNetwork(t, single, func(n *network) {
		n.at(single[0]).send = func(context.Context, *v2.SendMessageRequest) (*v2.SendMessageResponse, error) {
			return &v2.SendMessageResponse{Status: ok(), Entries: []*v2.SendResultEntry{
				{Status: code(v2.Code_MASTER_PERSISTENCE_TIMEOUT)},
			}}, nil
		}
		_, err := n.producer().Send(n.Context(), message("orders", "x"))
		require.ErrorIs(n, err, client.ErrTimedOut)
	})
}

func TestDefectB15_TheServerSetsNeitherTheAttemptsNorALimitOfNothing(t *testing.T) {
	onNetwork(t, single, func(n *network) {
		n.at(single[0]).telemetry = func(s telemetryServer) error {
			return answerSettings(func(s *v2.Settings) *v2.Settings {
				s.BackoffPolicy = &v2.RetryPolicy{MaxAttempts: 3, Strategy: &v2.RetryPolicy_ExponentialBackoff{
					ExponentialBackoff: &v2.ExponentialBackoff{Initial: durationpb.New(time.Millisecond), Max: durationpb.New(time.Second), Multiplier: 2},
				}}
				s.GetPublishing().MaxBodySize = 0
				return s
			})(s)
		}
		var ill atomic.Bool
		count := n.sends(single[0], func(context.Context) error {
			if ill.Load() {
				return status.Error(codes.Unavailable, "ill")
			}
			return nil
		})
		_, err := n.producer().Send(n.Context(), message("orders", "a body of some bytes"))
		require.NoError(n, err, "a limit of 0 would refuse every message")
		ill.Store(true)
		for _, attempts := range []int32{1, 5} {
			before := count.Load()
			_, err := n.producer(client.WithMaxAttempts(int(attempts))).Send(n.Context(), message("orders", "x"))
			require.ErrorIs(n, err, client.ErrUnavailable)
			require.Equal(n, attempts, count.Load()-before)
		}
	})
}

func TestDefectB20_ABatchOfOneMessageGroupIsTaken(t *testing.T) {
	inBubble(t, func(r *rig) {
		var batch []*client.Message
		for i := range 5 {
			// Equal texts, each somewhere else in memory.
			batch = append(batch, &client.Message{
				Topic: "steps", Body: fmt.Append(nil, i), MessageGroup: strings.Repeat("g", 1+i-i),
			})
		}
		receipts, err := r.producer().SendBatch(r.Context(), batch)
		require.NoError(r, err)
		require.Len(r, receipts, 5)
		require.Equal(r, []string{"0", "1", "2", "3", "4"}, r.stored("steps"))
	})
}

func TestDefectB5_RecallingOfATopicThatWasNeverSentToDoesNotPanic(t *testing.T) {
	onNetwork(t, single, func(n *network) {
		n.at(single[0]).recall = func(context.Context, *v2.RecallMessageRequest) (*v2.RecallMessageResponse, error) {
			return &v2.RecallMessageResponse{Status: ok(), MessageId: "id"}, nil
		}
		id, err := n.producer().Recall(n.Context(), "never-used", "handle")
		require.NoError(n, err)
		require.Equal(n, "id", id)
		_, err = n.producer().Recall(n.Context(), "never-used", "")
		require.ErrorIs(n, err, client.ErrNotRecalled)
	})
}

func TestDefectB5_APolicyWithoutStepsIsNotIndexed(t *testing.T) {
	onNetwork(t, single, func(n *network) {
		n.at(single[0]).telemetry = answerSettings(func(s *v2.Settings) *v2.Settings {
			s.BackoffPolicy = &v2.RetryPolicy{MaxAttempts: 16, Strategy: &v2.RetryPolicy_CustomizedBackoff{
				CustomizedBackoff: &v2.CustomizedBackoff{},
			}}
			return s
		})
		settings, err := n.consumer("orders").Settings(n.Context())
		require.NoError(n, err)
		for _, attempt := range []int{-1, 0, 1, 17} {
			require.Zero(n, settings.Backoff.Delay(attempt))
		}
		n.sends(single[0], func(context.Context) error { return status.Error(codes.ResourceExhausted, "slow down") })
		_, err = n.producer().Send(n.Context(), message("orders", "x"))
		require.ErrorIs(n, err, client.ErrThrottled)
	})
}

func TestDefectB12_AFailedSendLeavesItsTransactionUsable(t *testing.T) {
	onNetwork(t, single, func(n *network) {
		var ill atomic.Bool
		ill.Store(true)
		n.sends(single[0], func(context.Context) error {
			if ill.Load() {
				return status.Error(codes.Internal, "ill")
			}
			return nil
		})
		ended := make(chan *v2.EndTransactionRequest, 1)
		n.at(single[0]).end = func(_ context.Context, q *v2.EndTransactionRequest) (*v2.EndTransactionResponse, error) {
			ended <- q
			return &v2.EndTransactionResponse{Status: ok()}, nil
		}
		check := func(context.Context, *client.Message) client.Resolution { return client.ResolutionUnknown }
		tx, err := n.producer(client.WithTransactionChecker(check)).BeginTransaction()
		require.NoError(n, err)
		for range 3 { // a lock that is kept by a failure would stop the second
			_, err = tx.Send(n.Context(), message("orders", "x"))
			require.ErrorIs(n, err, client.ErrInternal)
		}
		ill.Store(false)
		_, err = tx.Send(n.Context(), message("orders", "x"))
		require.NoError(n, err)
		_, err = tx.Send(n.Context(), message("orders", "y"))
		require.ErrorIs(n, err, client.ErrTransactionFull, "one message and no more")
		ctx, cancel := context.WithCancel(n.Context())
		cancel()
		require.ErrorIs(n, tx.Commit(ctx), context.Canceled, "an end goes by its context")
		require.NoError(n, tx.Commit(n.Context()))
		require.Equal(n, v2.TransactionSource_SOURCE_CLIENT, (<-ended).GetSource())
	})
}
