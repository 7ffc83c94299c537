package client_test

import (
	"context"
	"math"
	"slices"
	"strings"
	"sync"
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

// announced collects the settings that a server is told.
type announced struct {
	mu  sync.Mutex
	all []*v2.Settings
}

func (a *announced) serve(s telemetryServer) error {
	return answerSettings(func(settings *v2.Settings) *v2.Settings {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.all = append(a.all, settings)
		return settings
	})(s)
}

func (a *announced) count() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.all)
}

// topics returns those of the last settings, sorted.
func (a *announced) topics() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	var out []string
	last := a.all[len(a.all)-1]
	for _, r := range last.GetPublishing().GetTopics() {
		out = append(out, r.GetName())
	}
	for _, e := range last.GetSubscription().GetSubscriptions() {
		out = append(out, e.GetTopic().GetName()+" "+e.GetExpression().GetExpression())
	}
	slices.Sort(out)
	return out
}

func TestSession_AnnouncesEachChangeAtOnce(t *testing.T) {
	onNetwork(t, single, func(n *network) {
		var seen announced
		n.at(single[0]).telemetry = seen.serve
		p := n.producer(client.WithTopics("named"))
		_, err := p.Send(n.Context(), message("first", "x"))
		require.NoError(n, err)
		require.Equal(n, []string{"first", "named"}, seen.topics())
		_, err = p.Send(n.Context(), message("second", "x"))
		require.NoError(n, err)
		synctest.Wait()
		require.Equal(n, []string{"first", "named", "second"}, seen.topics())
		count := seen.count()
		time.Sleep(5*time.Minute + time.Second)
		require.Equal(n, count+1, seen.count(), "repeated every five minutes")

		c := n.consumer("orders")
		_, err = c.Settings(n.Context())
		require.NoError(n, err)
		require.Equal(n, []string{"orders *"}, seen.topics())
		require.NoError(n, c.Subscribe("bills", client.Tag("a")))
		synctest.Wait()
		require.Equal(n, []string{"bills a", "orders *"}, seen.topics())
		c.Unsubscribe("bills")
		synctest.Wait()
		require.Equal(n, []string{"orders *"}, seen.topics())
	})
}

func TestSession_TellsWhoItIs(t *testing.T) {
	onNetwork(t, single, func(n *network) {
		var seen announced
		var header atomic.Pointer[metadata.MD]
		n.at(single[0]).telemetry = func(s telemetryServer) error {
			md, _ := metadata.FromIncomingContext(s.Context())
			header.Store(&md)
			return seen.serve(s)
		}
		_, err := n.consumer("orders").Settings(n.Context())
		require.NoError(n, err)
		s := seen.all[0]
		require.Equal(n, v2.ClientType_SIMPLE_CONSUMER, s.GetClientType())
		require.Equal(n, v2.Language_GOLANG, s.GetUserAgent().GetLanguage())
		require.Equal(n, "10.0.0.1", s.GetAccessPoint().GetAddresses()[0].GetHost())
		require.Equal(n, client.DefaultRequestTimeout, s.GetRequestTimeout().AsDuration())
		require.Equal(n, "G", s.GetSubscription().GetGroup().GetName())
		require.Equal(n, client.DefaultAwait, s.GetSubscription().GetLongPollingTimeout().AsDuration())
		md := *header.Load()
		require.Equal(n, []string{"GO"}, md.Get("x-mq-language"))
		require.Equal(n, []string{"v2"}, md.Get("x-mq-protocol"))
		require.Equal(n, []string{"20000101T000000Z"}, md.Get("x-mq-date-time"))
		require.Len(n, md.Get("x-mq-client-id"), 1)
		require.Len(n, md.Get("x-mq-request-id")[0], 36)
		require.Empty(n, md.Get("authorization"))
	})
}

func TestSession_StandsAgainWithinTwoSecondsOfTheServersReturn(t *testing.T) {
	onNetwork(t, single, func(n *network) {
		c := n.consumer("orders")
		_, err := c.Settings(n.Context())
		require.NoError(n, err)
		for _, outage := range []time.Duration{time.Second, 10 * time.Minute} {
			n.stop(single[0])
			time.Sleep(outage)
			_, err = c.Receive(n.Context(), 1, time.Minute)
			require.ErrorIs(n, err, client.ErrUnavailable)
			var seen announced
			back := newScripted(single)
			back.telemetry = seen.serve
			back.receive = frames(nil, statusFrame(ok()), messageFrame("a"))
			n.start(single[0], back)
			time.Sleep(2 * time.Second)
			require.Equal(n, 1, seen.count())
			_, err = c.Receive(n.Context(), 1, time.Minute)
			require.NoError(n, err)
		}
		n.stop(single[0])
		var seen announced
		back := newScripted(single)
		back.telemetry = seen.serve
		n.start(single[0], back)
		time.Sleep(250 * time.Millisecond)
		require.Equal(n, 1, seen.count(), "soon, if the server was hardly away")
	})
}

