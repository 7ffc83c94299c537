package client_test

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/rocketflow-io/rocketflow/client"
)

var (
	single = []string{"10.0.0.1:8081"}
	pair   = []string{"10.0.0.1:8081", "10.0.0.2:8081"}
)

// answering answers every send with a status, and counts them.
func answering(count *atomic.Int32, s *v2.Status) func(context.Context, *v2.SendMessageRequest) (*v2.SendMessageResponse, error) {
	return func(context.Context, *v2.SendMessageRequest) (*v2.SendMessageResponse, error) {
		count.Add(1)
		return &v2.SendMessageResponse{Status: s}, nil
	}
}

func TestSend_RetriesWhatMayPassAndNothingElse(t *testing.T) {
	for _, c := range []struct {
		code     v2.Code
		attempts int32
		kind     error
	}{
		{v2.Code_INTERNAL_SERVER_ERROR, 3, client.ErrInternal},
		{v2.Code_HA_NOT_AVAILABLE, 3, client.ErrInternal},
		{v2.Code_PROXY_TIMEOUT, 3, client.ErrTimedOut},
		{v2.Code_MASTER_PERSISTENCE_TIMEOUT, 3, client.ErrTimedOut},
		{v2.Code_TOO_MANY_REQUESTS, 3, client.ErrThrottled},
		{v2.Code_BAD_REQUEST, 1, client.ErrBadRequest},
		{v2.Code_UNAUTHORIZED, 1, client.ErrUnauthorized},
		{v2.Code_FORBIDDEN, 1, client.ErrForbidden},
		{v2.Code_TOPIC_NOT_FOUND, 1, client.ErrTopicNotFound},
		{v2.Code_MESSAGE_BODY_TOO_LARGE, 1, client.ErrBodyTooLarge},
		{v2.Code_UNSUPPORTED, 1, client.ErrUnsupported},
		{v2.Code(47111), 1, client.ErrBadRequest},
		{v2.Code_CODE_UNSPECIFIED, 1, client.ErrBadAnswer},
	} {
		t.Run(c.code.String(), func(t *testing.T) {
			onNetwork(t, single, func(n *network) {
				var count atomic.Int32
				n.at(single[0]).send = answering(&count, code(c.code))
				_, err := n.producer().Send(n.Context(), message("orders", "x"))
				require.ErrorIs(n, err, c.kind)
				require.Equal(n, c.attempts, count.Load())
				var refused *client.StatusError
				require.ErrorAs(n, err, &refused)
				require.Equal(n, int32(c.code), refused.Code)
				require.Equal(n, single[0], refused.Endpoint)
			})
		})
	}
}

func TestSend_KeepsTheAttemptsOfItsUserAndTheWaitsOfTheServer(t *testing.T) {
	onNetwork(t, single, func(n *network) {
		s := n.at(single[0])
		s.telemetry = answerSettings(func(s *v2.Settings) *v2.Settings {
			s.BackoffPolicy = &v2.RetryPolicy{MaxAttempts: 9, Strategy: &v2.RetryPolicy_ExponentialBackoff{
				ExponentialBackoff: &v2.ExponentialBackoff{
					Initial: durationpb.New(5 * time.Second), Max: durationpb.New(time.Minute), Multiplier: 2,
				},
			}}
			return s
		})
		var count atomic.Int32
		s.send = answering(&count, code(v2.Code_TOO_MANY_REQUESTS))
		start := time.Now()
		_, err := n.producer(client.WithMaxAttempts(3)).Send(n.Context(), message("orders", "x"))
		require.ErrorIs(n, err, client.ErrThrottled)
		require.EqualValues(n, 3, count.Load())
		require.Equal(n, 15*time.Second, time.Since(start), "5 and 10 seconds between three attempts")
	})
}

func TestSend_EndsWithItsContextAfterOneAttempt(t *testing.T) {
	onNetwork(t, pair, func(n *network) {
		var count atomic.Int32
		for _, address := range pair {
			n.at(address).send = func(ctx context.Context, _ *v2.SendMessageRequest) (*v2.SendMessageResponse, error) {
				count.Add(1)
				<-ctx.Done()
				return nil, ctx.Err()
			}
		}
		p := n.producer()
		ctx, cancel := context.WithTimeout(n.Context(), time.Second)
		defer cancel()
		_, err := p.Send(ctx, message("orders", "x"))
		require.ErrorIs(n, err, context.DeadlineExceeded)
		require.NotErrorIs(n, err, client.ErrUnavailable)
		require.EqualValues(n, 1, count.Load())
	})
}

