package client

import (
	"context"
	"fmt"
	"maps"
	"time"
)

// An observer tells interceptors, tracers and meters what a client does. It is nil for a client that
// nobody observes: its methods can be called all the same, and then cost a comparison.
type observer struct {
	interceptors []Interceptor
	tracer       *tracer // nil if nobody traces
	meters       meters
}

func newObserver(c *Client) (*observer, error) {
	cfg := &c.cfg
	if len(cfg.interceptors) == 0 && cfg.meters == nil && cfg.tracers == nil && cfg.export == nil {
		return nil, nil
	}
	o := &observer{interceptors: cfg.interceptors, tracer: newTracer(cfg)}
	if cfg.meters != nil {
		var err error
		if o.meters.own, err = newInstruments(cfg.meters, c); err != nil {
			return nil, &OptionError{"WithMeterProvider", "it makes no instruments: " + err.Error()}
		}
	}
	return o, nil
}

// close ends the measuring of what is not there any more.
func (o *observer) close() error {
	if o == nil || o.meters.own == nil {
		return nil
	}
	return o.meters.own.gauges.Unregister()
}

// attempted measures a request to send messages of a topic.
func (o *observer) attempted(ctx context.Context, m *member, topic string, began time.Time, err error) {
	if o == nil {
		return
	}
	o.meters.record(ctx, sendCost, time.Since(began), subject{m, topic, outcomeOf(err)})
}

// A sending is the sending of one message, from the call that asks for it to its outcome.
type sending struct {
	span span
	sent []func(Receipt, error)
}

// send begins the sending of a message and returns what is to be sent in its stead. Without an error,
// end is to be called with the outcome.
func (o *observer) send(ctx context.Context, by *member, m *Message) (*Message, sending, error) {
	if o == nil || m == nil {
		return m, sending{}, nil
	}
	changed := *m // the caller's own may be in use elsewhere
	changed.Properties = maps.Clone(m.Properties)
	if changed.Properties == nil {
		changed.Properties = make(map[string]string)
	}
	s := sending{span: o.tracer.send(ctx, &changed, by)}
	for _, i := range o.interceptors {
		if i.Send == nil {
			continue
		}
		sent, err := i.Send(ctx, &changed)
		if sent != nil {
			s.sent = append(s.sent, sent)
		}
		if err != nil {
			err = fmt.Errorf("client: send %q: refused by an interceptor: %w", m.Topic, err)
			s.end(Receipt{}, err)
			return nil, sending{}, err
		}
	}
	return &changed, s, nil
}

func (s sending) end(r Receipt, err error) {
	for i := len(s.sent) - 1; i >= 0; i-- {
		s.sent[i](r, err)
	}
	s.span.sent(r, err)
}

// before returns done after end.
func (s sending) before(done func(Receipt, error)) func(Receipt, error) {
	if s.sent == nil && s.span == (span{}) {
		return done
	}
	return func(r Receipt, err error) {
		s.end(r, err)
		done(r, err)
	}
}

// pollTimes are when a poll began, and when its server let the messages go, by the clock of the server;
// zero if it did not say.
type pollTimes struct{ began, sent time.Time }

// receive is told what a poll has brought, and returns what is wanted of it. The caller acknowledges
// the rest.
func (o *observer) receive(
	ctx context.Context, c *consumer, deliveries []*Delivery, at pollTimes,
) (wanted, rest []*Delivery) {
	if o == nil || len(deliveries) == 0 {
		return deliveries, nil
	}
	if d := time.Since(at.sent); !at.sent.IsZero() && d >= 0 { // clocks differ
		o.meters.record(ctx, deliveryLatency, d, subject{member: c.member, topic: deliveries[0].Topic})
	}
	o.tracer.receive(ctx, deliveries, at.began, c.member)
	wanted = deliveries[:0]
	for _, d := range deliveries {
		if o.wants(ctx, c, d.Message) {
			wanted = append(wanted, d)
		} else {
			rest = append(rest, d)
		}
	}
	return wanted, rest
}

func (o *observer) wants(ctx context.Context, c *consumer, m *Message) bool {
	for _, i := range o.interceptors {
		if i.Receive != nil && !i.Receive(ctx, c.group.GetName(), m) {
			return false
		}
	}
	return true
}

// A consumption is one call of a handler.
type consumption struct {
	observer *observer // nil if there is nobody to tell
	subject  subject
	ctx      context.Context // of the span
	began    time.Time
	span     span
	consumed finishers
}

// consume begins a consumption of a message that has waited in the cache since it arrived. The context
// is the handler's; end is to be called with its error.
func (o *observer) consume(
	ctx context.Context, c *consumer, m *Message, arrived time.Time,
) (context.Context, consumption) {
	if o == nil {
		return ctx, consumption{}
	}
	n := consumption{observer: o, subject: subject{member: c.member, topic: m.Topic}, began: time.Now()}
	o.meters.record(ctx, awaitTime, n.began.Sub(arrived), n.subject)
	ctx, n.span = o.tracer.process(ctx, m, c.member)
	n.ctx = ctx
	for _, i := range o.interceptors {
		if i.Consume == nil {
			continue
		}
		handler, consumed := i.Consume(ctx, c.group.GetName(), m)
		if handler != nil {
			ctx = handler
		}
		if consumed != nil {
			n.consumed = append(n.consumed, consumed)
		}
	}
	return ctx, n
}

func (n consumption) end(err error) {
	if n.observer == nil {
		return
	}
	n.consumed.end(err)
	n.subject.outcome = outcomeOf(err)
	n.observer.meters.record(n.ctx, processTime, time.Since(n.began), n.subject)
	n.span.end(err)
}

// A settlement is the settling of deliveries, from the first attempt to the outcome.
type settlement struct {
	span       span
	deliveries []*Delivery
	settled    []finishers // for each delivery; nil if there is nobody to tell
}

// settle begins a settlement of several deliveries by one call.
func (o *observer) settle(ctx context.Context, c *consumer, action Action, deliveries ...*Delivery) settlement {
	if o == nil || len(deliveries) == 0 {
		return settlement{}
	}
	s := settlement{
		span:       o.tracer.settle(ctx, deliveries, action, c.member),
		deliveries: deliveries, settled: make([]finishers, len(deliveries)),
	}
	for i, d := range deliveries {
		for _, other := range o.interceptors {
			if other.Settle == nil {
				continue
			}
			if settled := other.Settle(ctx, c.group.GetName(), d.Message, action); settled != nil {
				s.settled[i] = append(s.settled[i], settled)
			}
		}
	}
	return s
}

// end tells that all have the same outcome.
func (s settlement) end(err error) {
	for _, settled := range s.settled {
		settled.end(err)
	}
	s.span.end(err)
}

// endExcept tells that all but some are settled.
func (s settlement) endExcept(failed []AckFailure) {
	if len(s.settled) == 0 {
		return
	}
	errs := make(map[*Delivery]error, len(failed))
	var first error
	for _, f := range failed {
		errs[f.Delivery] = f.Err
		if first == nil {
			first = f.Err
		}
	}
	for i, settled := range s.settled {
		settled.end(errs[s.deliveries[i]])
	}
	s.span.end(first)
}

// finishers are what is to be called with an outcome, in the opposite order.
type finishers []func(error)

func (f finishers) end(err error) {
	for i := len(f) - 1; i >= 0; i-- {
		f[i](err)
	}
}
