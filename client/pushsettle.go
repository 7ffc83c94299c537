package client

import (
	"context"
	"errors"
	"sync"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"

	"github.com/rocketflow-io/rocketflow/internal/pacing"
)

const (
	parallelSettling = 64 // requests about one message each, under way at once

	firstAgain, lastAgain = 100 * time.Millisecond, 10 * time.Second // between attempts to settle
)

// A settler tells servers what has become of messages, so that handlers need not wait for that. What
// fails in a way that may pass is tried again, until the lease is over.
type settler struct {
	pusher *pusher
	wg     sync.WaitGroup // all that is under way or waits to be tried again
	slots  chan struct{}  // one for each request of parallelSettling

	mu   sync.Mutex // guards acks
	acks map[ackTarget]*ackQueue
}

func newSettler(p *pusher) *settler {
	return &settler{pusher: p, slots: make(chan struct{}, parallelSettling), acks: make(map[ackTarget]*ackQueue)}
}

// nack has a message redelivered after a time; suspended, that does not count as an attempt.
func (s *settler) nack(c *cached, after time.Duration, suspend bool) {
	s.begin(c, ActionNack)
	s.persist(c, "change the invisible duration", func(ctx context.Context) error {
		return s.pusher.consumer.tryChange(ctx, c.delivery, c.delivery.handle, change{after: after, suspend: suspend})
	})
}

// handBack has a message redelivered at once, without an attempt counted. At the end of a run that is not
// worth more than one try.
func (s *settler) handBack(c *cached) {
	s.begin(c, ActionNack)
	s.wg.Go(func() {
		s.slots <- struct{}{}
		defer func() { <-s.slots }()
		k := s.pusher.consumer
		err := k.tryChange(context.Background(), c.delivery, c.delivery.handle, change{suspend: true})
		if err != nil && !errors.Is(err, ErrReceiptExpired) {
			k.client.cfg.log.Warn("message not handed back: it comes again when its lease is over",
				"message", c.delivery.origin.id, "topic", c.delivery.origin.topic, "error", err)
		}
		c.leave(err)
	})
}

// forward moves a message to the dead letters. An attempt whose answer got lost may have stored it:
// tried again, there are two, which is better than none.
func (s *settler) forward(c *cached) {
	s.begin(c, ActionDeadLetter)
	s.persist(c, "forward to the dead letters", func(ctx context.Context) error {
		return s.pusher.consumer.forward(ctx, c.delivery, c.delivery.handle)
	})
}

// begin tells those who look on.
func (s *settler) begin(c *cached, what Action) {
	if o := s.pusher.consumer.client.observer; o != nil {
		c.settlement = new(o.settle(context.Background(), s.pusher.consumer, what, c.delivery))
	}
}

// persist tries until it succeeds, the lease is over, or no attempt would help.
func (s *settler) persist(c *cached, what string, try func(context.Context) error) {
	s.wg.Go(func() {
		for {
			s.slots <- struct{}{}
			err := try(context.Background())
			<-s.slots
			wait, again := s.again(c, err)
			if !again {
				s.done(c, what, err)
				return
			}
			_ = pacing.Wait(s.pusher.handling, wait) // cut short, the next attempt is the last
		}
	})
}

// again says whether it is worth it to try again, and after what wait.
func (s *settler) again(c *cached, err error) (time.Duration, bool) {
	p := s.pusher
	var refused *StatusError
	switch {
	case err == nil:
		return 0, false
	case errors.As(err, &refused) && refused.Code == int32(v2.Code_UNRECOGNIZED_CLIENT_TYPE):
		if session := p.consumer.member.session(c.delivery.conn); session != nil {
			session.announceAgain()
		}
	case !retryable(err) && !errors.Is(err, ErrUnauthorized) && !errors.Is(err, ErrForbidden):
		return 0, false
	}
	if c.delay == nil {
		c.delay = newBackoff(firstAgain, lastAgain)
	}
	over := c.delivery.expires
	if p.cfg.invisible == 0 {
		over = c.arrival.at.Add(renewedLease) // the server says so if it is over before
	}
	wait := c.delay.NextBackOff()
	return wait, p.handling.Err() == nil && time.Now().Add(wait).Before(over)
}

// done takes the message out of the cache. One that could not be settled comes again.
func (s *settler) done(c *cached, what string, err error) {
	if err != nil {
		s.pusher.consumer.client.cfg.log.Warn("message not settled: it comes again", "attempted", what,
			"message", c.delivery.origin.id, "topic", c.delivery.origin.topic, "error", err)
	}
	c.leave(err)
}
