package client

import "time"

// A lane is what waits for its turn behind one message. It exists while there is one.
type lane struct {
	lanes *lanes
	key   laneKey

	// The lock of lanes guards what follows.
	head    *cached // nil if the lane is at its end
	stage   laneStage
	timer   *time.Timer // ends the stage pausing
	fresh   *cached     // the head delivered again, if it was
	waiting []*cached
}

type laneStage int8

const (
	ready     laneStage = iota // a worker will come
	consuming                  // the handler runs
	pausing                    // until the head is tried again
	settling                   // the settler has it
)

// addLocked returns what c supersedes: rule 3.
func (l *lane) addLocked(c *cached) (stale []*cached) {
	l.waiting, stale = without(l.waiting, c.supersedes)
	switch {
	case l.head == nil:
		l.waiting = append(l.waiting, c)
		l.advanceLocked()
	case l.stage != settling && c.supersedes(l.head) && c.delivery.origin.id == l.head.delivery.origin.id:
		if l.fresh != nil {
			stale = append(stale, l.fresh)
		}
		l.fresh = c // to be settled in place of the head
	default:
		l.waiting = append(l.waiting, c)
	}
	return stale
}

// supersedes says whether c was delivered after the lease of old was over: a queue is given again from
// some message on.
func (c *cached) supersedes(old *cached) bool {
	a, b := c.delivery, old.delivery
	return c.arrival != old.arrival && a.Broker == b.Broker && a.QueueID == b.QueueID && a.QueueOffset <= b.QueueOffset
}

// advanceLocked has the first message that waits consumed.
func (l *lane) advanceLocked() {
	l.head, l.fresh = nil, nil
	if len(l.waiting) == 0 || l.lanes.closed {
		if len(l.waiting) == 0 {
			delete(l.lanes.byKey, l.key)
		}
		return
	}
	l.head, l.waiting = l.waiting[0], l.waiting[1:]
	l.stage = ready
	l.lanes.pusher.workers.add(l)
}

// run consumes the head.
func (l *lane) run() {
	c := l.begin()
	if c == nil {
		return // it was taken out in the meantime
	}
	switch {
	case c.expired():
		l.expire()
	case c.delivery.Err != nil:
		l.settle(l.lanes.pusher.settler.forward)
	default:
		err := errExited
		defer func() { l.conclude(err) }()
		err = c.pusher.call(c.pusher.handling, c.delivery.Message, c.arrival.at)
	}
}

func (l *lane) begin() *cached {
	l.lanes.mu.Lock()
	defer l.lanes.mu.Unlock()
	if l.head == nil || l.stage != ready {
		return nil
	}
	l.renewLocked()
	l.stage = consuming
	return l.head
}

// renewLocked puts the latest delivery of the head in its place: its lease is the one that counts.
func (l *lane) renewLocked() {
	if l.fresh == nil {
		return
	}
	old := l.head
	l.head, l.fresh = l.fresh, nil
	l.head.recount(max(old.delivery.Attempt, l.head.delivery.Attempt))
	old.free()
}

// recount sets the attempt. Who has seen the message keeps what it has seen.
func (c *cached) recount(attempt int) {
	if attempt != c.delivery.Attempt {
		m := *c.delivery.Message
		m.Attempt = attempt
		c.delivery.Message = &m
	}
}

// conclude decides what becomes of the head by what the handler has returned.
func (l *lane) conclude(err error) {
	l.lanes.mu.Lock()
	l.renewLocked()
	c := l.head
	closed := l.lanes.closed
	l.lanes.mu.Unlock()
	p := c.pusher
	after, later := suspended(err)
	most := p.consumer.maxDeliveries()
	if err != nil {
		p.complain(c, err)
	}
	switch {
	case err == nil:
		l.settle(p.settler.ack)
	case later && p.suspendRest:
		l.leaveToServer(after)
	case later:
		l.retry(after, c.delivery.Attempt)
	case closed:
		l.leaveToServer(0)
	case most > 0 && c.delivery.Attempt >= most:
		l.settle(p.settler.forward)
	default:
		l.retry(p.backoff(c), c.delivery.Attempt+1)
	}
}

// settle hands the head to the settler.
func (l *lane) settle(how func(*cached)) {
	l.lanes.mu.Lock()
	l.renewLocked()
	l.stage = settling
	c := l.head
	l.lanes.mu.Unlock()
	how(c)
}

// retry has the head tried again after a time. A wait that its lease does not last for is left to the
// server.
func (l *lane) retry(after time.Duration, attempt int) {
	l.lanes.mu.Lock()
	l.renewLocked()
	c := l.head
	c.recount(attempt)
	waits := !l.lanes.closed && (c.pusher.cfg.invisible == 0 || time.Now().Add(after).Before(c.delivery.expires))
	if waits {
		l.stage = pausing
		l.timer = time.AfterFunc(after, func() { l.wake(c) })
	}
	l.lanes.mu.Unlock()
	if !waits {
		l.leaveToServer(after)
	}
}

func (l *lane) wake(c *cached) {
	l.lanes.mu.Lock()
	defer l.lanes.mu.Unlock()
	if l.head == c && l.stage == pausing {
		l.stage = ready
		l.lanes.pusher.workers.add(l)
	}
}

// leaveToServer has the head delivered again after a time, and with it what came behind it: rule 2.
func (l *lane) leaveToServer(after time.Duration) {
	l.lanes.mu.Lock()
	l.renewLocked()
	l.lanes.rememberLocked(l.head)
	l.head.left = true
	head, behind := l.head, l.dropLocked()
	l.stage = settling
	l.lanes.mu.Unlock()
	settler := l.lanes.pusher.settler
	for _, c := range behind {
		settler.nack(c, after, true)
	}
	settler.nack(head, after, true)
}

// expire ends the stay of a head whose lease is over, unless it was delivered again: rule 2.
func (l *lane) expire() {
	l.lanes.mu.Lock()
	if l.fresh != nil {
		l.stage = ready
		l.lanes.pusher.workers.add(l)
		l.lanes.mu.Unlock()
		return
	}
	l.lanes.rememberLocked(l.head)
	l.stage = settling
	head := l.head
	l.lanes.mu.Unlock()
	head.leave(ErrReceiptExpired)
}

// dropLocked takes out what came with the head.
func (l *lane) dropLocked() []*cached {
	var behind []*cached
	l.waiting, behind = without(l.waiting, func(c *cached) bool { return c.arrival == l.head.arrival })
	return behind
}

// settled is told of a message that has left, and by err why it could not be settled. If it is the
// head, the next begins; what came behind one that could not be settled does not: rule 2.
func (l *lane) settled(c *cached, err error) {
	l.lanes.mu.Lock()
	if l.head != c {
		l.lanes.mu.Unlock()
		return
	}
	var behind []*cached
	switch {
	case err != nil:
		behind = l.dropLocked()
	case !c.left:
		delete(l.lanes.tried, c.delivery.origin.id)
	}
	l.advanceLocked()
	l.lanes.mu.Unlock()
	for _, other := range behind {
		// A receipt that is not known any more is no proof that the others' leases are over: it is so too
		// when an acknowledgement whose answer got lost is tried again after a renewal.
		if other.expired() {
			other.free()
		} else {
			l.lanes.pusher.settler.nack(other, 0, true)
		}
	}
}
