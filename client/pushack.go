package client

import (
	"context"
	"sync"
	"time"

	"github.com/rocketflow-io/rocketflow/internal/pacing"
)

const (
	// ackLinger is how long an acknowledgement waits for a request under way to end, to go in the
	// next with others that came in the meantime.
	ackLinger = 5 * time.Millisecond
	// parallelAckRequests bounds the requests under way to one endpoint about one topic.
	parallelAckRequests = 8
)

// ackTarget is what the messages of one request have in common.
type ackTarget struct {
	conn  *conn
	topic string
}

// An ackQueue acknowledges the messages of one target, many in a request. Requests grow with the load
// and not by waiting: the first message goes at once, and what comes while it is under way goes
// together when it has returned, or has taken too long, or when a request is full. On a FIFO group,
// where the next message waits for it, each goes at once.
type ackQueue struct {
	settler *settler
	ackTarget

	mu      sync.Mutex // guards what follows
	waiting []*cached
	under   int         // requests under way
	linger  *time.Timer // running if lingers
	lingers bool
}

// ack acknowledges a message.
func (s *settler) ack(c *cached) {
	s.begin(c, ActionAck)
	t := ackTarget{c.delivery.conn, c.delivery.origin.topic}
	s.mu.Lock()
	q, ok := s.acks[t]
	if !ok {
		q = &ackQueue{settler: s, ackTarget: t}
		s.acks[t] = q
	}
	s.mu.Unlock()
	s.wg.Add(1) // until it has left; see ackQueue.send
	q.add(c)
}

func (q *ackQueue) add(c *cached) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.waiting = append(q.waiting, c)
	switch {
	case q.under == 0, len(q.waiting) >= maxAckEntries, c.lane != nil:
		q.startLocked()
	case !q.lingers:
		q.lingers = true
		if q.linger == nil {
			q.linger = time.AfterFunc(ackLinger, q.lingered)
		} else {
			q.linger.Reset(ackLinger)
		}
	}
}

// lingered sends what has waited long enough.
func (q *ackQueue) lingered() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.lingers = false
	q.startLocked()
}

// startLocked begins a request with what is waiting, unless too many are under way: then they take it
// along when they return.
func (q *ackQueue) startLocked() {
	if len(q.waiting) == 0 || q.under == parallelAckRequests {
		return
	}
	q.under++
	batch := q.takeLocked()
	q.settler.wg.Go(func() { q.send(batch) })
}

func (q *ackQueue) takeLocked() []*cached {
	n := min(len(q.waiting), maxAckEntries)
	batch := q.waiting[:n:n]
	q.waiting = q.waiting[n:]
	return batch
}

// send makes requests for as long as there is something to acknowledge.
func (q *ackQueue) send(batch []*cached) {
	for len(batch) > 0 {
		q.once(batch)
		q.mu.Lock()
		if batch = q.takeLocked(); len(batch) == 0 {
			q.under--
		}
		q.mu.Unlock()
	}
}

// once makes one request.
func (q *ackQueue) once(batch []*cached) {
	r := &ackRequest{conn: q.conn, topic: q.topic,
		deliveries: make([]*Delivery, len(batch)), handles: make([]string, len(batch))}
	for i, c := range batch {
		r.deliveries[i], r.handles[i] = c.delivery, c.delivery.handle
	}
	for i, err := range q.settler.pusher.consumer.tryAck(context.Background(), r) {
		c := batch[i]
		if wait, again := q.settler.again(c, err); again {
			q.settler.wg.Go(func() {
				_ = pacing.Wait(q.settler.pusher.handling, wait) // cut short, the next attempt is the last
				q.add(c)
			})
			continue
		}
		q.settler.done(c, "acknowledge", err)
		q.settler.wg.Done() // of ack
	}
}
