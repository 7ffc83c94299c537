package client

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"github.com/cenkalti/backoff/v4"

	"github.com/rocketflow-io/rocketflow/client/internal/endpoint"
)

const (
	routeRefresh      = 30 * time.Second
	routeAttempts     = 3
	parallelRefreshes = 8
)

// A route says where a topic's queues are. It is immutable: a refresh replaces it.
type route struct {
	writable []*queue // those of master brokers, in the server's order
	readable []*queue
	writers  int     // brokers with a writable queue
	conns    []*conn // of all queues, each once
	types    typeSet // what the topic takes; empty if the server did not say
}

// A queue is one queue of a topic and the connection that leads to it.
type queue struct {
	id     int32
	broker string
	conn   *conn
	proto  *v2.MessageQueue // as the server wrote it, to be sent back to it
}

type typeSet uint32

func (s typeSet) takes(t v2.MessageType) bool { return s == 0 || s&(1<<t) != 0 }

// A topicRoute is the route of one topic over time.
type topicRoute struct {
	topic   string
	current atomic.Pointer[route] // stored by the flight; never nil again once it has been stored
	stale   atomic.Bool           // set when the server contradicts current; cleared by a new one

	mu     sync.Mutex // guards flight; taken after that of the table, if both are
	flight *flight    // the query under way, which all who ask share
}

// fresh returns the current route unless there is none or it has proved wrong.
func (r *topicRoute) fresh() *route {
	if r.stale.Load() {
		return nil
	}
	return r.current.Load()
}

type flight struct {
	done  chan struct{} // closed when the others are set
	route *route
	err   error
}

// A routeTable knows the routes of the topics that somebody has asked for.
type routeTable struct {
	client *Client

	mu     sync.Mutex // guards topics
	topics map[string]*topicRoute
}

// get returns the route of a topic, queried first if need be. It will be kept up to date for as long as
// a member uses it.
func (t *routeTable) get(ctx context.Context, topic string) (*topicRoute, *route, error) {
	t.mu.Lock()
	r, ok := t.topics[topic]
	if !ok {
		r = &topicRoute{topic: topic}
		t.topics[topic] = r
	}
	if current := r.fresh(); current != nil {
		t.mu.Unlock()
		return r, current, nil
	}
	f := t.join(r) // with the table locked, so that discard cannot take r from under us
	t.mu.Unlock()
	current, err := t.wait(ctx, r, f)
	if err != nil {
		t.discard(r)
	}
	return r, current, err
}

// discard forgets a topic of which nothing is known and nothing asked, so that names which never
// existed do not gather.
func (t *routeTable) discard(r *topicRoute) {
	t.mu.Lock()
	defer t.mu.Unlock()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.flight == nil && r.current.Load() == nil && t.topics[r.topic] == r {
		delete(t.topics, r.topic)
	}
}

// load returns the current route, and asks the server only if there is none or it has proved wrong.
func (t *routeTable) load(ctx context.Context, r *topicRoute) (*route, error) {
	if current := r.fresh(); current != nil {
		return current, nil
	}
	return t.fetch(ctx, r)
}

// fetch asks the server, or waits for the answer that another caller has asked for.
func (t *routeTable) fetch(ctx context.Context, r *topicRoute) (*route, error) {
	return t.wait(ctx, r, t.join(r))
}

// join returns the query under way, begun if there is none; nil if the client is closed. The query
// does not end with the context of a caller, since others may wait for it.
func (t *routeTable) join(r *topicRoute) *flight {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.flight != nil {
		return r.flight
	}
	f := &flight{done: make(chan struct{})}
	if !t.client.spawn(func(ctx context.Context) { t.fly(ctx, r, f) }) {
		return nil
	}
	r.flight = f
	return f
}

func (t *routeTable) wait(ctx context.Context, r *topicRoute, f *flight) (*route, error) {
	if f == nil {
		return nil, closedError("client")
	}
	select {
	case <-f.done:
		return f.route, f.err
	case <-ctx.Done():
		return nil, t.client.unanswered(ctx, call{"query route of", r.topic})
	}
}

func (t *routeTable) fly(ctx context.Context, r *topicRoute, f *flight) {
	f.route, f.err = t.query(ctx, r.topic)
	var before *route
	if f.err == nil {
		before = r.current.Swap(f.route)
		r.stale.Store(false)
	} else if r.current.Load() != nil {
		f.err = gone(f.err)
	}
	r.mu.Lock()
	r.flight = nil
	r.mu.Unlock()
	close(f.done)
	if before != nil && !slices.Equal(before.conns, f.route.conns) {
		t.client.eachMember((*member).reconcile) // at once: whom a new broker does not know, it does not serve
	}
}

