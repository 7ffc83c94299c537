package client

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"

	"github.com/rocketflow-io/rocketflow/client/internal/siphash"
)

// Send sends one message and returns when it is stored. A failure that may pass is tried again, with
// another broker where there is one, up to [WithMaxAttempts] times: no connection, no answer, a server
// that is busy, failed, or timed out inside. After a lost answer, and after [ErrTimedOut], the message
// may have been stored already, and is then stored again under the same id.
//
// A message with a message group waits for those of its group that were sent before it, in whatever way.
//
// A NORMAL message goes at once if few of its topic are under way. Otherwise it waits for a request to
// end, at most a few milliseconds, and shares the next with others that wait. That makes many
// goroutines that call Send fast; for the price see [WithoutBatching]. The failure of one message, or
// the end of one context, does not harm the others.
//
// When ctx ends the call returns, and nothing is tried again; whether the message is stored is then
// unknown, unless the error is [ErrNotSent]: it was still waiting. An error is a [*StatusError],
// [*TransportError] or [*ArgumentError]; for the kinds see [ErrTopicNotFound] and its neighbours.
func (p *Producer) Send(ctx context.Context, m *Message) (Receipt, error) {
	if err := p.begin(); err != nil {
		return Receipt{}, err
	}
	defer p.pending.Done()
	m, sending, err := p.client.observer.send(ctx, p.member, m)
	if err != nil {
		return Receipt{}, err
	}
	r, err := p.sendNow(ctx, m)
	sending.end(r, err)
	return r, err
}

func (p *Producer) sendNow(ctx context.Context, m *Message) (Receipt, error) {
	s, err := p.prepare(ctx, m)
	if err != nil {
		return Receipt{}, err
	}
	return p.sendInTurn(ctx, s)
}

// sendInTurn sends a message in its turn, if it has one.
func (p *Producer) sendInTurn(ctx context.Context, s *shipment) (Receipt, error) {
	if s.alone && s.first().MessageGroup == "" {
		return p.sendAlone(ctx, s)
	}
	return p.outbox.send(ctx, s)
}

// A shipment is what goes in one request: one message, or several NORMAL ones of the same topic.
type shipment struct {
	publication *publication
	items       []*outgoing
	alone       bool // it must not share a request with others

	// What there is one of when there is one message comes with the shipment, in one allocation.
	one     [1]*outgoing
	receipt [1]Receipt
}

func newShipment(p *publication, o *outgoing, alone bool) *shipment {
	s := &shipment{publication: p, alone: alone, one: [1]*outgoing{o}}
	s.items = s.one[:]
	return s
}

func (s *shipment) first() *Message { return s.items[0].source }

// prepare checks and encodes a message.
func (p *Producer) prepare(ctx context.Context, m *Message) (*shipment, error) {
	return p.prepareAs(ctx, m, nil)
}

// prepareAs does so, and lets adjust, unless it is nil, make something particular of it.
func (p *Producer) prepareAs(ctx context.Context, m *Message, adjust func(*outgoing)) (*shipment, error) {
	if m == nil {
		return nil, illegal(nil, "message", "is nil")
	}
	if err := m.check(p.cfg.maxDelay); err != nil {
		return nil, err
	}
	pub, err := p.publication(ctx, m.Topic)
	if err != nil {
		return nil, err
	}
	o := encode(m, pub.resource, p.client.ids.Next(), p.client.host)
	if adjust != nil {
		adjust(o)
	}
	p.compressor.compress(o)
	if err := checkSize(o.message.Body, p.settings.Load().maxBody); err != nil {
		return nil, err
	}
	alone := p.cfg.unbatched || o.kind() != v2.MessageType_NORMAL || o.compressed()
	return newShipment(pub, o, alone), nil
}

// transmit makes attempts until one succeeds or there is no point in another. The receipts are in the
// order of the items. If some items of several failed, the error is a *partialError.
func (p *Producer) transmit(ctx context.Context, s *shipment) ([]Receipt, error) {
	choice := choice{start: s.publication.next.Add(1)}
	for attempt := 1; ; attempt++ {
		if p.work.Err() != nil {
			return nil, context.Cause(p.work)
		}
		q, err := p.choose(ctx, s, &choice)
		if err != nil {
			return nil, err
		}
		receipts, err := p.attempt(ctx, s, q)
		if err == nil || !retryable(err) { // an end of ctx is not retryable
			return receipts, err
		}
		if attempt >= p.cfg.maxAttempts {
			return nil, p.exhausted(err, attempt)
		}
		if err := p.pause(ctx, err, attempt, attempt >= choice.brokers); err != nil {
			return nil, err
		}
		for i, item := range s.items {
			s.items[i] = item.again()
		}
	}
}

