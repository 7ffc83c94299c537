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
}

func newObserver(c *config) *observer {
	if len(c.interceptors) == 0 {
		return nil
	}
	return &observer{interceptors: c.interceptors}
}

// finishers are what is to be called with an outcome, in the opposite order.
type finishers []func(error)

func (f finishers) end(err error) {
	for i := len(f) - 1; i >= 0; i-- {
		f[i](err)
	}
}

// A sending is the sending of one message, from the call that asks for it to its outcome.
type sending struct {
	sent []func(Receipt, error)
}

// send begins the sending of a message and returns what is to be sent in its stead. Without an error,
// end is to be called with the outcome.
func (o *observer) send(ctx context.Context, _ *member, m *Message) (*Message, sending, error) {
	if o == nil || m == nil {
		return m, sending{}, nil
	}
	var s sending
	changed := *m // the caller's own may be in use elsewhere
	changed.Properties = maps.Clone(m.Properties)
	if changed.Properties == nil {
		changed.Properties = make(map[string]string)
	}
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
}

// before returns done after end.
func (s sending) before(done func(Receipt, error)) func(Receipt, error) {
	if s.sent == nil {
		return done
	}
	return func(r Receipt, err error) {
		s.end(r, err)
		done(r, err)
	}
}

// receive is told what a poll has brought, and when its server says that it let it go, if it does. It
// returns what is wanted of it. The caller acknowledges the rest.
func (o *observer) receive(
	ctx context.Context, c *consumer, deliveries []*Delivery, _ time.Time,
) (wanted, rest []*Delivery) {
	if o == nil || len(deliveries) == 0 {
		return deliveries, nil
	}
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
	finishers finishers
}

// consume begins a consumption of a message that has waited in the cache since it arrived. The context
// is the handler's; end is to be called with its error.
func (o *observer) consume(
	ctx context.Context, c *consumer, m *Message, _ time.Time,
) (context.Context, consumption) {
	var n consumption
	if o == nil {
		return ctx, n
	}
	for _, i := range o.interceptors {
		if i.Consume == nil {
			continue
		}
		handler, consumed := i.Consume(ctx, c.group.GetName(), m)
		if handler != nil {
			ctx = handler
		}
		if consumed != nil {
			n.finishers = append(n.finishers, consumed)
		}
	}
	return ctx, n
}

func (n consumption) end(err error) { n.finishers.end(err) }

// A settlement is the settling of one delivery, from the first attempt to the outcome.
type settlement struct {
	finishers finishers
}

// settle begins a settlement; end is to be called with its outcome.
func (o *observer) settle(ctx context.Context, c *consumer, m *Message, action Action) settlement {
	var s settlement
	if o == nil {
		return s
	}
	for _, i := range o.interceptors {
		if i.Settle == nil {
			continue
		}
		if settled := i.Settle(ctx, c.group.GetName(), m, action); settled != nil {
			s.finishers = append(s.finishers, settled)
		}
	}
	return s
}

func (s settlement) end(err error) { s.finishers.end(err) }

// An acknowledgement is the settling of many deliveries by one call.
type acknowledgement struct {
	deliveries  []*Delivery
	settlements []settlement
}

// acknowledge begins one; end is to be called with what failed.
func (o *observer) acknowledge(ctx context.Context, c *consumer, deliveries []*Delivery) acknowledgement {
	if o == nil {
		return acknowledgement{}
	}
	a := acknowledgement{deliveries, make([]settlement, len(deliveries))}
	for i, d := range deliveries {
		a.settlements[i] = o.settle(ctx, c, d.Message, ActionAck)
	}
	return a
}

func (a acknowledgement) end(failed []AckFailure) {
	if len(a.settlements) == 0 {
		return
	}
	errs := make(map[*Delivery]error, len(failed))
	for _, f := range failed {
		errs[f.Delivery] = f.Err
	}
	for i, s := range a.settlements {
		s.end(errs[a.deliveries[i]])
	}
}
