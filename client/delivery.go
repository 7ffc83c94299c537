package client

import (
	"context"
	"errors"
	"sync"
	"time"
)

// A Delivery is a message received, and the lease on it. Until the lease expires nobody else in the
// group gets the message; before that it must be settled, by Ack, Nack or
// [SimpleConsumer.ForwardToDeadLetterQueue], or extended. What is not, comes again.
//
// Its methods may be called from any goroutine, one at a time: each extension exchanges the receipt
// by which the server knows the lease, so of two calls at once the second fails with [ErrBusy].
type Delivery struct {
	*Message

	consumer *consumer
	origin   origin
	conn     *conn  // to the server that keeps the lease
	original string // receipt handle as it was received

	mu      sync.Mutex // guards what follows; never held during a call to the server
	handle  string     // the present receipt handle
	expires time.Time
	state   deliveryState
}

// An origin is what servers know a message by, as it arrived. The message itself is the user's, who may
// change it, to send it elsewhere.
type origin struct{ topic, id, liteTopic string }

type deliveryState int8

const (
	open    deliveryState = iota
	busy                  // a call is under way
	acked                 // the server will not deliver it again
	settled               // handed back, or moved to the dead letters
)

// Endpoint returns the server that keeps the lease.
func (d *Delivery) Endpoint() string { return d.conn.name }

// Expires returns when the lease ends, by the clock of this machine, counted from when the message
// arrived here. The server's own count began a little earlier.
func (d *Delivery) Expires() time.Time {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.expires
}

// Ack tells the server that the message is done with. To acknowledge many at once, which is much
// faster, see [SimpleConsumer.Ack].
func (d *Delivery) Ack(ctx context.Context) error {
	err := d.consumer.ack(ctx, []*Delivery{d})
	var failed *AckError
	if errors.As(err, &failed) {
		return failed.Failed[0].Err
	}
	return err
}

// Nack hands the message back, to be delivered again after the given time: 0 for at once, 12 hours at
// most.
func (d *Delivery) Nack(ctx context.Context, after time.Duration, opts ...ChangeOption) error {
	c := newChange(after, opts)
	c.final = true
	return d.consumer.changeCall(ctx, d, c)
}

// Extend sets the lease to end a given time from now; see [SimpleConsumer.ChangeInvisibleDuration].
func (d *Delivery) Extend(ctx context.Context, by time.Duration) error {
	return d.consumer.changeCall(ctx, d, newChange(by, nil))
}

// claim takes the delivery for one call and returns its receipt handle. In what state it is left, the
// caller says with release.
func (d *Delivery) claim() (handle string, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch d.state {
	case busy:
		return "", d.refuse(ErrBusy)
	case acked, settled:
		return "", d.refuse(ErrSettled)
	}
	d.state = busy
	return d.handle, nil
}

func (d *Delivery) refuse(kind error) error {
	return &ArgumentError{Field: "message " + d.origin.id, Problem: kind.Error(), kind: kind}
}

func (d *Delivery) release(state deliveryState) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.state = state
}

// renew takes the receipt of a changed lease. A server that changed it without a new receipt goes on
// knowing it by the old one.
func (d *Delivery) renew(handle string, expires time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if handle != "" {
		d.handle = handle
	}
	d.expires = expires
}

func (d *Delivery) isAcked() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.state == acked
}
