package client_test

import (
	"context"
	"fmt"
	"net"
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

	"github.com/rocketflow-io/rocketflow/client"
)

// breaking serves a stream until it is broken, and keeps the headers of each.
type breaking struct {
	mu      sync.Mutex
	headers []metadata.MD
	stop    chan struct{} // replaced by cut
}

func (b *breaking) serve(s telemetryServer) error {
	md, _ := metadata.FromIncomingContext(s.Context())
	b.mu.Lock()
	b.headers = append(b.headers, md)
	stop := b.stop
	b.mu.Unlock()
	answered := make(chan error, 1)
	go func() { answered <- answerSettings(func(s *v2.Settings) *v2.Settings { return s })(s) }()
	select {
	case <-stop:
		return status.Error(codes.Unavailable, "restarting")
	case err := <-answered:
		return err
	}
}

// cut breaks the streams under way and returns how many there have been.
func (b *breaking) cut() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	close(b.stop)
	b.stop = make(chan struct{})
	return len(b.headers)
}

func (b *breaking) streams() []metadata.MD {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.headers
}

func TestDefectB6_ABrokenStreamIsRepairedSoonEachTime(t *testing.T) {
	onNetwork(t, single, func(n *network) {
		b := &breaking{stop: make(chan struct{})}
		n.at(single[0]).telemetry = b.serve
		_, err := n.consumer("orders").Settings(n.Context())
		require.NoError(n, err)
		for i := range 5 {
			require.Equal(n, i+1, b.cut())
			time.Sleep(2 * time.Second)
			require.Len(n, b.streams(), i+2)
		}
		first := b.streams()[0]
		for _, md := range b.streams() {
			require.Equal(n, first.Get("x-mq-client-id"), md.Get("x-mq-client-id"))
			require.NotEmpty(n, md.Get("authorization"), "signed like every request")
		}
	}, client.WithCredentials("key", "secret"))
}

func TestDefectB7_OneFailureLeavesTheConnectionToAllOthers(t *testing.T) {
	var dials atomic.Int32
	var n *network
	dial := func(ctx context.Context, address string) (net.Conn, error) {
		dials.Add(1)
		return n.dial(ctx, address)
	}
	onNetwork(t, single, func(on *network) {
		n = on
		s, b := n.at(single[0]), &breaking{stop: make(chan struct{})}
		s.telemetry = b.serve
		s.send = func(context.Context, *v2.SendMessageRequest) (*v2.SendMessageResponse, error) {
			return nil, status.Error(codes.Unavailable, "for a moment")
		}
		s.receive = func(_ *v2.ReceiveMessageRequest, stream receiveServer) error {
			time.Sleep(3 * time.Second) // a long poll, which must outlive the failures of others
			return stream.Send(messageFrame("a"))
		}
		c := n.consumer("orders")
		polled := make(chan error, 1)
		go func() {
			_, err := c.Receive(n.Context(), 1, time.Minute)
			polled <- err
		}()
		p := n.producer()
		for range 5 {
			_, err := p.Send(n.Context(), message("orders", "x"))
			require.ErrorIs(n, err, client.ErrUnavailable)
		}
		require.NoError(n, <-polled)
		require.Len(n, b.streams(), 2, "one of the producer and one of the consumer, and none anew")
		require.EqualValues(n, 1, dials.Load())
	}, client.WithDialer(dial))
}

func TestDefectB8_ARefreshedRouteOpensSessionsAndIsAskedForOnce(t *testing.T) {
	onNetwork(t, pair, func(n *network) {
		var grown atomic.Bool
		var queries, sessions atomic.Int32
		n.at(pair[0]).route = func(_ context.Context, q *v2.QueryRouteRequest) (*v2.QueryRouteResponse, error) {
			queries.Add(1)
			time.Sleep(time.Second)
			if grown.Load() {
				return routeOver(q.GetTopic().GetName(), pair...), nil
			}
			return routeOver(q.GetTopic().GetName(), pair[0]), nil
		}
		n.at(pair[1]).telemetry = func(s telemetryServer) error {
			sessions.Add(1)
			return answerSettings(func(s *v2.Settings) *v2.Settings { return s })(s)
		}
		p := n.producer()
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() {
				_, err := p.Send(n.Context(), message("orders", "x"))
				require.NoError(n, err)
			})
		}
		wg.Wait()
		require.EqualValues(n, 1, queries.Load())
		grown.Store(true)
		time.Sleep(35 * time.Second)
		require.EqualValues(n, 2, queries.Load())
		require.EqualValues(n, 1, sessions.Load(), "without a message to the new broker")
	})
}

