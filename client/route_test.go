package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"

	"github.com/rocketflow-io/rocketflow/internal/pacing"
)

// routes answers route queries alone, after a second.
type routes struct {
	mu    sync.Mutex // guards known
	known map[string]*v2.QueryRouteResponse
}

func (r *routes) of(topic string) *v2.QueryRouteResponse {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.known[topic]
}

func (r *routes) Invoke(ctx context.Context, method string, request, reply any, _ ...grpc.CallOption) error {
	if method != v2.MessagingService_QueryRoute_FullMethodName {
		return errors.New("not here")
	}
	if err := pacing.Wait(ctx, time.Second); err != nil {
		return err
	}
	a := reply.(*v2.QueryRouteResponse)
	a.Status = &v2.Status{Code: v2.Code_TOPIC_NOT_FOUND}
	if known := r.of(request.(*v2.QueryRouteRequest).GetTopic().GetName()); known != nil {
		a.Status, a.MessageQueues = known.Status, known.MessageQueues
	}
	return nil
}

func (r *routes) NewStream(context.Context, *grpc.StreamDesc, string, ...grpc.CallOption) (grpc.ClientStream, error) {
	return nil, errors.New("not here")
}

// A routing is a test with a client of routes.
type routing struct {
	*testing.T
	*routes
	client *Client
}

func withRoutes(t *testing.T, known map[string]*v2.QueryRouteResponse, test func(r *routing)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := &routes{known: known}
		c, err := New("10.0.0.1:1", WithConnect(func(context.Context, string) (grpc.ClientConnInterface, io.Closer, error) {
			return r, nil, nil
		}))
		require.NoError(t, err)
		test(&routing{t, r, c})
		require.NoError(t, c.Close())
		_, _, err = c.routes.get(t.Context(), "after")
		require.ErrorIs(t, err, ErrClosed)
	})
}

func oneQueue() *v2.QueryRouteResponse {
	return &v2.QueryRouteResponse{Status: &v2.Status{Code: v2.Code_OK}, MessageQueues: []*v2.MessageQueue{{
		Permission: v2.Permission_READ_WRITE,
		Broker:     &v2.Broker{Name: "b", Endpoints: &v2.Endpoints{Addresses: []*v2.Address{{Host: "10.0.0.1", Port: 1}}}},
	}}}
}

func TestRoutes_DoNotGatherNamesThatNeverExisted(t *testing.T) {
	withRoutes(t, nil, func(r *routing) {
		for i := range 5 {
			_, _, err := r.client.routes.get(r.Context(), fmt.Sprint("topic", i))
			require.ErrorIs(r, err, ErrTopicNotFound)
		}
		require.Empty(r, r.client.routes.topics)
	})
}

func TestRoutes_AnswerAllWhoWaitAlthoughOneGivesUp(t *testing.T) {
	withRoutes(t, map[string]*v2.QueryRouteResponse{"orders": oneQueue()}, func(r *routing) {
		short, cancel := context.WithTimeout(r.Context(), time.Millisecond)
		defer cancel()
		given := make(chan error)
		go func() {
			_, _, err := r.client.routes.get(short, "orders")
			given <- err
		}()
		synctest.Wait()
		start := time.Now()
		_, found, err := r.client.routes.get(r.Context(), "orders")
		require.NoError(r, err)
		require.Len(r, found.writable, 1)
		require.Equal(r, time.Second, time.Since(start))
		require.ErrorIs(r, <-given, context.DeadlineExceeded)
		require.Len(r, r.client.routes.topics, 1)
	})
}

func TestRoutes_StayWhenTheyCannotBeRefreshed(t *testing.T) {
	withRoutes(t, map[string]*v2.QueryRouteResponse{"orders": oneQueue()}, func(r *routing) {
		known, first, err := r.client.routes.get(r.Context(), "orders")
		require.NoError(r, err)
		user := &member{client: r.client, closed: true, topics: map[string]*topicRoute{"orders": known}}
		require.NoError(r, r.client.join(user, func() error { return nil }))
		r.mu.Lock()
		delete(r.known, "orders")
		r.mu.Unlock()
		time.Sleep(2 * routeRefresh)
		_, second, err := r.client.routes.get(r.Context(), "orders")
		require.NoError(r, err)
		require.Same(r, first, second)
	})
}

func TestRoutes_ForgetTopicsThatNobodyUses(t *testing.T) {
	withRoutes(t, map[string]*v2.QueryRouteResponse{"orders": oneQueue()}, func(r *routing) {
		known, first, err := r.client.routes.get(r.Context(), "orders")
		require.NoError(r, err)
		time.Sleep(2*routeRefresh + time.Second)
		synctest.Wait()
		require.Empty(r, r.client.routes.topics)
		again, err := r.client.routes.load(r.Context(), known)
		require.NoError(r, err)
		require.NotSame(r, first, again, "who has it still gets the present one")
	})
}

func TestRoutes_RefuseAnAnswerWithoutAUsableQueue(t *testing.T) {
	useless := oneQueue()
	useless.MessageQueues[0].Broker.Endpoints = nil
	useless.MessageQueues = append(useless.MessageQueues, nil)
	table := map[string]*v2.QueryRouteResponse{"orders": useless, "empty": {Status: &v2.Status{Code: v2.Code_OK}}, "bare": {}}
	withRoutes(t, table, func(r *routing) {
		for topic := range table {
			_, _, err := r.client.routes.get(r.Context(), topic)
			require.ErrorIs(r, err, ErrBadAnswer, topic)
		}
	})
}