func (p *Producer) exhausted(err error, attempts int) error {
	if attempts == 1 {
		return err
	}
	return fmt.Errorf("%w (%d attempts)", err, attempts)
}

// pause waits, as the server wishes, if it is busy or all brokers have been tried, and not at all if
// there is another one. A failure to wait is returned with what had failed before.
func (p *Producer) pause(ctx context.Context, failed error, attempt int, all bool) error {
	var wait time.Duration
	if all || errors.Is(failed, ErrThrottled) {
		wait = p.settings.Load().backoff.Delay(attempt)
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-p.work.Done():
		return fmt.Errorf("%w: not tried again: producer is %w", failed, ErrClosed)
	case <-ctx.Done():
		return fmt.Errorf("%w: not tried again: %w", failed, context.Cause(ctx))
	case <-timer.C:
		return nil
	}
}

// attempt makes one request.
func (p *Producer) attempt(ctx context.Context, s *shipment, q *queue) ([]Receipt, error) {
	request, now := s.request(), time.Now()
	for i, item := range s.items {
		request.Messages[i] = item.stamp(now, q)
	}
	what := call{"send", s.publication.resource.GetName()}
	a, x, err := invoke(ctx, &p.member.identity, q.conn, what, v2.MessagingServiceClient.SendMessage, request)
	err = gone(err)
	p.client.observer.attempted(ctx, p.member, what.target, now, err)
	p.learn(s, q, err)
	return s.receipts(a, x, err)
}

// request returns one with room for all messages. That for one message is part of it.
func (s *shipment) request() *v2.SendMessageRequest {
	if len(s.items) > 1 {
		return &v2.SendMessageRequest{Messages: make([]*v2.Message, len(s.items))}
	}
	o := s.items[0]
	o.request.Messages = o.messages[:]
	return &o.request
}

// learn draws the conclusions for sends to come.
func (p *Producer) learn(s *shipment, q *queue, err error) {
	switch {
	case err == nil:
		if q.conn.isolated.Load() { // a load is cheaper than a store that all cores see
			q.conn.isolated.Store(false)
		}
	case lostTouch(err):
		q.conn.isolated.Store(true)
	case errors.Is(err, ErrTopicNotFound), errors.Is(err, ErrMessageType), errors.Is(err, ErrForbidden):
		s.publication.route.stale.Store(true) // the topic is not any more what the route says
	}
}

// choice remembers, over the attempts of one send, which brokers have been tried.
type choice struct {
	start   uint32
	brokers int      // that may take the message
	last    *queue   // of the attempt before; nil at the first, so that a send which succeeds records nothing
	tried   []string // brokers
}

// choose returns the queue for the next attempt. Of a message group it is always the same one, since
// order holds within a queue only. The server chooses the queue by itself: what is chosen here is, in
// effect, the broker.
func (p *Producer) choose(ctx context.Context, s *shipment, c *choice) (*queue, error) {
	r, err := p.route(ctx, s.publication.route)
	if err != nil {
		return nil, err
	}
	topic, kind := s.publication.resource.GetName(), s.items[0].kind()
	if p.settings.Load().validate && !r.types.takes(kind) {
		s.publication.route.stale.Store(true)
		return nil, illegal(ErrMessageType, "message", "is of type %v, which topic %q does not take: "+
			"send it to another, or change the topic's message type", kind, topic)
	}
	if len(r.writable) == 0 {
		s.publication.route.stale.Store(true)
		return nil, illegal(ErrForbidden, "topic", "%q has no queue that may be written: check its permission", topic)
	}
	c.brokers = r.writers
	if group := s.first().MessageGroup; group != "" {
		c.brokers = 1
		return r.writable[siphash.Slot(group, len(r.writable))], nil
	}
	return c.next(r.writable), nil
}

// route returns the current route. One that has proved wrong is asked for anew, for as long as the
// producer works.
func (p *Producer) route(ctx context.Context, known *topicRoute) (*route, error) {
	if current := known.fresh(); current != nil {
		return current, nil
	}
	ctx, stop := either(ctx, p.work)
	defer stop()
	return p.client.routes.fetch(ctx, known)
}

// next prefers a broker that answers and has not been tried, then one that has not been tried, and
// begins again with all of them when there is none.
func (c *choice) next(queues []*queue) *queue {
	if c.last != nil {
		c.tried = append(c.tried, c.last.broker)
	}
	start := int(c.start % uint32(len(queues)))
	found := -1
	for i := range queues {
		at := (start + i) % len(queues)
		q := queues[at]
		if slices.Contains(c.tried, q.broker) {
			continue
		}
		if !q.conn.isolated.Load() {
			found = at
			break
		}
		if found < 0 {
			found = at
		}
	}
	if found < 0 {
		c.tried = c.tried[:0]
		found = start
	}
	c.last = queues[found]
	return c.last
}
