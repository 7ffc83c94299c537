package admin

import (
	"context"
	"errors"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestCreateTopic_SendsTypeQueuesAndPermission(t *testing.T) {
	server := serve(t, func(command) command { return command{} })
	require.NoError(t, server.client.CreateTopic(t.Context(), Topic{Name: "orders", Type: "FIFO", Queues: 8, Perm: PermRead}))
	require.NoError(t, server.client.CreateTopic(t.Context(), Topic{Name: "plain"}))

	orders, plain := server.requests()[0], server.requests()[1]
	require.Equal(t, codeCreateTopic, orders.Code)
	require.Equal(t, "+message.type=FIFO", orders.ExtFields["attributes"])
	require.Equal(t, "8", orders.ExtFields["writeQueueNums"])
	require.Equal(t, "4", orders.ExtFields["perm"])
	require.NotContains(t, plain.ExtFields, "attributes")
	require.Equal(t, "4", plain.ExtFields["readQueueNums"])
	require.Equal(t, "6", plain.ExtFields["perm"])
}

func TestCreateGroup_SendsTheRetryPolicyInMilliseconds(t *testing.T) {
	server := serve(t, func(command) command { return command{} })
	group := Group{Name: "g", Ordered: true, RetryMaxTimes: 3, Retry: &Exponential{Initial: 2 * time.Second, Max: time.Minute, Multiplier: 3}}
	require.NoError(t, server.client.CreateGroup(t.Context(), group))
	require.JSONEq(t, `{
		"groupName": "g", "consumeEnable": true, "consumeMessageOrderly": true, "retryMaxTimes": 3, "retryQueueNums": 1,
		"groupRetryPolicy": {"type": "EXPONENTIAL", "exponentialRetryPolicy": {"initial": 2000, "max": 60000, "multiplier": 3}}
	}`, string(server.requests()[0].body))
}

func TestCreateGroup_SetsTheAttributesOfLiteTopics(t *testing.T) {
	server := serve(t, func(command) command { return command{} })
	for _, lite := range []*Lite{
		{Parent: "events"},
		{Parent: "events", Exclusive: true, ResetOnTakeover: true, ResetOnUnsubscribe: true, Wildcard: true, Quota: 5},
	} {
		require.NoError(t, server.client.CreateGroup(t.Context(), Group{Name: "g", Lite: lite}))
	}
	plain, full := server.requests()[0], server.requests()[1]
	require.JSONEq(t, `{
		"groupName": "g", "consumeEnable": true, "consumeMessageOrderly": false, "retryMaxTimes": 0, "retryQueueNums": 1,
		"attributes": {"+lite.bind.topic": "events"}
	}`, string(plain.body))
	require.Contains(t, string(full.body), `"attributes":{"+lite.bind.topic":"events","+lite.sub.client.quota":"5",`+
		`"+lite.sub.model":"Exclusive","+lite.sub.reset.offset.exclusive":"true",`+
		`"+lite.sub.reset.offset.unsubscribe":"true","+lite.sub.wildcard":"true"}`)
}

func TestReadQueues_CountsThoseOfAllBrokers(t *testing.T) {
	server := serve(t, func(command) command {
		return command{body: []byte(`{"queueDatas":[{"readQueueNums":4},{"readQueueNums":2}]}`)}
	})
	n, err := server.client.ReadQueues(t.Context(), "orders")
	require.NoError(t, err)
	require.Equal(t, 6, n)
}

// A group that has not read from a queue has all of it before it.
func TestBacklog_SumsWhatTheGroupHasNotPassed(t *testing.T) {
	server := serve(t, func(req command) command {
		switch {
		case req.Code == codeMaxOffset:
			return command{ExtFields: map[string]string{"offset": "10"}}
		case req.ExtFields["queueId"] == "1":
			return command{Code: codeNoOffset}
		default:
			return command{ExtFields: map[string]string{"offset": "7"}}
		}
	})
	n, err := server.client.Backlog(t.Context(), "g", "orders", 2)
	require.NoError(t, err)
	require.EqualValues(t, 3+10, n)
}

func TestClient_TellsWhatTheServerRefused(t *testing.T) {
	server := serve(t, func(command) command { return command{Code: CodeTopicNotExist, Remark: "no route"} })
	_, err := server.client.ReadQueues(t.Context(), "orders")
	var refused *Error
	require.ErrorAs(t, err, &refused)
	require.Equal(t, CodeTopicNotExist, refused.Code)
	require.EqualError(t, err, `admin: query route of "orders": code 17: no route`)
}

// After a request that was cut short the answer to it must not be taken for the next one's.
func TestClient_GoesOnAfterARequestThatItsContextEnded(t *testing.T) {
	arrived := make(chan struct{})
	release := make(chan struct{})
	server := serve(t, func(req command) command {
		if req.ExtFields["topic"] == "slow" {
			close(arrived)
			<-release
		}
		return command{ExtFields: map[string]string{"offset": req.ExtFields["queueId"]}}
	})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-arrived
		cancel()
	}()
	_, err := server.client.MaxOffset(ctx, "slow", 1)
	require.Error(t, err)
	close(release)
	offset, err := server.client.MaxOffset(t.Context(), "orders", 2)
	require.NoError(t, err)
	require.EqualValues(t, 2, offset)
}

// fakeServer answers each request by a function.
type fakeServer struct {
	client   *Client
	listener net.Listener
	answer   func(command) command
	running  sync.WaitGroup

	mu   sync.Mutex // guards seen
	seen []command
}

func serve(t *testing.T, answer func(command) command) *fakeServer {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s := &fakeServer{client: New(listener.Addr().String()), listener: listener, answer: answer}
	s.running.Go(s.accept)
	t.Cleanup(func() {
		require.NoError(t, errors.Join(s.client.Close(), listener.Close()))
		s.running.Wait()
	})
	return s
}

func (s *fakeServer) accept() {
	for {
		conn, err := s.listener.Accept()
		if err != nil {
			return
		}
		s.running.Go(func() { s.converse(conn) })
	}
}

func (s *fakeServer) converse(conn net.Conn) {
	defer func() { _ = conn.Close() }()
	for {
		req, err := readFrame(conn)
		if err != nil {
			return
		}
		s.mu.Lock()
		s.seen = append(s.seen, req)
		s.mu.Unlock()
		resp := s.answer(req)
		resp.Opaque, resp.Flag = req.Opaque, 1
		if writeFrame(conn, resp) != nil {
			return
		}
	}
}

func (s *fakeServer) requests() []command {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.seen
}

func TestClient_TrustsNoConnectionThatWasIdleForLong(t *testing.T) {
	server := serve(t, func(command) command { return command{} })
	c := server.client
	require.NoError(t, c.CreateTopic(t.Context(), Topic{Name: "first"}))
	require.NoError(t, c.conn.Close()) // as the server does in the end
	c.used = time.Now().Add(-maxIdle)
	require.NoError(t, c.CreateTopic(t.Context(), Topic{Name: "second"}))
	require.Len(t, server.requests(), 2)
}
