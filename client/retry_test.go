package client_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/rocketflow-io/rocketflow/client"
)

// sick is a heartbeat that does not lift an isolation.
func sick(context.Context, *v2.HeartbeatRequest) (*v2.HeartbeatResponse, error) {
	return nil, status.Error(codes.Unavailable, "ill")
}

// refusing fails every send with what grpc makes of err, and counts them.
func refusing(count *atomic.Int32, err error) func(context.Context, *v2.SendMessageRequest) (*v2.SendMessageResponse, error) {
	return func(context.Context, *v2.SendMessageRequest) (*v2.SendMessageResponse, error) {
		count.Add(1)
		return nil, err
	}
}

// Each code of the protocol, and for each whether a message is sent again.
func TestSend_KnowsForEachCodeWhetherItMayPass(t *testing.T) {
	passing := map[v2.Code]error{
		v2.Code_TOO_MANY_REQUESTS: client.ErrThrottled, v2.Code_INTERNAL_ERROR: client.ErrInternal,
		v2.Code_INTERNAL_SERVER_ERROR: client.ErrInternal, v2.Code_HA_NOT_AVAILABLE: client.ErrInternal,
		v2.Code_PROXY_TIMEOUT: client.ErrTimedOut, v2.Code_MASTER_PERSISTENCE_TIMEOUT: client.ErrTimedOut,
		v2.Code_SLAVE_PERSISTENCE_TIMEOUT: client.ErrTimedOut, v2.Code_REQUEST_TIMEOUT: client.ErrTimedOut,
	}
	lasting := map[v2.Code]error{
		v2.Code_LITE_TOPIC_QUOTA_EXCEEDED: client.ErrQuota, v2.Code_LITE_SUBSCRIPTION_QUOTA_EXCEEDED: client.ErrQuota,
		v2.Code_UNAUTHORIZED: client.ErrUnauthorized, v2.Code_PAYMENT_REQUIRED: client.ErrUnauthorized,
		v2.Code_FORBIDDEN: client.ErrForbidden, v2.Code_TOPIC_NOT_FOUND: client.ErrTopicNotFound,
		v2.Code_PAYLOAD_TOO_LARGE: client.ErrBodyTooLarge, v2.Code_MESSAGE_PROPERTIES_TOO_LARGE: client.ErrPropertiesTooLarge,
		v2.Code_REQUEST_HEADER_FIELDS_TOO_LARGE: client.ErrPropertiesTooLarge, v2.Code_NOT_IMPLEMENTED: client.ErrUnsupported,
		v2.Code_MESSAGE_PROPERTY_CONFLICT_WITH_TYPE: client.ErrMessageType,
	}
	onNetwork(t, single, func(n *network) {
		p := n.producer(client.WithMaxAttempts(2))
		for number, name := range v2.Code_name {
			c := v2.Code(number)
			if c == v2.Code_OK || c == v2.Code_MULTIPLE_RESULTS {
				continue
			}
			var count atomic.Int32
			n.at(single[0]).script(func() { n.at(single[0]).send = answering(&count, code(c)) })
			_, err := p.Send(n.Context(), message("orders", "x"))
			require.Error(n, err, name)
			if kind, may := passing[c]; may {
				require.EqualValues(n, 2, count.Load(), name)
				require.ErrorIs(n, err, kind, name)
				continue
			}
			require.EqualValues(n, 1, count.Load(), name)
			if kind, named := lasting[c]; named {
				require.ErrorIs(n, err, kind, name)
			}
		}
	})
}

// Of what grpc answers, only what speaks against the endpoint isolates it.
func TestSend_IsolatesAnEndpointThatIsOutOfReachAndNoOther(t *testing.T) {
	for _, c := range []struct {
		code     codes.Code
		attempts int32 // of two; 1 is no second one
		isolates bool
		kind     error
	}{
		{codes.Unavailable, 2, true, client.ErrUnavailable},
		{codes.DeadlineExceeded, 2, true, client.ErrNoAnswer},
		{codes.Canceled, 2, true, client.ErrUnavailable}, // by the server: the caller did not cancel
		{codes.ResourceExhausted, 2, false, client.ErrThrottled},
		{codes.Internal, 2, false, client.ErrInternal},
		{codes.Unknown, 2, false, client.ErrInternal},
		{codes.InvalidArgument, 1, false, client.ErrBadRequest},
		{codes.Unauthenticated, 1, false, client.ErrUnauthorized},
		{codes.PermissionDenied, 1, false, client.ErrUnauthorized},
		{codes.Unimplemented, 1, false, client.ErrUnsupported},
	} {
		onNetwork(t, pair, func(n *network) {
			var failing, well atomic.Int32
			for _, address := range pair {
				n.at(address).heartbeat = sick
			}
			n.at(pair[0]).send = refusing(&failing, status.Error(c.code, "no"))
			inner := n.at(pair[1]).send
			n.at(pair[1]).send = func(ctx context.Context, q *v2.SendMessageRequest) (*v2.SendMessageResponse, error) {
				well.Add(1)
				return inner(ctx, q)
			}
			p := n.producer(client.WithMaxAttempts(2))
			for range 10 {
				_, err := p.Send(n.Context(), message("orders", "x"))
				if c.attempts == 2 {
					require.NoError(n, err, c.code)
				} else if err != nil {
					require.ErrorIs(n, err, c.kind)
				}
			}
			want := int32(5)
			if c.isolates {
				want = 1
			}
			require.Equal(n, want, failing.Load(), c.code)

			n.at(pair[1]).script(func() { n.at(pair[1]).send = n.at(pair[0]).send })
			_, err := p.Send(n.Context(), message("orders", "x"))
			require.ErrorIs(n, err, c.kind)
			require.Equal(n, want+c.attempts, failing.Load(), c.code)
		})
	}
}

