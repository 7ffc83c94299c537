package client

import (
	"context"
	"errors"
	"slices"
	"sync"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"

	"github.com/rocketflow-io/rocketflow/internal/pacing"
)

const (
	maxAckEntries  = 128 // of one request
	parallelAcks   = 8
	settleAttempts = 3
)

// Ack tells the server that messages are done with: many in one request for each endpoint and topic.
// A failure that may pass is tried again.
//
// If some could not be acknowledged, the error is an [*AckError] that says which and why, such as
// [ErrReceiptExpired]; they come again. Acknowledging twice is no error. When ctx ends, what the
// server has not confirmed by then is a failure, and may come again or not.
func (sc *SimpleConsumer) Ack(ctx context.Context, deliveries ...*Delivery) error {
	return sc.consumer.ack(ctx, deliveries)
}

func (c *consumer) ack(ctx context.Context, deliveries []*Delivery) error {
	if err := c.begin(); err != nil {
		return err
	}
	defer c.pending.Done()
	a := &acks{consumer: c}
	for i, d := range deliveries {
		if d == nil || d.consumer != c {
			a.abandon()
			return illegal(nil, "deliveries", "number %d was not received by this consumer", i)
		}
		a.add(d)
	}
	settling := c.client.observer.settle(ctx, c, ActionAck, deliveries...)
	a.send(ctx)
	settling.endExcept(a.failed)
	if len(a.failed) > 0 {
		return &AckError{Failed: a.failed, Size: len(deliveries)}
	}
	return nil
}

// acks is one call of Ack.
type acks struct {
	consumer *consumer
	requests []*ackRequest

	mu     sync.Mutex // guards failed
	failed []AckFailure
}

// ackRequest is what goes to one endpoint, of one topic.
type ackRequest struct {
	conn       *conn
	topic      string
	deliveries []*Delivery
	handles    []string
}

func (a *acks) add(d *Delivery) {
	if d.isAcked() {
		return
	}
	handle, err := d.claim()
	if errors.Is(err, ErrBusy) && a.has(d) {
		return // it was given twice
	}
	if err != nil {
		a.fail(d, err)
		return
	}
	r := a.request(d)
	r.deliveries = append(r.deliveries, d)
	r.handles = append(r.handles, handle)
}

func (a *acks) has(d *Delivery) bool {
	return slices.ContainsFunc(a.requests, func(r *ackRequest) bool { return slices.Contains(r.deliveries, d) })
}

// request returns the request in which there is room for d. Those that are called for last are at the
// end, and there are few.
func (a *acks) request(d *Delivery) *ackRequest {
	for i := len(a.requests) - 1; i >= 0; i-- {
		r := a.requests[i]
		if r.conn == d.conn && r.topic == d.origin.topic && len(r.deliveries) < maxAckEntries {
			return r
		}
	}
	r := &ackRequest{conn: d.conn, topic: d.origin.topic}
	a.requests = append(a.requests, r)
	return r
}

// abandon gives up what has been claimed.
func (a *acks) abandon() {
	for _, r := range a.requests {
		for _, d := range r.deliveries {
			d.release(open)
		}
	}
}

func (a *acks) fail(d *Delivery, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.failed = append(a.failed, AckFailure{d, err})
}

func (a *acks) send(ctx context.Context) {
	if len(a.requests) == 1 {
		a.settle(ctx, a.requests[0])
		return
	}
	var wg sync.WaitGroup
	slots := make(chan struct{}, parallelAcks)
	for _, r := range a.requests {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			a.settle(ctx, r)
		})
	}
	wg.Wait()
}

// settle repeats a request for what has failed in a way that may pass.
func (a *acks) settle(ctx context.Context, r *ackRequest) {
	pause := newRetryBackoff()
	for attempt := 1; ; attempt++ {
		errs := a.consumer.tryAck(ctx, r)
		last := attempt == settleAttempts || ctx.Err() != nil || a.consumer.polls.Err() != nil
		again := &ackRequest{conn: r.conn, topic: r.topic}
		for i, d := range r.deliveries {
			switch {
			case errs[i] == nil:
				d.release(acked)
			case !last && retryable(errs[i]):
				again.deliveries = append(again.deliveries, d)
				again.handles = append(again.handles, r.handles[i])
			default:
				d.release(open)
				a.fail(d, errs[i])
			}
		}
		if r = again; len(r.deliveries) == 0 {
			return
		}
		_ = pacing.Wait(ctx, pause.NextBackOff()) // cut short, the next attempt says so of each delivery
	}
}

// tryAck makes one request and returns what became of each delivery.
func (c *consumer) tryAck(ctx context.Context, r *ackRequest) []error {
	q := &v2.AckMessageRequest{Group: c.group, Topic: c.client.resource(r.topic),
		Entries: make([]*v2.AckMessageEntry, len(r.deliveries))}
	for i, d := range r.deliveries {
		q.Entries[i] = &v2.AckMessageEntry{
			MessageId: d.origin.id, ReceiptHandle: r.handles[i], LiteTopic: c.liteTopicOf(d)}
	}
	what := call{"acknowledge messages of", r.topic}
	a, x, err := invoke(ctx, &c.member.identity, r.conn, what, v2.MessagingServiceClient.AckMessage, q)
	errs := make([]error, len(r.deliveries))
	if len(a.GetEntries()) == 0 && (err != nil || a.GetStatus().GetCode() == v2.Code_OK) {
		for i := range errs {
			errs[i] = gone(err) // one for all
		}
		return errs
	}
	match(r, a.GetEntries(), func(i int, e *v2.AckMessageResultEntry) {
		switch {
		case e != nil:
			errs[i] = gone(x.statusError(e.GetStatus()))
		case a.GetStatus().GetCode() == v2.Code_OK:
		default:
			errs[i] = x.missing()
		}
	})
	return errs
}

// missing is the error of a message of which the answer says nothing.
func (x exchange) missing() error {
	return &StatusError{Op: x.op, Target: x.target, Endpoint: x.endpoint, RequestID: x.requestID,
		kind: ErrBadAnswer, advice: "it leaves out a message; it may come again"}
}

// match calls result for each delivery with its entry of the answer, nil if there is none. A server
// may answer in another order and with other handles, and the same message may be there twice, so
// entries go by id and handle, and what is left of them by id.
func match(r *ackRequest, entries []*v2.AckMessageResultEntry, result func(i int, e *v2.AckMessageResultEntry)) {
	type key struct{ id, handle string }
	exact := make(map[key]*v2.AckMessageResultEntry, len(entries))
	byID := make(map[string][]*v2.AckMessageResultEntry, len(entries))
	wanted := make(map[key]bool, len(r.deliveries))
	for i, d := range r.deliveries {
		wanted[key{d.origin.id, r.handles[i]}] = true
	}
	for _, e := range entries {
		k := key{e.GetMessageId(), e.GetReceiptHandle()}
		if wanted[k] && exact[k] == nil {
			exact[k] = e
		} else {
			byID[k.id] = append(byID[k.id], e)
		}
	}
	for i, d := range r.deliveries {
		k := key{d.origin.id, r.handles[i]}
		if e := exact[k]; e != nil {
			delete(exact, k) // an entry is about one delivery
			result(i, e)
			continue
		}
		left := byID[d.origin.id]
		if len(left) == 0 {
			result(i, nil)
			continue
		}
		byID[d.origin.id] = left[1:]
		result(i, left[0])
	}
}
