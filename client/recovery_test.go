package client_test

import (
	"context"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/rocketflow-io/rocketflow/client"
)

// dials counts the connections to each address.
type dials struct {
	mu         sync.Mutex // guards what follows
	made, open map[string]int
}

// through replaces the client of n by one whose connections are counted.
func (d *dials) through(n *network) {
	d.made, d.open = make(map[string]int), make(map[string]int)
	require.NoError(n, n.client.Close())
	var err error
	n.client, err = client.New(single[0], client.WithPlaintext(), client.WithDialer(
		func(ctx context.Context, address string) (net.Conn, error) {
			c, err := n.dial(ctx, address)
			if err != nil {
				return nil, err
			}
			d.count(address, 1)
			return &countedConn{Conn: c, closed: sync.OnceFunc(func() { d.count(address, -1) })}, nil
		}))
	require.NoError(n, err)
}

func (d *dials) count(address string, by int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.made[address] += max(by, 0)
	d.open[address] += by
}

// of returns how many connections there have been, and how many there are.
func (d *dials) of(address string) (made, open int) {
	synctest.Wait()
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.made[address], d.open[address]
}

type countedConn struct {
	net.Conn
	closed func()
}

func (c *countedConn) Close() error {
	c.closed()
	return c.Conn.Close()
}