func TestSend_DoesNotBlameABrokerForItsCallersImpatience(t *testing.T) {
	onNetwork(t, pair, func(n *network) {
		var hung atomic.Int32
		well := n.at(pair[0]).send
		for _, address := range pair {
			n.at(address).heartbeat = sick
			n.at(address).send = func(ctx context.Context, _ *v2.SendMessageRequest) (*v2.SendMessageResponse, error) {
				hung.Add(1)
				<-ctx.Done()
				return nil, ctx.Err()
			}
		}
		p := n.producer()
		for i := range 4 { // each broker twice
			ctx, cancel := context.WithCancel(n.Context())
			time.AfterFunc(time.Second, cancel)
			_, err := p.Send(ctx, message("orders", "x"))
			require.ErrorIs(n, err, context.Canceled)
			require.EqualValues(n, i+1, hung.Load(), "one attempt")
		}
		used := make(map[string]int)
		for _, address := range pair {
			n.at(address).script(func() { n.at(address).send = well })
		}
		for range 10 {
			receipt, err := p.Send(n.Context(), message("orders", "x"))
			require.NoError(n, err)
			used[receipt.Endpoint]++
		}
		require.Equal(n, map[string]int{pair[0]: 5, pair[1]: 5}, used, "none is isolated")
	})
}

func TestSend_TrustsABrokerAgainThatHasAnswered(t *testing.T) {
	onNetwork(t, pair, func(n *network) {
		var silent atomic.Int32
		well := n.at(pair[0]).send
		p := n.producer(client.WithMaxAttempts(2))
		_, err := p.Send(n.Context(), message("orders", "x"))
		require.NoError(n, err)
		synctest.Wait() // sessions stand, which speaks for their servers
		for _, address := range pair {
			n.at(address).script(func() {
				n.at(address).heartbeat = sick
				n.at(address).send = refusing(&silent, status.Error(codes.Unavailable, "no"))
			})
		}
		_, err = p.Send(n.Context(), message("orders", "x"))
		require.ErrorIs(n, err, client.ErrUnavailable)
		require.EqualValues(n, 2, silent.Load(), "both are isolated")
		n.at(pair[0]).script(func() { n.at(pair[0]).send = well })
		_, err = p.Send(n.Context(), message("orders", "x"))
		require.NoError(n, err)
		before := silent.Load()
		for range 6 {
			receipt, err := p.Send(n.Context(), message("orders", "x"))
			require.NoError(n, err)
			require.Equal(n, pair[0], receipt.Endpoint)
		}
		require.Equal(n, before, silent.Load())
	})
}

func TestSend_BeginsAgainWhenAllBrokersHaveBeenTried(t *testing.T) {
	onNetwork(t, pair, func(n *network) {
		var counts [2]atomic.Int32
		for i, address := range pair {
			n.at(address).send = answering(&counts[i], code(v2.Code_INTERNAL_SERVER_ERROR))
		}
		start := time.Now()
		_, err := n.producer(client.WithMaxAttempts(4)).Send(n.Context(), message("orders", "x"))
		require.ErrorContains(n, err, "(4 attempts)")
		require.EqualValues(n, 2, counts[0].Load())
		require.EqualValues(n, 2, counts[1].Load())
		require.Equal(n, 60*time.Millisecond, time.Since(start), "20 and 40 ms, once both have been tried")
	})
}