func TestSend_GoesToAnotherBrokerAndAvoidsTheSilentOne(t *testing.T) {
	onNetwork(t, pair, func(n *network) {
		var silent atomic.Int32
		n.at(pair[1]).send = func(ctx context.Context, _ *v2.SendMessageRequest) (*v2.SendMessageResponse, error) {
			silent.Add(1)
			<-ctx.Done()
			return nil, ctx.Err()
		}
		n.at(pair[1]).heartbeat = func(ctx context.Context, _ *v2.HeartbeatRequest) (*v2.HeartbeatResponse, error) {
			return nil, status.Error(codes.Unavailable, "ill")
		}
		p := n.producer()
		for range 10 {
			receipt, err := p.Send(n.Context(), message("orders", "x"))
			require.NoError(n, err)
			require.Equal(n, pair[0], receipt.Endpoint)
		}
		require.EqualValues(n, 1, silent.Load(), "isolated after the first")
		n.at(pair[1]).script(func() { n.at(pair[1]).heartbeat = wellHeartbeat })
		time.Sleep(11 * time.Second) // a heartbeat is answered
		_, err := p.Send(n.Context(), message("orders", "x"))
		require.NoError(n, err)
		_, err = p.Send(n.Context(), message("orders", "x"))
		require.NoError(n, err)
		require.EqualValues(n, 2, silent.Load(), "tried again after the heartbeat")
	})
}

func TestSend_TriesEachBrokerBeforeOneTwice(t *testing.T) {
	onNetwork(t, pair, func(n *network) {
		var count atomic.Int32
		n.at(pair[1]).send = answering(&count, code(v2.Code_INTERNAL_SERVER_ERROR))
		p := n.producer(client.WithMaxAttempts(2))
		start := time.Now()
		for range 10 {
			receipt, err := p.Send(n.Context(), message("orders", "x"))
			require.NoError(n, err)
			require.Equal(n, pair[0], receipt.Endpoint)
		}
		require.Zero(n, time.Since(start), "there is another broker, so nothing is waited for")
		require.EqualValues(n, 5, count.Load(), "an internal error does not isolate its broker")
	})
}

func TestSend_QueriesTheRouteAgainWhenTheServerContradictsIt(t *testing.T) {
	onNetwork(t, single, func(n *network) {
		s := n.at(single[0])
		var queries, sends atomic.Int32
		inner := s.route
		s.route = func(ctx context.Context, q *v2.QueryRouteRequest) (*v2.QueryRouteResponse, error) {
			queries.Add(1)
			return inner(ctx, q)
		}
		well := s.send
		s.send = answering(&sends, code(v2.Code_TOPIC_NOT_FOUND))
		p := n.producer()
		_, err := p.Send(n.Context(), message("orders", "x"))
		require.ErrorIs(n, err, client.ErrTopicNotFound)
		require.EqualValues(n, 1, queries.Load())
		s.script(func() { s.send = well })
		for range 5 {
			_, err = p.Send(n.Context(), message("orders", "x"))
			require.NoError(n, err)
			require.EqualValues(n, 2, queries.Load())
		}
	})
}

func TestSend_RenewsCredentialsOnce(t *testing.T) {
	var issued atomic.Int32
	provider := func(context.Context) (client.Credentials, error) {
		return client.Credentials{AccessKey: fmt.Sprint("key", issued.Add(1)), Secret: "s"}, nil
	}
	onNetwork(t, single, func(n *network) {
		inner, valid := n.at(single[0]).send, atomic.Pointer[string]{}
		n.at(single[0]).send = func(ctx context.Context, q *v2.SendMessageRequest) (*v2.SendMessageResponse, error) {
			md, _ := metadata.FromIncomingContext(ctx)
			if !strings.Contains(md.Get("authorization")[0], *valid.Load()) {
				return &v2.SendMessageResponse{Status: code(v2.Code_UNAUTHORIZED)}, nil
			}
			return inner(ctx, q)
		}
		p := n.producer()
		valid.Store(new("Credential=key"))
		_, err := p.Send(n.Context(), message("orders", "x"))
		require.NoError(n, err)
		valid.Store(new(fmt.Sprintf("Credential=key%d,", issued.Load()+1)))
		_, err = p.Send(n.Context(), message("orders", "x"))
		require.NoError(n, err)
		valid.Store(new("nobody"))
		before := issued.Load()
		_, err = p.Send(n.Context(), message("orders", "x"))
		require.ErrorIs(n, err, client.ErrUnauthorized)
		require.Equal(n, before+1, issued.Load())
	}, client.WithCredentialsFunc(provider))
}

