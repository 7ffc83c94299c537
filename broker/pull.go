package broker

import (
	"cmp"
	"slices"
)

// maxPopBytes bounds the bodies that one pop takes from one queue; one message always fits.
const maxPopBytes = 256 << 10

// maxWaiters bounds those who wait for one topic in one group, as the server does for a queue.
const maxWaiters = 1024

// A pull is what one ReceiveMessage asks for, and what it has got. While it waits it belongs to
// the lock of the subscription, else to the call.
type pull struct {
	client    string
	proxy     *sessions // through which the client came
	filter    filter
	max       int
	invisible int64  // milliseconds
	attemptID string // of a client of an ordered group: the same again gets the same again
	renewFor  string // the client for which deliveries are extended until they settle; "" for none
	now       int64  // Unix milliseconds

	got  []delivery
	dead int // messages that went to the dead letters instead
}

// A delivery is one message handed out.
type delivery struct {
	entry
	handle  handle
	attempt int32 // from 1
}

func (p *pull) full() bool { return len(p.got)+p.dead >= p.max }

// take adds a delivery.
func (p *pull) take(d delivery) {
	if p.got == nil {
		p.got = make([]delivery, 0, p.max)
	}
	p.got = append(p.got, d)
}

// answered tells whether there is something to say before the polling time is over.
func (p *pull) answered() bool { return len(p.got)+p.dead > 0 }

// fits tells whether another body may be taken from a queue of which p has taken some bytes.
func (p *pull) fits(taken, body int) bool {
	return !p.full() && (taken == 0 || taken+body <= maxPopBytes)
}

// A waiter is a ReceiveMessage that found nothing.
type waiter struct {
	pull     *pull
	deadline int64         // Unix milliseconds; the earliest is served first
	served   chan struct{} // closed, under the subscription's lock, when pull is answered
}

// receive pops for p, or lets it wait: it gives no waiter if p is answered. It gives false if too
// many wait already.
func (s *subscription) receive(p *pull, deadline int64) (*waiter, bool) {
	s.store.diary.enter()
	defer s.store.diary.leave()
	s.mu.Lock()
	defer s.unlock()
	if s.pop(p); p.answered() {
		return nil, true
	}
	if len(s.waiters) >= maxWaiters {
		return nil, false
	}
	if len(s.waiters) == 0 && s.lite == nil { // who stores in a lite topic asks all that read it
		s.topic.awaited.add(s)
		if s.pop(p); p.answered() { // what was stored just before that
			s.topic.awaited.remove(s)
			return nil, true
		}
	}
	w := &waiter{pull: p, deadline: deadline, served: make(chan struct{})}
	at, _ := slices.BinarySearchFunc(s.waiters, deadline+1, func(other *waiter, d int64) int {
		return cmp.Compare(other.deadline, d)
	})
	s.waiters = slices.Insert(s.waiters, at, w)
	return w, true
}

// leave lets w wait no longer. What it was served in the meantime is in its pull.
func (s *subscription) leave(w *waiter) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if i := slices.Index(s.waiters, w); i >= 0 {
		s.removeWaiter(i)
	}
}

func (s *subscription) removeWaiter(i int) {
	s.waiters = slices.Delete(s.waiters, i, i+1)
	if len(s.waiters) == 0 && s.lite == nil {
		s.topic.awaited.remove(s)
	}
}

// arrived is called when messages have been stored in a queue of the topic, from first on.
func (s *subscription) arrived(queue int, first int64) {
	s.mu.Lock()
	defer s.unlock()
	s.wake(s.lanes[queue], first)
}

// position gives the offset below which the group needs a queue no more.
func (s *subscription) position(queue int) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lanes[queue].position()
}

// wake serves those who wait for what lies in a lane from offset first on. Who wants none of it
// sleeps on, and skips nothing: another may want it.
func (s *subscription) wake(l lane, first int64) {
	s.serve(l, func(p *pull) bool { return p.wants(l, first) })
}

// serve pops from a lane for those who wait and are chosen, the earliest deadline first, for as long
// as the lane has anything to give: the others, who may be a thousand, are not asked.
func (s *subscription) serve(l lane, chosen func(*pull) bool) {
	now := nowMillis()
	for i := 0; i < len(s.waiters) && !l.idle(now); {
		w := s.waiters[i]
		if s.mayRead(w.pull, l) && chosen(w.pull) {
			w.pull.now = now
			l.pop(w.pull)
		}
		if !w.pull.answered() {
			i++
			continue
		}
		close(w.served)
		s.removeWaiter(i)
	}
}

// mayRead tells whether the client of p gets anything from the lane.
func (s *subscription) mayRead(p *pull, l lane) bool { return s.lite == nil || s.lite.reads(p, l) }

// wants tells whether p would take one of the messages of a lane that lie at first or later.
func (p *pull) wants(l lane, first int64) bool {
	offset := max(first, l.position())
	for entries := l.log().from(offset); len(entries) > 0; entries = l.log().from(offset) {
		for i := range entries {
			if p.filter.matches(entries[i].record) {
				return true
			}
		}
		offset += int64(len(entries))
	}
	return false
}
