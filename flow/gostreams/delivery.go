package gostreams

import (
	"context"
	"reflect"
	"sync/atomic"
	"time"

	"github.com/rocketflow-io/rocketflow/client"
	"github.com/rocketflow-io/rocketflow/flow/stage"
)

// Delivery is a value on its way through a go-streams graph, with the duty to settle what it came
// from. It is settled once, by hand or by the adapter that it reaches; what never is, comes again
// when its lease ends, if its source redelivers.
//
// A Delivery made by hand settles nothing: it is as one whose duty was passed on.
//
// A stock fan-out gives the same delivery to each branch, and the first that settles it does so for
// all: use [Delivery.Fork] before.
type Delivery[T any] struct {
	Value T
	// Info is what the source knows about it.
	Info stage.Info

	claim   claim
	expires time.Time
	gone    atomic.Bool // settled, or the duty was passed on
}

// Expires gives when the lease ends, after which it comes again and can no longer be settled; zero if
// it has none.
func (d *Delivery[T]) Expires() time.Time { return d.expires }

// Wrap takes over the duty to settle a message that was received. The delivery of the client is not
// to be settled besides.
func Wrap(d *client.Delivery) *Delivery[*client.Message] {
	return &Delivery[*client.Message]{
		Value: d.Message, Info: infoOf(d), claim: clientClaim(d, defaultNackDelay), expires: d.Expires(),
	}
}

// Ack settles the delivery as done. If it was forked, the last one acknowledges. An error says that
// the acknowledgement may be lost and the value may come again; a second call gives [ErrSettled].
// What came out of a [Flow] is acknowledged some time after Ack has returned, and a failure of that
// is logged.
func (d *Delivery[T]) Ack(ctx context.Context) error { return d.take().settle(ctx, nil) }

// Nack hands the delivery back as failed with a cause; a nil cause says that it was not tried, and
// may be delivered again at once. A message of RocketMQ otherwise comes again after a delay that
// grows with its attempts. If it was forked, it is handed back when the last one is settled. A second
// call gives [ErrSettled].
func (d *Delivery[T]) Nack(ctx context.Context, cause error) error {
	if cause == nil {
		cause = stage.ErrHandedBack
	}
	return d.take().settle(ctx, cause)
}

// With passes the duty on to another value.
func (d *Delivery[T]) With[R any](value R) *Delivery[R] {
	return &Delivery[R]{Value: value, Info: d.Info, claim: d.take(), expires: d.expires}
}

// Fork divides the duty among n deliveries of the same value: what they came from is settled when
// each of them is, and a failure wins. With n below 1 it gives none, and settles nothing: Ack what
// is to have no successors.
func (d *Delivery[T]) Fork(n int) []*Delivery[T] {
	if n < 1 {
		return nil
	}
	c := d.take()
	c.fork(n - 1)
	forks := make([]*Delivery[T], n)
	for i := range forks {
		forks[i] = &Delivery[T]{Value: d.Value, Info: d.Info, claim: c, expires: d.expires}
	}
	return forks
}

// take gives the duty, once.
func (d *Delivery[T]) take() claim {
	if d == nil || d.claim == nil || d.gone.Swap(true) {
		return noClaim{}
	}
	return d.claim
}

func (d *Delivery[T]) carried() (value any, ok bool) {
	if d == nil {
		return nil, false
	}
	return d.Value, true
}

func (d *Delivery[T]) about() (stage.Info, time.Time) { return d.Info, d.expires }

// carrier is a Delivery, whatever its type.
type carrier interface {
	carried() (value any, ok bool)
	about() (stage.Info, time.Time)
	take() claim
}

var _ carrier = (*Delivery[int])(nil)

// unwrap gives the T in an element of a channel: the element itself, or what it carries, as a
// Delivery or a delivery of the client. A type that any delivery has, such as any, stands for what
// is carried.
func unwrap[T any](e any) (value T, carries, ok bool) {
	general := reflect.TypeFor[T]().Kind() == reflect.Interface
	if value, ok = e.(T); ok && !general {
		return value, false, true
	}
	if inner, is := carriedBy(e); is {
		if v, fits := inner.(T); fits {
			return v, true, true
		}
	}
	return value, false, ok
}

func carriedBy(e any) (value any, ok bool) {
	switch d := e.(type) {
	case *client.Delivery:
		if d == nil {
			return nil, false
		}
		return d.Message, true
	case carrier:
		return d.carried()
	}
	return nil, false
}

// claimOf takes the duty from an element that carries one; nil if it has passed it on.
func claimOf(e any, delay nackDelay) claim {
	switch d := e.(type) {
	case *client.Delivery:
		if d != nil {
			return clientClaim(d, delay)
		}
	case carrier:
		if c := d.take(); c != (noClaim{}) {
			return c
		}
	}
	return nil
}

// knownOf gives what is known of an element that carries a value, and the end of its lease.
func knownOf(e any) (stage.Info, time.Time) {
	switch d := e.(type) {
	case *client.Delivery:
		return infoOf(d), d.Expires()
	case carrier:
		return d.about()
	}
	return stage.Info{}, time.Time{}
}

func infoOf(d *client.Delivery) stage.Info {
	return stage.Info{
		ID: d.ID, Key: d.MessageGroup, Attempt: d.Attempt,
		EventTime: d.BornTime, TraceContext: d.TraceContext,
	}
}

func typeName[T any]() string { return reflect.TypeFor[T]().String() }
