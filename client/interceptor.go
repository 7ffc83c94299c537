package client

import (
	"context"
	"fmt"
)

// An Interceptor looks on, and has a say, when messages are sent, received, consumed and settled. Any of
// its functions may be nil. They run in the goroutine of what they are about, several at once, and hold
// it up; they must not panic. Of several interceptors each function is called in the order given to
// [WithInterceptors], and what it returned, to be called with the outcome, in the opposite order.
type Interceptor struct {
	// Send is called with each message that is about to be sent, before it is checked. The message is a
	// copy: its Properties, which are not nil, and its other fields may be changed, its body may be
	// replaced. An error refuses the message, and is returned to its sender. Unless it is nil, sent is
	// called once, when the message is stored or has failed for good.
	Send func(ctx context.Context, m *Message) (sent func(Receipt, error), err error)

	// Receive is called with each message that has been received. One that it does not want is
	// acknowledged, and nobody sees it; further interceptors are not asked.
	Receive func(ctx context.Context, group string, m *Message) (wanted bool)

	// Consume is called before each call of a PushConsumer's handler, which gets the context that it
	// returns. Unless it is nil, consumed is called with the error of the handler.
	Consume func(ctx context.Context, group string, m *Message) (handler context.Context, consumed func(error))

	// Settle is called with each message whose lease is to be changed. Unless it is nil, settled is
	// called with the outcome.
	Settle func(ctx context.Context, group string, m *Message, action Action) (settled func(error))
}

// Action is what is done to the lease on a message.
type Action int8

// The actions.
const (
	ActionAck        Action = iota + 1 // the message is done with
	ActionNack                         // it is handed back, to come again
	ActionExtend                       // the lease is to end at another time
	ActionDeadLetter                   // the message moves to the dead letters of the group
)

// String returns the action in a word or two.
func (a Action) String() string {
	switch a {
	case ActionAck:
		return "ack"
	case ActionNack:
		return "nack"
	case ActionExtend:
		return "extend"
	case ActionDeadLetter:
		return "dead letter"
	default:
		return fmt.Sprintf("Action(%d)", int8(a))
	}
}

// WithInterceptors has all that the client's producers and consumers do pass through interceptors. It may be
// given several times, and adds to what was given before. The default is none, which costs nothing.
func WithInterceptors(interceptors ...Interceptor) Option {
	return func(c *config) { c.interceptors = append(c.interceptors, interceptors...) }
}