// The load balancing of producers keeps to masters with a queue that may be written.
func TestDefectB8_NothingIsSentToSlavesOrReadOnlyQueues(t *testing.T) {
	onNetwork(t, pair, func(n *network) {
		n.at(pair[0]).route = func(_ context.Context, q *v2.QueryRouteRequest) (*v2.QueryRouteResponse, error) {
			a := routeOver(q.GetTopic().GetName(), pair[0], pair[1], pair[1])
			a.MessageQueues[1].Broker.Id = 1
			a.MessageQueues[2].Permission = v2.Permission_READ
			return a, nil
		}
		p := n.producer()
		for range 10 {
			r, err := p.Send(n.Context(), message("orders", "x"))
			require.NoError(n, err)
			require.Equal(n, pair[0], r.Endpoint)
		}
	})
}

func TestDefectB13_AProducerNeedsNoTopicsToStart(t *testing.T) {
	onNetwork(t, single, func(n *network) {
		start := time.Now()
		_, err := n.producer().Send(n.Context(), message("orders", "x"))
		require.NoError(n, err)
		require.Zero(n, time.Since(start))
		// A server that never answers with settings is waited for once, and not forever.
		n.at(single[0]).script(func() {
			n.at(single[0]).telemetry = func(s telemetryServer) error { <-s.Context().Done(); return nil }
		})
		_, err = n.producer().Send(n.Context(), message("orders", "x"))
		require.NoError(n, err)
		require.Equal(n, client.DefaultRequestTimeout, time.Since(start))
	})
}

func TestDefectB18_AnAnswerGoesBackOnTheStreamThatAsked(t *testing.T) {
	onNetwork(t, pair, func(n *network) {
		first, second := newCommander(), newCommander(stackCommand("7"))
		n.at(pair[0]).telemetry, n.at(pair[1]).telemetry = first.serve, second.serve
		_, err := n.producer().Send(n.Context(), message("orders", "x"))
		require.NoError(n, err)
		synctest.Wait()
		require.Equal(n, "7", (<-second.replies).GetThreadStackTrace().GetNonce())
		require.Empty(n, first.replies)
	})
}

func TestDefectC1_OneGoroutineWritesToAStream(t *testing.T) {
	onNetwork(t, single, func(n *network) {
		const asked = 200
		commander := newCommander()
		n.at(single[0]).telemetry = commander.serve
		c := n.consumer("orders")
		_, err := c.Settings(n.Context())
		require.NoError(n, err)
		var wg sync.WaitGroup // settings and answers, written at the same time: the race detector sees it
		for i := range 8 {
			wg.Go(func() {
				for j := range asked / 8 {
					require.NoError(n, c.Subscribe("bills", client.Tag(fmt.Sprint(i, j))))
					commander.commands <- verifyCommand(fmt.Sprint(i, "-", j))
				}
			})
		}
		wg.Wait()
		synctest.Wait()
		require.NotEmpty(n, commander.replies)
	})
}

func TestDefectC2_SubscribingIsSafeWhileSettingsAreSent(t *testing.T) {
	onNetwork(t, single, func(n *network) {
		var seen announced
		n.at(single[0]).telemetry = seen.serve
		n.at(single[0]).receive = frames(nil, statusFrame(code(v2.Code_MESSAGE_NOT_FOUND)))
		c := n.consumer("orders")
		var wg sync.WaitGroup
		for i := range 8 {
			topic := fmt.Sprint("topic", i)
			wg.Go(func() {
				for range 50 {
					require.NoError(n, c.Subscribe(topic, client.All()))
					_, err := c.Receive(n.Context(), 1, time.Minute)
					require.NoError(n, err)
					c.Unsubscribe(topic)
				}
			})
		}
		wg.Wait()
		synctest.Wait()
		require.Equal(n, []string{"orders *"}, seen.topics())
	})
}