func silentHeartbeat(ctx context.Context, _ *v2.HeartbeatRequest) (*v2.HeartbeatResponse, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

func TestRecovery_ReplacesAConnectionOverWhichNothingIsAnswered(t *testing.T) {
	onNetwork(t, pair, func(n *network) {
		var d dials
		d.through(n)
		var seen announced
		sick := n.at(pair[1])
		sick.telemetry, sick.heartbeat = seen.serve, silentHeartbeat
		released := make(chan struct{})
		for _, address := range pair {
			n.at(address).receive = func(_ *v2.ReceiveMessageRequest, s grpc.ServerStreamingServer[v2.ReceiveMessageResponse]) error {
				<-released
				return s.Send(messageFrame("late"))
			}
		}
		c := n.consumer("orders")
		_, err := c.Settings(n.Context())
		require.NoError(n, err)
		time.Sleep(10 * time.Second)
		polls := make(chan error, 2)
		for range 2 { // one at each server, in turn
			go func() {
				got, err := c.Receive(n.Context(), 1, time.Minute)
				if err == nil && len(got) != 1 {
					err = errUnwelcome
				}
				polls <- err
			}()
		}
		time.Sleep(13*time.Second - time.Millisecond)
		made, _ := d.of(pair[1])
		require.Equal(n, 1, made, "one silence may be chance")
		time.Sleep(2 * time.Millisecond)
		made, open := d.of(pair[1])
		require.Equal(n, []int{2, 2}, []int{made, open}, "after the second")
		require.Equal(n, 2, seen.count(), "the session has moved")
		sick.script(func() { sick.heartbeat = wellHeartbeat })
		close(released)
		require.NoError(n, <-polls, "what was under way goes on")
		require.NoError(n, <-polls)
		made, _ = d.of(pair[0])
		require.Equal(n, 1, made, "the other server is not concerned")
		time.Sleep(30 * time.Second)
		_, open = d.of(pair[1])
		require.Equal(n, 1, open, "the old connection is closed when all on it had time to end")
	})
}

func TestRecovery_WaitsBetweenTwoConnections(t *testing.T) {
	onNetwork(t, single, func(n *network) {
		var d dials
		d.through(n)
		n.at(single[0]).heartbeat = silentHeartbeat
		_, err := n.consumer("orders").Settings(n.Context())
		require.NoError(n, err)
		time.Sleep(24 * time.Second) // silences end at 13, 23, 33, 43 and 53 seconds
		made, _ := d.of(single[0])
		require.Equal(n, 2, made)
		time.Sleep(28 * time.Second)
		made, _ = d.of(single[0])
		require.Equal(n, 2, made)
		time.Sleep(2 * time.Second)
		made, _ = d.of(single[0])
		require.Equal(n, 3, made, "30 seconds after the last")
	})
}

func TestRecovery_ReplacesAConnectionThatStandsWhileItsServerIsAway(t *testing.T) {
	onNetwork(t, single, func(n *network) {
		var d dials
		d.through(n)
		var seen announced
		s := n.at(single[0])
		s.telemetry = seen.serve
		s.heartbeat = func(context.Context, *v2.HeartbeatRequest) (*v2.HeartbeatResponse, error) {
			return nil, status.Error(codes.Unavailable, "no healthy upstream")
		}
		_, err := n.consumer("orders").Settings(n.Context())
		require.NoError(n, err)
		time.Sleep(10*time.Second + time.Millisecond)
		made, _ := d.of(single[0])
		require.Equal(n, 2, made)
		require.Equal(n, 2, seen.count())
	})
}

func TestRecovery_LeavesAConnectionAloneThatAnswers(t *testing.T) {
	onNetwork(t, single, func(n *network) {
		var d dials
		d.through(n)
		calls := 0
		n.at(single[0]).heartbeat = func(ctx context.Context, q *v2.HeartbeatRequest) (*v2.HeartbeatResponse, error) {
			if calls++; calls%2 == 1 {
				return silentHeartbeat(ctx, q)
			}
			return &v2.HeartbeatResponse{Status: code(v2.Code_INTERNAL_ERROR)}, nil
		}
		_, err := n.consumer("orders").Settings(n.Context())
		require.NoError(n, err)
		time.Sleep(5 * time.Minute)
		made, _ := d.of(single[0])
		require.Equal(n, 1, made)
	})
}

func TestRecovery_GivesUpAConnectionOnWhichSettingsAreNotAnswered(t *testing.T) {
	onNetwork(t, single, func(n *network) {
		var d dials
		d.through(n)
		n.at(single[0]).telemetry = func(s telemetryServer) error { <-s.Context().Done(); return nil }
		_, err := n.consumer("orders").Settings(n.Context())
		require.ErrorIs(n, err, client.ErrNoAnswer)
		made, _ := d.of(single[0])
		require.Equal(n, 1, made)
		time.Sleep(client.DefaultRequestTimeout + time.Second)
		made, _ = d.of(single[0])
		require.Equal(n, 2, made)
	})
}

func TestReconnect_TakesANewConnectionAtTheServersCommand(t *testing.T) {
	onNetwork(t, single, func(n *network) {
		var d dials
		d.through(n)
		reconnect := &v2.TelemetryCommand{Command: &v2.TelemetryCommand_ReconnectEndpointsCommand{}}
		server := newCommander(reconnect)
		s := n.at(single[0])
		s.telemetry = server.serve
		s.heartbeat = func(context.Context, *v2.HeartbeatRequest) (*v2.HeartbeatResponse, error) {
			return nil, status.Error(codes.Unavailable, "no healthy upstream")
		}
		c := n.consumer("orders")
		_, err := c.Settings(n.Context())
		require.NoError(n, err)
		made, _ := d.of(single[0])
		require.Equal(n, 2, made)
		server.commands <- reconnect
		made, _ = d.of(single[0])
		require.Equal(n, 2, made, "not twice in a second")
		time.Sleep(30*time.Second + time.Millisecond)
		made, _ = d.of(single[0])
		require.Equal(n, 3, made, "by the heartbeat")
		time.Sleep(2 * time.Second)
		server.commands <- reconnect
		made, _ = d.of(single[0])
		require.Equal(n, 4, made, "a command knows no cooldown")
		// The session stands, and is asked over the new connection.
		server.commands <- stackCommand("1")
		synctest.Wait()
		require.Equal(n, "1", (<-server.replies).GetThreadStackTrace().GetNonce())
		start := time.Now()
		require.NoError(n, n.client.Close())
		require.Zero(n, time.Since(start))
		_, open := d.of(single[0])
		require.Zero(n, open, "old connections are closed with the client")
	})
}

func TestConn_IsGivenUpWhenItHasBeenIdleForLong(t *testing.T) {
	onNetwork(t, pair, func(n *network) {
		var d dials
		d.through(n)
		n.at(pair[1]).receive = frames(nil, messageFrame("a"))
		n.at(pair[0]).receive = frames(nil)
		n.at(pair[1]).ack = func(_ context.Context, q *v2.AckMessageRequest) (*v2.AckMessageResponse, error) {
			return &v2.AckMessageResponse{Status: ok()}, nil
		}
		c := n.consumer("orders")
		var got []*client.Delivery
		for len(got) == 0 {
			var err error
			got, err = c.Receive(n.Context(), 1, 12*time.Hour)
			if err != nil {
				require.ErrorIs(n, err, client.ErrBadAnswer)
			}
		}
		s := n.at(pair[0])
		s.script(func() {
			s.route = func(_ context.Context, q *v2.QueryRouteRequest) (*v2.QueryRouteResponse, error) {
				return routeOver(q.GetTopic().GetName(), single...), nil
			}
		})
		time.Sleep(30 * time.Minute)
		_, open := d.of(pair[1])
		require.Equal(n, 1, open)
		time.Sleep(2 * time.Minute)
		_, open = d.of(pair[1])
		require.Zero(n, open)
		_, open = d.of(pair[0])
		require.Equal(n, 1, open, "in use")
		require.NoError(n, c.Ack(n.Context(), got...), "what came over it can still be settled")
	})
}

func TestHeartbeat_HasSendsTrustAServerAgain(t *testing.T) {
	onNetwork(t, pair, func(n *network) {
		s := n.at(pair[1])
		well := s.send
		p := n.producer()
		_, err := p.Send(n.Context(), message("orders", "x"))
		require.NoError(n, err)
		synctest.Wait() // the sessions stand, of which each answer restores trust as well
		s.script(func() {
			s.send = func(context.Context, *v2.SendMessageRequest) (*v2.SendMessageResponse, error) {
				return nil, status.Error(codes.Unavailable, "starting")
			}
		})
		took := func() map[string]bool {
			endpoints := make(map[string]bool)
			for range 6 {
				r, err := p.Send(n.Context(), message("orders", "x"))
				require.NoError(n, err)
				endpoints[r.Endpoint] = true
			}
			return endpoints
		}
		require.Equal(n, map[string]bool{pair[0]: true}, took())
		s.script(func() { s.send = well })
		time.Sleep(9 * time.Second)
		require.Equal(n, map[string]bool{pair[0]: true}, took(), "nothing has been heard of the other")
		time.Sleep(2 * time.Second)
		require.Equal(n, map[string]bool{pair[0]: true, pair[1]: true}, took())
	})
}