// Order holds within a queue only, so there is no other broker to turn to, and it is waited for.
func TestSend_KeepsAMessageGroupToItsBroker(t *testing.T) {
	onNetwork(t, pair, func(n *network) {
		var counts [2]atomic.Int32
		for i, address := range pair {
			n.at(address).send = answering(&counts[i], code(v2.Code_INTERNAL_SERVER_ERROR))
		}
		start := time.Now()
		_, err := n.producer().Send(n.Context(), &client.Message{Topic: "orders", Body: []byte("x"), MessageGroup: "g"})
		require.ErrorIs(n, err, client.ErrInternal)
		require.EqualValues(n, 3, counts[0].Load()+counts[1].Load())
		require.Zero(n, counts[0].Load()*counts[1].Load())
		require.Equal(n, 30*time.Millisecond, time.Since(start))
	})
}

func TestSend_DoubtsARouteThatItsTopicContradicts(t *testing.T) {
	normalOnly := func(q *v2.MessageQueue) { q.AcceptMessageTypes = []v2.MessageType{v2.MessageType_NORMAL} }
	readOnly := func(q *v2.MessageQueue) { q.Permission = v2.Permission_READ }
	for name, c := range map[string]struct {
		answer *v2.Status             // of the server to the first send
		route  func(*v2.MessageQueue) // what the first route says
		kind   error
	}{
		"no such topic":       {answer: code(v2.Code_TOPIC_NOT_FOUND), kind: client.ErrTopicNotFound},
		"another type":        {answer: code(v2.Code_MESSAGE_PROPERTY_CONFLICT_WITH_TYPE), kind: client.ErrMessageType},
		"no permission":       {answer: code(v2.Code_FORBIDDEN), kind: client.ErrForbidden},
		"another type routed": {route: normalOnly, kind: client.ErrMessageType},
		"no queue to write":   {route: readOnly, kind: client.ErrForbidden},
	} {
		onNetwork(t, single, func(n *network) {
			s := n.at(single[0])
			well, wellRouted := s.send, s.route
			var queries, sends atomic.Int32
			s.telemetry = answerSettings(func(s *v2.Settings) *v2.Settings {
				s.GetPublishing().ValidateMessageType = true
				return s
			})
			s.route = func(ctx context.Context, q *v2.QueryRouteRequest) (*v2.QueryRouteResponse, error) {
				a, err := wellRouted(ctx, q)
				if queries.Add(1) == 1 && c.route != nil {
					c.route(a.GetMessageQueues()[0])
				}
				return a, err
			}
			if c.answer != nil {
				s.send = answering(&sends, c.answer)
			}
			p := n.producer()
			m := &client.Message{Topic: "orders", Body: []byte("x"), MessageGroup: "g"}
			_, err := p.Send(n.Context(), m)
			require.ErrorIs(n, err, c.kind, name)
			require.EqualValues(n, 1, queries.Load(), name)
			s.script(func() { s.send = well })
			for range 3 {
				_, err = p.Send(n.Context(), m)
				require.NoError(n, err, name)
				require.EqualValues(n, 2, queries.Load(), name)
			}
		})
	}
}

func TestSend_BearsAServerWithoutBackoff(t *testing.T) {
	for name, policy := range map[string]*v2.RetryPolicy{
		"none":        nil,
		"empty":       {},
		"no steps":    {Strategy: &v2.RetryPolicy_CustomizedBackoff{CustomizedBackoff: &v2.CustomizedBackoff{}}},
		"all zero":    {Strategy: &v2.RetryPolicy_ExponentialBackoff{ExponentialBackoff: &v2.ExponentialBackoff{}}},
		"no attempts": {MaxAttempts: -1},
	} {
		onNetwork(t, single, func(n *network) {
			n.at(single[0]).telemetry = answerSettings(func(s *v2.Settings) *v2.Settings {
				s.BackoffPolicy = policy
				return s
			})
			var count atomic.Int32
			n.at(single[0]).send = answering(&count, code(v2.Code_TOO_MANY_REQUESTS))
			start := time.Now()
			_, err := n.producer().Send(n.Context(), message("orders", "x"))
			require.ErrorIs(n, err, client.ErrThrottled, name)
			require.EqualValues(n, 3, count.Load(), name)
			require.Equal(n, 30*time.Millisecond, time.Since(start), name)
		})
	}
}

func TestSend_StopsWaitingWithItsContext(t *testing.T) {
	onNetwork(t, single, func(n *network) {
		var count atomic.Int32
		n.at(single[0]).send = answering(&count, code(v2.Code_TOO_MANY_REQUESTS))
		p := n.producer(client.WithMaxAttempts(1000))
		ctx, cancel := context.WithTimeout(n.Context(), 5*time.Second)
		defer cancel()
		start := time.Now()
		_, err := p.Send(ctx, message("orders", "x"))
		require.ErrorIs(n, err, context.DeadlineExceeded)
		require.ErrorIs(n, err, client.ErrThrottled, "and says why it had not been sent before")
		require.Equal(n, 5*time.Second, time.Since(start))
		synctest.Wait()
		require.Less(n, count.Load(), int32(20), fmt.Sprint(count.Load()))
	})
}
