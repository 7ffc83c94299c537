package client

import (
	"context"
	"slices"
	"sync/atomic"
	"time"

	"github.com/cenkalti/backoff/v4"
)

// A cached message has arrived and is not settled.
type cached struct {
	pusher   *pusher
	feed     *feed
	delivery *Delivery
	size     int // of the body; it must not be asked for again, since the handler may change it
	arrival  *arrival
	lane     *lane // of a FIFO group
	left     bool  // of a FIFO group: to the server, to be delivered again

	settlement *settlement // nil if nobody is to be told of it

	delay *backoff.ExponentialBackOff // before settling is tried again; nil until it has failed
}

// An arrival is the answer to one poll. Its messages of one queue share the fate of their lease.
type arrival struct {
	at    time.Time
	stay  atomic.Int64  // how many of its messages are in the cache
	empty chan struct{} // closed when there are none any more
}

// await returns when all messages have left the cache, or ctx ends. The nil arrival has none.
func (a *arrival) await(ctx context.Context) {
	if a == nil {
		return
	}
	select {
	case <-a.empty:
	case <-ctx.Done():
	}
}

// accept puts what a poll has brought into the queue of the workers, or into lanes.
func (p *pusher) accept(from *feed, deliveries []*Delivery) *arrival {
	if len(deliveries) == 0 {
		return nil
	}
	a := &arrival{at: time.Now(), empty: make(chan struct{})}
	a.stay.Store(int64(len(deliveries)))
	messages := make([]cached, len(deliveries))
	for i, d := range deliveries {
		messages[i] = cached{pusher: p, feed: from, delivery: d, size: len(d.Body), arrival: a}
		from.messages.Add(1)
		from.bytes.Add(int64(len(d.Body)))
	}
	if p.fifo() {
		for i := range messages {
			p.lanes.add(&messages[i])
		}
		return a
	}
	tasks := make([]task, len(messages))
	for i := range messages {
		tasks[i] = &messages[i]
	}
	p.workers.add(tasks...)
	return a
}

// run consumes a message of a group that is not FIFO.
func (c *cached) run() {
	p := c.pusher
	switch {
	case c.expired():
		c.leave(nil)
	case c.delivery.Err != nil:
		p.settler.nack(c, p.backoff(c), false)
	default:
		err := errExited
		defer func() { c.conclude(err) }()
		err = p.call(p.handling, c.delivery.Message, c.arrival.at)
	}
}

// conclude settles a message by what the handler has returned.
func (c *cached) conclude(err error) {
	p := c.pusher
	if err == nil {
		p.settler.ack(c)
		return
	}
	p.complain(c, err)
	switch after, later := suspended(err); {
	case later:
		p.settler.nack(c, after, true)
	case p.handling.Err() != nil: // it was not given the time it needs
		p.settler.handBack(c)
	default:
		p.settler.nack(c, p.backoff(c), false)
	}
}

// backoff returns how long a message that could not be consumed is to stay away.
func (p *pusher) backoff(c *cached) time.Duration {
	s := p.consumer.settings.Load()
	if s == nil {
		return 0
	}
	return min(s.Backoff.Delay(c.delivery.Attempt), maxInvisible)
}

// complain reports what the handler has returned; a suspension is nothing to complain of.
func (p *pusher) complain(c *cached, err error) {
	if _, later := suspended(err); !later {
		p.consumer.client.cfg.log.Warn("message not consumed", "topic", c.delivery.origin.topic, "message", c.delivery.origin.id,
			"attempt", c.delivery.Attempt, "error", err)
	}
}

// expired says whether the lease is known to be over: the message comes again, and cannot be settled.
func (c *cached) expired() bool {
	return c.pusher.cfg.invisible > 0 && !time.Now().Before(c.delivery.expires)
}

// leave ends the stay of a message, which is settled, or, by err, could not be.
func (c *cached) leave(err error) {
	if c.settlement != nil {
		c.settlement.end(err)
	}
	c.free()
	if c.lane != nil {
		c.lane.settled(c, err)
	}
}

// free gives back the room of a message.
func (c *cached) free() {
	c.pusher.cache.free(1, c.size)
	c.feed.messages.Add(-1)
	c.feed.bytes.Add(-int64(c.size))
	if c.arrival.stay.Add(-1) == 0 {
		close(c.arrival.empty)
	}
}

// report tells what is in the cache of each topic.
func (p *pusher) report(tell func(topic string, messages, bytes int64)) {
	for _, f := range p.sortedFeeds() {
		tell(f.topic, f.messages.Load(), f.bytes.Load())
	}
}

// without returns messages without those that which names, and the latter.
func without(messages []*cached, which func(*cached) bool) (kept, removed []*cached) {
	kept = slices.DeleteFunc(messages, func(c *cached) bool {
		if which(c) {
			removed = append(removed, c)
			return true
		}
		return false
	})
	return kept, removed
}