func TestSend_WaitsBeforeItTriesTheOnlyBrokerAgain(t *testing.T) {
	for _, m := range []*client.Message{
		message("orders", "x"), {Topic: "orders", Body: []byte("x"), MessageGroup: "g"},
	} {
		onNetwork(t, single, func(n *network) {
			var count atomic.Int32
			n.at(single[0]).send = answering(&count, code(v2.Code_INTERNAL_SERVER_ERROR))
			start := time.Now()
			_, err := n.producer().Send(n.Context(), m)
			require.ErrorIs(n, err, client.ErrInternal)
			require.ErrorContains(n, err, "(3 attempts)")
			require.Equal(n, 30*time.Millisecond, time.Since(start), "10 and 20 ms between three attempts")
		})
	}
}

func TestSend_NamesAnUnreachableEndpoint(t *testing.T) {
	onNetwork(t, single, func(n *network) {
		n.stop(single[0])
		_, err := n.producer().Send(n.Context(), message("orders", "x"))
		require.ErrorIs(n, err, client.ErrUnavailable)
		require.ErrorContains(n, err, single[0])
		require.ErrorContains(n, err, "check the address")
		require.ErrorContains(n, err, "WithPlaintext")
	})
}

func TestSend_FollowsTheRouteOfMastersThatMayBeWritten(t *testing.T) {
	onNetwork(t, pair, func(n *network) {
		n.at(pair[0]).route = func(_ context.Context, q *v2.QueryRouteRequest) (*v2.QueryRouteResponse, error) {
			a := routeOver(q.GetTopic().GetName(), pair[1], pair[0], pair[0], pair[0])
			a.MessageQueues[1].Permission = v2.Permission_READ
			a.MessageQueues[2].Broker.Id = 1
			a.MessageQueues[3].Broker.Endpoints = nil
			return a, nil
		}
		p := n.producer()
		for range 8 {
			receipt, err := p.Send(n.Context(), message("orders", "x"))
			require.NoError(n, err)
			require.Equal(n, pair[1], receipt.Endpoint)
		}
	})
}

func TestSend_ChoosesTheQueueOfAGroupAsOtherClientsDo(t *testing.T) {
	onNetwork(t, single, func(n *network) {
		n.at(single[0]).route = func(_ context.Context, q *v2.QueryRouteRequest) (*v2.QueryRouteResponse, error) {
			return routeOver(q.GetTopic().GetName(), single[0], single[0], single[0], single[0]), nil
		}
		var queue atomic.Int32
		n.at(single[0]).send = func(_ context.Context, q *v2.SendMessageRequest) (*v2.SendMessageResponse, error) {
			queue.Store(q.GetMessages()[0].GetSystemProperties().GetQueueId())
			return &v2.SendMessageResponse{Status: ok()}, nil
		}
		p := n.producer()
		for group, want := range map[string]int32{"a": 2, "group0": 0, "order-1": 3, "fifoMessageGroup": 1} {
			_, err := p.Send(n.Context(), &client.Message{Topic: "t", Body: []byte("x"), MessageGroup: group})
			require.NoError(n, err)
			require.Equal(n, want, queue.Load(), group)
		}
	})
}

func TestSend_QueriesARouteOnceForAllWhoWait(t *testing.T) {
	onNetwork(t, single, func(n *network) {
		var queries atomic.Int32
		inner := n.at(single[0]).route
		n.at(single[0]).route = func(ctx context.Context, q *v2.QueryRouteRequest) (*v2.QueryRouteResponse, error) {
			queries.Add(1)
			time.Sleep(time.Second)
			return inner(ctx, q)
		}
		p := n.producer()
		results := make(chan error)
		for range 20 {
			go func() {
				_, err := p.Send(n.Context(), message("orders", "x"))
				results <- err
			}()
		}
		for range 20 {
			require.NoError(n, <-results)
		}
		require.EqualValues(n, 1, queries.Load())
		time.Sleep(30 * time.Second)
		synctest.Wait()
		require.EqualValues(n, 2, queries.Load(), "refreshed")
	})
}

func TestSend_UsesTheServersLimitOfABody(t *testing.T) {
	for limit, want := range map[int32]error{10: client.ErrBodyTooLarge, 0: nil, -5: nil} {
		onNetwork(t, single, func(n *network) {
			n.at(single[0]).telemetry = answerSettings(func(s *v2.Settings) *v2.Settings {
				s.GetPublishing().MaxBodySize = limit
				return s
			})
			_, err := n.producer().Send(n.Context(), message("orders", "eleven byte"))
			require.ErrorIs(n, err, want)
		})
	}
}