func TestSession_AnnouncesAgainToAServerThatForgot(t *testing.T) {
	onNetwork(t, single, func(n *network) {
		var seen announced
		s := n.at(single[0])
		s.telemetry = seen.serve
		c := n.consumer("orders")
		_, err := c.Settings(n.Context())
		require.NoError(n, err)
		s.script(func() {
			s.heartbeat = func(context.Context, *v2.HeartbeatRequest) (*v2.HeartbeatResponse, error) {
				return &v2.HeartbeatResponse{Status: code(v2.Code_UNRECOGNIZED_CLIENT_TYPE)}, nil
			}
		})
		time.Sleep(10 * time.Second)
		synctest.Wait()
		require.Equal(n, 2, seen.count())
		s.script(func() { s.receive = frames(nil, statusFrame(code(v2.Code_INTERNAL_SERVER_ERROR))) })
		_, err = c.Receive(n.Context(), 1, time.Minute)
		require.ErrorIs(n, err, client.ErrInternal)
		synctest.Wait()
		require.Equal(n, 3, seen.count())
	})
}

func TestSession_ReportsWhyTheServerRefusesIt(t *testing.T) {
	for name, c := range map[string]struct {
		telemetry func(telemetryServer) error
		kind      error
		says      string
	}{
		"in band": {func(s telemetryServer) error {
			return s.Send(&v2.TelemetryCommand{Status: code(v2.Code_UNAUTHORIZED)})
		}, client.ErrUnauthorized, "WithCredentials"},
		"unknown group": {func(telemetryServer) error {
			return status.Error(codes.InvalidArgument, "process client telemetryCommand failed. group not found: G")
		}, client.ErrGroupNotFound, `"G"`},
		"bad settings": {func(telemetryServer) error {
			return status.Error(codes.InvalidArgument, "nonsense")
		}, client.ErrBadRequest, "nonsense"},
		"ended":  {func(telemetryServer) error { return nil }, client.ErrUnavailable, "ended the stream"},
		"silent": {func(s telemetryServer) error { <-s.Context().Done(); return nil }, client.ErrNoAnswer, "settings"},
	} {
		t.Run(name, func(t *testing.T) {
			onNetwork(t, single, func(n *network) {
				n.at(single[0]).telemetry = c.telemetry
				start := time.Now()
				_, err := n.consumer("orders").Receive(n.Context(), 1, time.Minute)
				require.ErrorIs(n, err, c.kind)
				require.LessOrEqual(n, time.Since(start), client.DefaultRequestTimeout)
				require.ErrorContains(n, err, c.says)
				require.ErrorContains(n, err, single[0])
				// Sending does not depend on the session.
				_, err = n.producer().Send(n.Context(), message("orders", "x"))
				require.NoError(n, err)
			})
		})
	}
}

func TestSession_BearsEveryCommand(t *testing.T) {
	onNetwork(t, single, func(n *network) {
		replies := make(chan *v2.TelemetryCommand, 10)
		n.at(single[0]).telemetry = func(s telemetryServer) error {
			first, err := s.Recv()
			if err != nil {
				return err
			}
			for _, c := range []*v2.TelemetryCommand{
				{},
				{Command: &v2.TelemetryCommand_VerifyMessageCommand{VerifyMessageCommand: &v2.VerifyMessageCommand{Nonce: "2"}}},
				{Command: &v2.TelemetryCommand_PrintThreadStackTraceCommand{PrintThreadStackTraceCommand: &v2.PrintThreadStackTraceCommand{Nonce: "1"}}},
				{Command: &v2.TelemetryCommand_ReconnectEndpointsCommand{}},
				{Command: &v2.TelemetryCommand_NotifyUnsubscribeLiteCommand{}},
				{Command: &v2.TelemetryCommand_RecoverOrphanedTransactionCommand{}},
				{Command: &v2.TelemetryCommand_Settings{Settings: &v2.Settings{}}},
				{Command: &v2.TelemetryCommand_Settings{Settings: first.GetSettings()}},
			} {
				if err := s.Send(c); err != nil {
					return err
				}
			}
			for {
				reply, err := s.Recv()
				if err != nil {
					return nil
				}
				replies <- reply
			}
		}
		_, err := n.consumer("orders").Settings(n.Context())
		require.NoError(n, err)
		synctest.Wait()
		got := make(map[string]*v2.TelemetryCommand) // once more on a new connection, as the server wants one
		for len(replies) > 0 {
			reply := <-replies
			got[reply.GetThreadStackTrace().GetNonce()+reply.GetVerifyMessageResult().GetNonce()] = reply
		}
		trace := got["1"].GetThreadStackTrace().GetThreadStackTrace()
		require.True(n, strings.HasPrefix(trace, "goroutine "))
		require.Equal(n, v2.Code_NOT_IMPLEMENTED, got["2"].GetStatus().GetCode())
	})
}

