package client_test

import (
	"context"
	"io"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"

	"github.com/rocketflow-io/rocketflow/client"
)

func TestClose_EndsPollsAndHandsBack(t *testing.T) {
	inBubble(t, func(r *rig) {
		c := r.consumer("G", "orders")
		polled := make(chan error)
		go func() {
			_, err := c.Receive(r.Context(), 1, time.Minute)
			polled <- err
		}()
		synctest.Wait()
		start := time.Now()
		require.NoError(r, c.Close())
		require.ErrorIs(r, <-polled, client.ErrClosed)
		require.Less(r, time.Since(start), time.Second)
		require.NoError(r, c.Close(), "again")
		_, err := c.Receive(r.Context(), 1, time.Minute)
		require.ErrorIs(r, err, client.ErrClosed)
		require.ErrorIs(r, c.Ack(r.Context()), client.ErrClosed)
	})
}

func TestClose_HandsBackBeforeItTakesLeave(t *testing.T) {
	onNetwork(t, single, func(n *network) {
		s := n.at(single[0])
		var (
			mu     sync.Mutex
			events []string
		)
		note := func(event string) {
			mu.Lock()
			defer mu.Unlock()
			events = append(events, event)
		}
		s.receive = func(_ *v2.ReceiveMessageRequest, stream receiveServer) error {
			if err := stream.Send(messageFrame("a")); err != nil {
				return err
			}
			<-stream.Context().Done()
			return nil
		}
		s.change = func(_ context.Context, q *v2.ChangeInvisibleDurationRequest) (*v2.ChangeInvisibleDurationResponse, error) {
			time.Sleep(100 * time.Millisecond)
			note("handed back " + q.GetMessageId())
			return &v2.ChangeInvisibleDurationResponse{Status: ok()}, nil
		}
		s.terminate = func(_ context.Context, q *v2.NotifyClientTerminationRequest) (*v2.NotifyClientTerminationResponse, error) {
			note("left " + q.GetGroup().GetName())
			return &v2.NotifyClientTerminationResponse{Status: ok()}, nil
		}
		c := n.consumer("orders")
		polled := make(chan error, 1)
		go func() {
			_, err := c.Receive(n.Context(), 1, time.Minute)
			polled <- err
		}()
		synctest.Wait()
		require.NoError(n, c.Close())
		require.ErrorIs(n, <-polled, client.ErrClosed)
		require.Equal(n, []string{"handed back a", "left G"}, events)
	})
}

func TestClose_TakesUnderASecondWhenTheServerIsSilent(t *testing.T) {
	onNetwork(t, single, func(n *network) {
		n.at(single[0]).terminate = func(ctx context.Context, _ *v2.NotifyClientTerminationRequest) (*v2.NotifyClientTerminationResponse, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}
		_, err := n.consumer("orders").Settings(n.Context())
		require.NoError(n, err)
		_, err = n.producer().Send(n.Context(), message("orders", "x"))
		require.NoError(n, err)
		start := time.Now()
		require.NoError(n, n.client.Close())
		require.Less(n, time.Since(start), time.Second)
	})
}

func TestClose_TakesUnderASecondWhenIdle(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.send("orders", "a")
		r.receive(r.consumer("G", "orders"), 1)
		start := time.Now()
		require.NoError(r, r.client.Close())
		require.NoError(r, r.client.Close())
		require.Less(r, time.Since(start), time.Second)
		_, err := r.client.NewProducer()
		require.ErrorIs(r, err, client.ErrClosed)
		_, err = r.client.NewSimpleConsumer("G", nil)
		require.ErrorIs(r, err, client.ErrClosed)
	})
}

func TestClose_GivesUpWhatAServerDoesNotAnswer(t *testing.T) {
	onNetwork(t, single, func(n *network) {
		n.at(single[0]).send = func(ctx context.Context, _ *v2.SendMessageRequest) (*v2.SendMessageResponse, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}
		p := n.producer(client.WithSenders(1), client.WithWindow(3))
		results := make(chan error, 10)
		for _, group := range []string{"", "g", "g", "g", "g"} { // more than the window holds
			go p.SendAsync(n.Context(), &client.Message{Topic: "orders", Body: []byte("x"), MessageGroup: group},
				func(_ client.Receipt, err error) { results <- err })
		}
		synctest.Wait()
		start := time.Now()
		require.NoError(n, p.Close())
		require.LessOrEqual(n, time.Since(start), 2*client.DefaultRequestTimeout)
		require.Len(n, results, 5)
		for range 5 {
			require.ErrorIs(n, <-results, client.ErrClosed)
		}
	})
}

func TestClose_GivesUpOnARouteThatDoesNotCome(t *testing.T) {
	onNetwork(t, single, func(n *network) {
		n.at(single[0]).route = func(ctx context.Context, _ *v2.QueryRouteRequest) (*v2.QueryRouteResponse, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}
		p := n.producer()
		sent := make(chan error, 1)
		go func() {
			_, err := p.Send(n.Context(), message("orders", "x"))
			sent <- err
		}()
		synctest.Wait()
		start := time.Now()
		require.NoError(n, p.Close())
		require.LessOrEqual(n, time.Since(start), client.DefaultRequestTimeout)
		require.ErrorIs(n, <-sent, client.ErrClosed)
	})
}

// lingering is a connection whose later route queries take a while to end when they are cancelled.
type lingering struct {
	instant
	note    func(event string)
	queries atomic.Int32
}

func (l *lingering) Invoke(ctx context.Context, method string, request, reply any, opts ...grpc.CallOption) error {
	if method == v2.MessagingService_QueryRoute_FullMethodName && l.queries.Add(1) > 1 {
		<-ctx.Done()
		time.Sleep(time.Second)
		l.note("query ended")
	}
	return l.instant.Invoke(ctx, method, request, reply, opts...)
}

func (l *lingering) Close() error {
	l.note("connection closed")
	return nil
}

func TestClose_WaitsForWhatRunsInTheBackground(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var (
			mu     sync.Mutex
			events []string
		)
		l := &lingering{instant: instant{routeOver("orders", single...)}, note: func(event string) {
			mu.Lock()
			defer mu.Unlock()
			events = append(events, event)
		}}
		c, err := client.New(single[0], client.WithConnect(func(context.Context, string) (grpc.ClientConnInterface, io.Closer, error) {
			return l, l, nil
		}))
		require.NoError(t, err)
		p, err := c.NewProducer()
		require.NoError(t, err)
		_, err = p.Send(t.Context(), message("orders", "x"))
		require.NoError(t, err)
		time.Sleep(31 * time.Second) // the route is being refreshed
		require.NoError(t, c.Close())
		mu.Lock()
		defer mu.Unlock()
		require.Equal(t, []string{"query ended", "connection closed"}, events)
	})
}
