package client

import (
	"context"
	"errors"
	"io"
	"math"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"google.golang.org/protobuf/types/known/durationpb"
)

// shortestPoll is the least that servers wait, and the least of a deadline that they accept.
const shortestPoll = 5 * time.Second

// Receive polls one topic and returns up to maxMessages, of which servers give no more than 32 at
// once. If there are none, it waits as [WithAwait] says and then returns none, without an error. Several
// topics, and the brokers of a topic, are taken in turn, one at a call.
//
// The messages are invisible to others for the duration given, which servers want between 10 seconds
// and 12 hours, and come again if they are not settled by then.
//
// When ctx ends, Receive returns within 50 milliseconds: with messages, if that is enough for the rest
// of an answer that is on its way; otherwise with the cause. What had been fetched by then is handed
// back to the server, for immediate redelivery; an attempt is not counted for it, unless the group is
// FIFO.
func (sc *SimpleConsumer) Receive(ctx context.Context, maxMessages int, invisible time.Duration) ([]*Delivery, error) {
	switch {
	case maxMessages < 1:
		return nil, illegal(nil, "maxMessages", "is %d, must be at least 1", maxMessages)
	case invisible <= 0 || invisible > maxInvisible:
		return nil, illegal(ErrIllegalInvisibleDuration, "invisible", "is %v, must be positive and at most %v",
			invisible, maxInvisible)
	}
	if err := sc.consumer.begin(); err != nil {
		return nil, err
	}
	defer sc.consumer.pending.Done()
	ctx, stop := either(ctx, sc.consumer.polls)
	defer stop()
	t, err := sc.turn()
	if err != nil {
		return nil, err
	}
	q, err := sc.queue(ctx, t)
	if err != nil {
		return nil, err
	}
	allowed, err := sc.rate.take(ctx, maxMessages)
	if err != nil {
		return nil, err
	}
	got, err := sc.consumer.poll(ctx, q, sc.await, &v2.ReceiveMessageRequest{
		Group:              sc.consumer.group,
		MessageQueue:       q.proto,
		FilterExpression:   t.filter.proto(),
		BatchSize:          int32(min(allowed, math.MaxInt32)),
		InvisibleDuration:  durationpb.New(invisible),
		LongPollingTimeout: durationpb.New(sc.await),
	})
	sc.rate.giveBack(allowed - len(got))
	return got, err
}

// queue returns the queue of the topic whose turn it is, and makes sure that its server knows us: one
// that does not answers every poll with an internal error. A queue whose server is out of reach is
// passed over while there is another.
func (sc *SimpleConsumer) queue(ctx context.Context, t *subscription) (*queue, error) {
	r, err := sc.routeOf(ctx, t)
	if err != nil {
		return nil, err
	}
	n := uint32(len(r.readable))
	if n == 0 {
		t.route.Load().stale.Store(true)
		return nil, illegal(ErrForbidden, "topic", "%q has no queue that may be read: check its permission", t.topic)
	}
	turn := t.next.Add(1) - 1
	for i := range n {
		q := r.readable[(turn+i)%n]
		if s := sc.consumer.member.session(q.conn); s != nil && s.live.Load() {
			return q, nil
		}
	}
	q := r.readable[turn%n]
	s := sc.consumer.member.session(q.conn)
	if s == nil {
		return nil, closedError("consumer")
	}
	return q, s.await(ctx)
}

func (sc *SimpleConsumer) routeOf(ctx context.Context, t *subscription) (*route, error) {
	if known := t.route.Load(); known != nil {
		return sc.consumer.client.routes.load(ctx, known)
	}
	known, current, err := sc.consumer.client.routes.get(ctx, t.topic)
	if err != nil {
		return nil, err
	}
	t.route.Store(known)
	sc.consumer.member.use(known)
	return current, nil
}

// lastFrames is how long a poll whose context has ended may go on to read. A server believes delivered
// what it has written: broken off at once, such messages would be with nobody for a whole lease. A poll
// on a busy topic is more likely than not in the middle of its answer.
const lastFrames = 50 * time.Millisecond

// poll makes one request for messages.
func (c *consumer) poll(
	ctx context.Context, q *queue, await time.Duration, request *v2.ReceiveMessageRequest,
) ([]*Delivery, error) {
	got, err := c.fetch(ctx, q, await, request)
	return c.conclude(ctx, got, err)
}

// fetch makes one request for messages and reads the answer. The error says why there was none, or
// not all of it. The request gets the time that servers insist on, whatever deadline ctx has; when ctx
// ends, it is broken off after the time of lastFrames.
func (c *consumer) fetch(
	ctx context.Context, q *queue, await time.Duration, request *v2.ReceiveMessageRequest,
) (*received, error) {
	r := &received{consumer: c, queue: q, invisible: request.GetInvisibleDuration().AsDuration(),
		exchange: exchange{op: "receive from", target: q.proto.GetTopic().GetName(), endpoint: q.conn.name}}
	r.at.began = time.Now()
	patience := max(await, shortestPoll) + c.client.timeout
	free, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	stop := context.AfterFunc(ctx, cancel)
	stream, err := r.open(ctx, free, request)
	if !stop() && err == nil {
		err = r.interrupted(ctx)
	}
	if err != nil {
		return r, err
	}
	defer context.AfterFunc(ctx, func() { time.AfterFunc(lastFrames, cancel) })()
	if err := r.all(stream); err != nil {
		return r, r.transportError(ctx, err)
	}
	return r, nil
}