func TestSession_FollowsTheRoute(t *testing.T) {
	onNetwork(t, pair, func(n *network) {
		var streams atomic.Int32
		n.at(pair[1]).telemetry = func(s telemetryServer) error {
			streams.Add(1)
			defer streams.Add(-1)
			return answerSettings(func(s *v2.Settings) *v2.Settings { return s })(s)
		}
		addresses := atomic.Pointer[[]string]{}
		addresses.Store(&single)
		n.at(pair[0]).route = func(_ context.Context, q *v2.QueryRouteRequest) (*v2.QueryRouteResponse, error) {
			return routeOver(q.GetTopic().GetName(), *addresses.Load()...), nil
		}
		_, err := n.producer().Send(n.Context(), message("orders", "x"))
		require.NoError(n, err)
		require.Zero(n, streams.Load())
		addresses.Store(&pair)
		time.Sleep(31 * time.Second)
		require.EqualValues(n, 1, streams.Load(), "opened when the route named it")
		addresses.Store(&single)
		time.Sleep(30 * time.Second)
		synctest.Wait()
		require.Zero(n, streams.Load(), "closed when it did not any more")
	})
}

// What a server sends may be for another kind of client, or make no sense. It is borne, and the
// defaults hold.
func TestSession_BearsSettingsOfAnotherKind(t *testing.T) {
	negative := durationpb.New(-time.Second)
	strange := []*v2.Settings{
		{},
		{PubSub: &v2.Settings_Publishing{}},
		{PubSub: &v2.Settings_Publishing{Publishing: &v2.Publishing{MaxBodySize: -1}}},
		{PubSub: &v2.Settings_Subscription{}},
		{PubSub: &v2.Settings_Subscription{Subscription: &v2.Subscription{
			ReceiveBatchSize: new(int32(-5)), LongPollingTimeout: negative}}},
		{BackoffPolicy: &v2.RetryPolicy{MaxAttempts: -1}},
		{BackoffPolicy: &v2.RetryPolicy{Strategy: &v2.RetryPolicy_CustomizedBackoff{}}},
		{BackoffPolicy: &v2.RetryPolicy{Strategy: &v2.RetryPolicy_CustomizedBackoff{CustomizedBackoff: &v2.CustomizedBackoff{
			Next: []*durationpb.Duration{nil, negative, {Seconds: math.MaxInt64}}}}}},
		{BackoffPolicy: &v2.RetryPolicy{Strategy: &v2.RetryPolicy_ExponentialBackoff{ExponentialBackoff: &v2.ExponentialBackoff{
			Initial: negative, Max: negative, Multiplier: float32(math.NaN())}}}},
		{Metric: &v2.Metric{On: true}},
		{ClientType: new(v2.ClientType(99)), RequestTimeout: negative},
	}
	onNetwork(t, single, func(n *network) {
		for _, settings := range strange {
			n.at(single[0]).script(func() {
				n.at(single[0]).telemetry = answerSettings(func(*v2.Settings) *v2.Settings { return settings })
			})
			p := n.producer()
			_, err := p.Send(n.Context(), message("orders", "x"))
			require.NoError(n, err, settings)
			require.NoError(n, p.Close())
			c := n.consumer("orders")
			got, err := c.Settings(n.Context())
			require.NoError(n, err, settings)
			require.GreaterOrEqual(n, got.ReceiveBatchSize, 0)
			require.GreaterOrEqual(n, got.LongPolling, time.Duration(0))
			require.GreaterOrEqual(n, got.MaxAttempts, 0)
			for attempt := range 5 {
				require.GreaterOrEqual(n, got.Backoff.Delay(attempt), time.Duration(0))
			}
			require.NoError(n, c.Close())
		}
	})
}

// Closing waits for a heartbeat that is being made, even where it cannot be broken off.
func TestSession_WaitsForItsHeartbeat(t *testing.T) {
	var slow chan struct{}
	var calls, returned atomic.Int32
	provider := func(context.Context) (client.Credentials, error) {
		if time.Since(bubbleStart()) >= 10*time.Second && calls.Add(1) == 1 { // the heartbeat, not the leave
			<-slow
			returned.Add(1)
		}
		return client.Credentials{}, nil
	}
	onNetwork(t, single, func(n *network) {
		slow = make(chan struct{})
		c := n.consumer("orders")
		_, err := c.Settings(n.Context())
		require.NoError(n, err)
		time.Sleep(10 * time.Second)
		synctest.Wait()
		closed := make(chan struct{})
		go func() {
			defer close(closed)
			_ = c.Close()
		}()
		time.Sleep(time.Minute)
		select {
		case <-closed:
			require.Fail(n, "closed while a heartbeat was under way")
		default:
		}
		close(slow)
		<-closed
		require.Positive(n, returned.Load())
	}, client.WithCredentialsFunc(provider))
}

// bubbleStart is when the time of every bubble begins.
func bubbleStart() time.Time { return time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC) }