func (t *routeTable) query(ctx context.Context, topic string) (*route, error) {
	access := t.client.access
	q := &v2.QueryRouteRequest{Topic: t.client.resource(topic), Endpoints: access.endpoint.Proto()}
	var found *route
	attempt := func() error {
		a, x, err := invoke(ctx, &t.client.identity, access, call{"query route of", topic},
			v2.MessagingServiceClient.QueryRoute, q)
		if err == nil {
			found, err = t.build(x, a.GetMessageQueues())
		}
		if err != nil && !retryable(err) {
			return backoff.Permanent(err)
		}
		return err
	}
	err := backoff.Retry(attempt, backoff.WithContext(backoff.WithMaxRetries(newRetryBackoff(), routeAttempts-1), ctx))
	return found, err
}

// build makes a route of the queues that make sense.
func (t *routeTable) build(x exchange, queues []*v2.MessageQueue) (*route, error) {
	r := &route{}
	for _, q := range queues {
		c, err := t.client.connTo(q.GetBroker())
		if err != nil {
			t.client.cfg.log.Warn("route names a queue without a usable endpoint", "topic", x.target,
				"broker", q.GetBroker().GetName(), "error", err)
			continue
		}
		r.add(&queue{id: q.GetId(), broker: q.GetBroker().GetName(), conn: c, proto: q})
	}
	if len(r.conns) == 0 {
		return nil, &StatusError{Op: x.op, Target: x.target, Endpoint: x.endpoint, RequestID: x.requestID,
			Code: int32(v2.Code_OK), kind: ErrBadAnswer, advice: "it names no queue with a usable endpoint"}
	}
	return r, nil
}

// connTo returns the connection to a broker that a server names.
func (c *Client) connTo(b *v2.Broker) (*conn, error) {
	e, err := endpoint.FromProto(b.GetEndpoints())
	if rewrite := c.cfg.rewrite; err == nil && rewrite != nil {
		e, err = e.Rewrite(rewrite)
	}
	if err != nil {
		return nil, err
	}
	return c.conns.conn(e), nil
}

func (r *route) add(q *queue) {
	if !slices.Contains(r.conns, q.conn) {
		r.conns = append(r.conns, q.conn)
	}
	for _, t := range q.proto.GetAcceptMessageTypes() {
		if t > 0 && t < 32 {
			r.types |= 1 << t
		}
	}
	if q.proto.GetBroker().GetId() != 0 {
		return // a slave: it answers for none of its queues
	}
	switch q.proto.GetPermission() {
	case v2.Permission_READ:
		r.readable = append(r.readable, q)
	case v2.Permission_WRITE:
		r.addWritable(q)
	case v2.Permission_READ_WRITE:
		r.readable = append(r.readable, q)
		r.addWritable(q)
	}
}

func (r *route) addWritable(q *queue) {
	if !slices.ContainsFunc(r.writable, func(other *queue) bool { return other.broker == q.broker }) {
		r.writers++
	}
	r.writable = append(r.writable, q)
}

// run refreshes all routes for as long as the client lives.
func (t *routeTable) run(ctx context.Context) {
	ticker := time.NewTicker(routeRefresh)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			t.refresh(ctx)
		case <-ctx.Done():
			return
		}
	}
}

// refresh asks for all routes in use, several at a time, so that one slow answer does not delay the
// others. A route that cannot be had stays as it is: an old one is better than none.
func (t *routeTable) refresh(ctx context.Context) {
	used := make(map[*topicRoute]bool)
	t.client.eachMember(func(m *member) { m.eachTopic(func(r *topicRoute) { used[r] = true }) })
	t.forgetExcept(used)
	var wg sync.WaitGroup
	slots := make(chan struct{}, parallelRefreshes)
	for r := range used {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			if _, err := t.fetch(ctx, r); err != nil && ctx.Err() == nil && !errors.Is(err, ErrClosed) {
				t.client.cfg.log.Warn("route not refreshed", slog.String("topic", r.topic), slog.Any("error", err))
			}
		})
	}
	wg.Wait()
	t.client.conns.prune(ctx, t.conns())
}

// conns returns the connections that are in use: those of all routes, and that of the access point.
func (t *routeTable) conns() map[*conn]bool {
	used := map[*conn]bool{t.client.access: true}
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, r := range t.topics {
		if current := r.current.Load(); current != nil {
			for _, c := range current.conns {
				used[c] = true
			}
		}
	}
	return used
}

// forgetExcept forgets topics that no producer or consumer uses any more. Who has asked for one and is
// about to use it finds it outdated, and has it refreshed from then on.
func (t *routeTable) forgetExcept(used map[*topicRoute]bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for topic, r := range t.topics {
		if !used[r] {
			r.stale.Store(true)
			delete(t.topics, topic)
		}
	}
}