func TestDefectC3_SettingsMayChangeWhileTheyAreUsed(t *testing.T) {
	onNetwork(t, single, func(n *network) {
		var limit atomic.Int32
		n.at(single[0]).telemetry = answerSettings(func(s *v2.Settings) *v2.Settings {
			if p := s.GetPublishing(); p != nil {
				p.MaxBodySize = 100 + limit.Add(1)
			}
			if sub := s.GetSubscription(); sub != nil {
				sub.Fifo = new(limit.Add(1)%2 == 0)
			}
			return s
		})
		p, c := n.producer(), n.consumer("orders")
		var wg sync.WaitGroup
		for i := range 4 {
			wg.Go(func() {
				for j := range 25 { // each topic is new, so settings are exchanged again
					_, err := p.Send(n.Context(), message(fmt.Sprint("t", i, "-", j), "x"))
					require.NoError(n, err)
				}
			})
			wg.Go(func() {
				for j := range 25 {
					require.NoError(n, c.Subscribe(fmt.Sprint("t", i), client.Tag(fmt.Sprint(j))))
					_, err := c.Settings(n.Context())
					require.NoError(n, err)
				}
			})
		}
		wg.Wait()
	})
}

func TestDefectC4_TheAddressesOfARouteAreNotReorderedInPlace(t *testing.T) {
	answer := routeOver("orders", single...)
	addresses := []*v2.Address{{Host: "10.0.0.9", Port: 9}, {Host: "10.0.0.1", Port: 8081}, {Host: "10.0.0.5", Port: 5}}
	answer.MessageQueues[0].Broker.Endpoints.Addresses = addresses
	conn := instant{answer}
	p := producerOver(t, conn)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 20 {
				r, err := p.Send(t.Context(), message("orders", "x"))
				require.NoError(t, err)
				require.Equal(t, "10.0.0.1:8081;10.0.0.5:5;10.0.0.9:9", r.Endpoint)
			}
		})
	}
	wg.Wait()
	require.Equal(t, "10.0.0.9", answer.MessageQueues[0].Broker.Endpoints.Addresses[0].Host)
}

func TestDefectC6_NothingIsHeardOfAClosedClient(t *testing.T) {
	onNetwork(t, single, func(n *network) {
		var after atomic.Bool
		count := func(what string) {
			require.False(n, after.Load(), "%s after the client was closed", what)
		}
		s := n.at(single[0])
		s.heartbeat = func(ctx context.Context, q *v2.HeartbeatRequest) (*v2.HeartbeatResponse, error) {
			count("heartbeat")
			return wellHeartbeat(ctx, q)
		}
		inner := s.route
		s.route = func(ctx context.Context, q *v2.QueryRouteRequest) (*v2.QueryRouteResponse, error) {
			count("route query")
			return inner(ctx, q)
		}
		_, err := n.consumer("orders").Settings(n.Context())
		require.NoError(n, err)
		start := time.Now()
		require.NoError(n, n.client.Close())
		require.Less(n, time.Since(start), time.Second)
		after.Store(true)
		time.Sleep(2 * time.Minute)
	})
}

func TestDefectC7_ASilentBrokerDelaysTheHeartbeatsOfNoOther(t *testing.T) {
	onNetwork(t, pair, func(n *network) {
		var beats atomic.Int32
		n.at(pair[0]).heartbeat = func(ctx context.Context, _ *v2.HeartbeatRequest) (*v2.HeartbeatResponse, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}
		n.at(pair[1]).heartbeat = func(ctx context.Context, q *v2.HeartbeatRequest) (*v2.HeartbeatResponse, error) {
			beats.Add(1)
			return wellHeartbeat(ctx, q)
		}
		_, err := n.producer().Send(n.Context(), message("orders", "x"))
		require.NoError(n, err)
		time.Sleep(61 * time.Second)
		require.EqualValues(n, 6, beats.Load(), "every ten seconds")
	})
}

// The routes of topics are refreshed beside each other.
func TestDefectC7_ASlowRouteDelaysTheRefreshOfNoOther(t *testing.T) {
	onNetwork(t, single, func(n *network) {
		var slow atomic.Bool
		var quick atomic.Int32
		n.at(single[0]).route = func(ctx context.Context, q *v2.QueryRouteRequest) (*v2.QueryRouteResponse, error) {
			topic := q.GetTopic().GetName()
			if slow.Load() && topic != "quick" {
				<-ctx.Done()
				return nil, ctx.Err()
			}
			if topic == "quick" {
				quick.Add(1)
			}
			return routeOver(topic, single...), nil
		}
		p := n.producer()
		for _, topic := range []string{"slow1", "quick", "slow2"} {
			_, err := p.Send(n.Context(), message(topic, "x"))
			require.NoError(n, err)
		}
		slow.Store(true)
		time.Sleep(31 * time.Second)
		require.EqualValues(n, 2, quick.Load())
	})
}