// received gathers the answer to a poll: a status and messages, in any order.
type received struct {
	exchange

	consumer  *consumer
	queue     *queue
	invisible time.Duration

	status     *v2.Status
	deliveries []*Delivery
	arrived    time.Time // of the first frame: leases count from here, at the latest
	at         pollTimes
}

type receiveStream interface {
	Recv() (*v2.ReceiveMessageResponse, error)
}

// open begins the request under free, which ends with ctx, the caller's context.
func (r *received) open(ctx, free context.Context, request *v2.ReceiveMessageRequest) (receiveStream, error) {
	signed, requestID, err := r.consumer.member.sign(free)
	if err != nil {
		return nil, err
	}
	r.requestID = requestID
	rpc, err := r.queue.conn.rpc(free)
	if err != nil {
		return nil, r.transportError(ctx, err)
	}
	stream, err := rpc.ReceiveMessage(signed, request)
	if err != nil {
		return nil, r.transportError(ctx, err)
	}
	return stream, nil
}

// all reads to the end, and returns nil there.
func (r *received) all(stream receiveStream) error {
	for {
		frame, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if r.arrived.IsZero() {
			r.arrived = time.Now()
		}
		if frame.GetStatus() != nil {
			r.status = frame.GetStatus()
		}
		if t := frame.GetDeliveryTimestamp(); t != nil {
			r.at.sent = t.AsTime()
		}
		if m := frame.GetMessage(); m != nil {
			r.deliveries = append(r.deliveries, r.delivery(m))
		}
	}
}

func (r *received) delivery(m *v2.Message) *Delivery {
	s := m.GetSystemProperties()
	lease := r.invisible
	if d := durationOf(s.GetInvisibleDuration()); d > 0 {
		lease = d
	}
	return &Delivery{
		Message:  decode(m, r.queue.broker),
		consumer: r.consumer,
		origin:   origin{m.GetTopic().GetName(), s.GetMessageId(), s.GetLiteTopic()},
		conn:     r.queue.conn,
		handle:   s.GetReceiptHandle(),
		original: s.GetReceiptHandle(),
		expires:  r.arrived.Add(lease),
	}
}

// conclude decides what becomes of the answer to a poll. Messages that have arrived are leased to us,
// so they are returned, whatever went wrong after them.
func (c *consumer) conclude(ctx context.Context, got *received, err error) ([]*Delivery, error) {
	switch {
	case ctx.Err() != nil && err != nil:
		c.handBack(got.deliveries)
		return nil, err
	case len(got.deliveries) > 0:
		if err != nil {
			c.client.cfg.log.Warn("poll broken off after the first messages", "endpoint", got.endpoint,
				"messages", len(got.deliveries), "error", err)
		}
		wanted, rest := c.client.observer.receive(ctx, c, got.deliveries, got.at)
		c.discard(rest)
		return wanted, nil
	case err != nil:
		return nil, c.pollFailed(ctx, got.queue, err)
	case got.status.GetCode() == v2.Code_MESSAGE_NOT_FOUND:
		return nil, nil // the protocol's way to say that there are none
	default:
		return nil, c.pollFailed(ctx, got.queue, got.statusError(got.status))
	}
}

// pollFailed draws the conclusions of a failure and returns it. A server that has lost our settings
// says so with an internal error, so they are sent again.
func (c *consumer) pollFailed(ctx context.Context, q *queue, err error) error {
	var refused *StatusError
	if !errors.As(err, &refused) || ctx.Err() != nil {
		return err
	}
	if refused.Code == int32(v2.Code_UNRECOGNIZED_CLIENT_TYPE) || errors.Is(err, ErrInternal) {
		if s := c.member.session(q.conn); s != nil {
			s.announceAgain()
		}
	}
	if errors.Is(err, ErrUnauthorized) {
		c.member.forget()
	}
	return gone(err)
}

// handBack returns messages that nobody waits for any more, so that they are redelivered at once. It
// does not hold up the call that fetched them; close waits for it.
func (c *consumer) handBack(deliveries []*Delivery) {
	for _, d := range deliveries {
		c.pending.Go(func() {
			if err := c.change(context.Background(), d, change{suspend: true}); err != nil {
				c.client.cfg.log.Warn("message not handed back: it comes again when its lease is over",
					"message", d.ID, "topic", d.Topic, "error", err)
			}
		})
	}
}

// discard acknowledges messages that an interceptor does not want. Like handBack it holds nobody up.
func (c *consumer) discard(deliveries []*Delivery) {
	if len(deliveries) == 0 {
		return
	}
	c.pending.Go(func() {
		a := &acks{consumer: c}
		for _, d := range deliveries {
			a.add(d)
		}
		a.send(context.Background())
		for _, f := range a.failed {
			c.client.cfg.log.Warn("unwanted message not acknowledged: it comes again",
				"message", f.Delivery.ID, "topic", f.Delivery.Topic, "error", f.Err)
		}
	})
}
