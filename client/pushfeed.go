package client

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"github.com/cenkalti/backoff/v4"
)

// assignmentPeriod is how often servers are asked what a consumer is to fetch.
const assignmentPeriod = 5 * time.Second

// A feed fetches one topic: it asks servers which queues are assigned to the consumer, and has an
// intake for each. For a group that is not FIFO there is one assignment a broker, of all its queues;
// otherwise one a queue.
type feed struct {
	pusher *pusher
	topic  string
	filter atomic.Pointer[Filter]
	ctx    context.Context // ended by unsubscribe, and with the fetching of the pusher
	cancel context.CancelCauseFunc
	next   int //  counts the servers asked, to take them in turn; used by run alone

	messages, bytes atomic.Int64 // of the topic, in the cache

	// Both are used by run, and before it by prepare, alone.
	route   *topicRoute // nil until there is one
	intakes map[assignment]*intake
}

// An assignment is what a poll can be about.
type assignment struct {
	broker string
	queue  int32 // -1 for all of the broker
	conn   *conn
}

func (p *pusher) newFeed(topic string, filter Filter) *feed {
	f := &feed{pusher: p, topic: topic, next: int(randomStart() >> 16), intakes: make(map[assignment]*intake)}
	f.filter.Store(&filter)
	f.ctx, f.cancel = context.WithCancelCause(p.fetching)
	return f
}

// prepare makes sure that the topic exists, which is asked three times if need be, and that a server
// accepts the consumer, for which there are as many attempts.
func (f *feed) prepare(ctx context.Context) error {
	r, err := f.current(ctx)
	if err != nil {
		return err
	}
	attempt := func() error {
		err := f.introduce(ctx, r)
		if err != nil && !retryable(err) {
			return backoff.Permanent(err)
		}
		return err
	}
	pause := backoff.WithMaxRetries(newRetryBackoff(), startAttempts-1)
	return backoff.Retry(attempt, backoff.WithContext(pause, ctx))
}

// introduce waits until one server of the route knows the consumer.
func (f *feed) introduce(ctx context.Context, r *route) error {
	outcomes := make(chan error, len(r.conns))
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for _, c := range r.conns {
		f.pusher.producers.Go(func() { outcomes <- f.await(ctx, c) })
	}
	var failed error
	for range r.conns {
		err := <-outcomes
		if err == nil {
			return nil
		}
		if failed == nil || !retryable(err) {
			failed = err // one that no waiting mends tells more
		}
	}
	return failed
}

// await returns nil when the server behind c knows the consumer.
func (f *feed) await(ctx context.Context, c *conn) error {
	s := f.pusher.consumer.member.session(c)
	if s == nil {
		return closedError("consumer")
	}
	return s.await(ctx)
}

// current returns the route, and has the member follow it from the first time on.
func (f *feed) current(ctx context.Context) (*route, error) {
	c := f.pusher.consumer
	if f.route != nil {
		return c.client.routes.load(ctx, f.route)
	}
	known, r, err := c.client.routes.get(ctx, f.topic)
	if err != nil {
		return nil, err
	}
	f.route = known
	f.pusher.use(f)
	return r, nil
}

// run keeps the intakes in step with the assignments until the feed ends, and waits for them.
func (f *feed) run() {
	var wg sync.WaitGroup
	defer func() {
		for a := range f.intakes {
			f.drop(a)
		}
		wg.Wait()
	}()
	ticker := time.NewTicker(assignmentPeriod)
	defer ticker.Stop()
	for {
		assigned, err := f.ask()
		switch {
		case f.ctx.Err() != nil:
			return
		case err != nil:
			// What is assigned stays so: nothing says that it is not.
			f.pusher.consumer.client.cfg.log.Warn("assignments not refreshed", "topic", f.topic,
				"client", f.pusher.consumer.member.id, "error", err)
		default:
			f.follow(assigned, &wg)
		}
		select {
		case <-ticker.C:
		case <-f.ctx.Done():
			return
		}
	}
}

// follow starts what is newly assigned, and ends what is not assigned any more. What the latter has
// fetched is consumed like all else.
func (f *feed) follow(assigned map[assignment]*queue, wg *sync.WaitGroup) {
	for a, q := range assigned {
		if f.intakes[a] == nil {
			in := f.newIntake(q)
			f.intakes[a] = in
			in.start(wg)
		}
	}
	for a := range f.intakes {
		if assigned[a] == nil {
			f.drop(a)
		}
	}
}

func (f *feed) drop(a assignment) {
	f.intakes[a].cancel(errNotAssigned)
	delete(f.intakes, a)
}

var errNotAssigned = errors.New("the queue is assigned to other consumers")

// ask queries the assignments.
func (f *feed) ask() (map[assignment]*queue, error) {
	r, err := f.current(f.ctx)
	if err != nil {
		return nil, err
	}
	c := f.pusher.consumer
	q := &v2.QueryAssignmentRequest{Topic: c.client.resource(f.topic), Group: c.group,
		Endpoints: c.client.access.endpoint.Proto()}
	a, x, err := invoke(f.ctx, &c.member.identity, f.server(r), call{"query assignments of", f.topic},
		v2.MessagingServiceClient.QueryAssignment, q)
	if err != nil {
		return nil, err
	}
	assigned := make(map[assignment]*queue)
	for _, one := range a.GetAssignments() {
		q, err := f.queue(r, one.GetMessageQueue())
		if err != nil {
			return nil, &StatusError{Op: x.op, Target: x.target, Endpoint: x.endpoint, RequestID: x.requestID,
				Code: int32(v2.Code_OK), kind: ErrBadAnswer, advice: "it assigns a queue without a usable endpoint"}
		}
		assigned[assignment{q.broker, q.id, q.conn}] = q
	}
	return assigned, nil
}

// server returns whom to ask: the access point if it is one of the topic's own, and otherwise one of
// those that have a queue, in turn, passing over those out of reach while there are others.
func (f *feed) server(r *route) *conn {
	c := f.pusher.consumer
	f.next++
	masters := r.readable
	if len(masters) == 0 {
		masters = r.writable
	}
	if len(masters) == 0 || slices.Contains(r.conns, c.client.access) {
		return c.client.access
	}
	for i := range masters {
		candidate := masters[(f.next+i)%len(masters)].conn
		if s := c.member.session(candidate); s != nil && s.live.Load() {
			return candidate
		}
	}
	return masters[f.next%len(masters)].conn
}

// queue returns the queue that a server has assigned. The connection to its broker is that which the
// route knows, if it knows the broker.
func (f *feed) queue(r *route, assigned *v2.MessageQueue) (*queue, error) {
	q := &queue{id: assigned.GetId(), broker: assigned.GetBroker().GetName(), proto: assigned}
	for _, known := range r.readable {
		if known.broker == q.broker {
			q.conn = known.conn
			return q, nil
		}
	}
	var err error
	q.conn, err = f.pusher.consumer.client.connTo(assigned.GetBroker())
	return q, err
}
