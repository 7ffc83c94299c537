package broker

import "maps"

// What a subscription writes down: not each step, but what has become of whatever a step has touched,
// all in one when the lock is given up, or together with what a step stores elsewhere.

// retryLane is the number of the lane of redeliveries; the others have those of their queues.
const retryLane = -1

// The flags of a lease in its event.
const (
	leaseFree    = 1 << iota // the next delivery does not count
	leaseMoved               // its time was changed, or extended
	leaseRenewed             // a renewal follows
	leaseHeld                // the entry follows, which is kept nowhere else
)

// pending gives what has happened under the lock since it was called last.
func (s *subscription) pending() (e events) {
	if s.id == unkept {
		return nil
	}
	for _, l := range s.lanes {
		e = l.note(e)
	}
	if s.retry != nil {
		e = s.retry.note(e)
	}
	if s.lite != nil {
		e = s.lite.note(e)
	}
	for _, commit := range s.unnoted {
		e = s.event(e, eventForwarded).number(commit)
	}
	s.unnoted = nil
	if s.counts != s.noted {
		e, s.noted = s.countsEvent(e), s.counts
	}
	return e
}

// whole gives what makes the subscription as it is now.
func (s *subscription) whole() events {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.subscriptionEvent(nil)
	if s.retry != nil {
		e = s.retriesEvent(e)
		e = s.retry.tell(e)
	}
	for _, l := range s.lanes {
		e = l.tell(e)
	}
	if s.lite != nil {
		e = s.lite.tell(e)
	}
	for commit := range s.forwarded {
		e = s.event(e, eventForwarded).number(commit)
	}
	return s.countsEvent(e)
}

func (s *subscription) event(e events, k eventKind) events { return e.begin(k).number(s.id) }

func (s *subscription) subscriptionEvent(e events) events {
	return s.event(e, s.begun).bytes([]byte(s.group.Name)).number(s.topic.id)
}

func (s *subscription) retriesEvent(e events) events {
	return s.event(e, eventRetries).number(s.retries.id)
}

func (s *subscription) countsEvent(e events) events {
	c := s.counts
	return s.event(e, eventCounts).number(c.Acked).number(c.Filtered).number(c.DeadLettered)
}

// touch lets it be noted what has become of the message at an offset.
func (l *sharedLane) touch(offset int64) {
	if l.sub.id != unkept {
		l.touched = append(l.touched, offset)
	}
}

func (l *sharedLane) number() int64 {
	if l.kind == kindRetry {
		return retryLane
	}
	return int64(l.id)
}

func (l *sharedLane) event(e events, k eventKind) events {
	return l.sub.event(e, k).number(l.number())
}

func (l *sharedLane) note(e events) events {
	if l.next != l.noted {
		e, l.noted = l.event(e, eventNext).number(l.next), l.next
	}
	for _, offset := range l.touched {
		if ls, ok := l.leases[offset]; ok {
			e = ls.tell(e)
		} else {
			e = l.event(e, eventSettled).number(offset)
		}
	}
	l.touched = l.touched[:0]
	return e
}

func (l *sharedLane) tell(e events) events {
	e = l.event(e, eventNext).number(l.next)
	for ls := range maps.Values(l.leases) {
		e = ls.tell(e)
	}
	return e
}

func (ls *lease) tell(e events) events {
	_, kept := ls.lane.queue.at(ls.offset)
	flags := flag(ls.free, leaseFree) | flag(ls.moved, leaseMoved) | flag(ls.renewal != nil, leaseRenewed) | flag(!kept, leaseHeld)
	e = ls.lane.event(e, eventLease).number(ls.offset).number(ls.popTime).number(ls.at).number(flags)
	e = ls.renewal.tell(e)
	if !kept {
		e = ls.held.tell(e)
	}
	return e
}

func flag(on bool, is int64) int64 {
	if on {
		return is
	}
	return 0
}

// tell appends a renewal; nothing if there is none.
func (r *renewal) tell(e events) events {
	if r == nil {
		return e
	}
	return e.bytes([]byte(r.client)).number(r.since).number(int64(r.times)).number(int64(r.failures))
}

// touch lets it be noted what has become of the lane.
func (l *orderedLane) touch() {
	if l.dirty || l.sub.id == unkept {
		return
	}
	l.dirty = true
	if l.lite != nil {
		l.sub.lite.touched = append(l.sub.lite.touched, l)
	}
}

func (l *orderedLane) note(e events) events {
	if l.dirty {
		e, l.dirty = l.tell(e), false
	}
	return e
}

// tell appends all that the lane is: it is little, as what is out blocks it.
func (l *orderedLane) tell(e events) events {
	if l.lite != nil {
		e = l.sub.event(e, eventLiteLane).number(l.lite.id)
	} else {
		e = l.sub.event(e, eventOrdered).number(int64(l.id))
	}
	e = e.number(l.base).bytes([]byte(l.attemptID))
	e = e.number(int64(len(l.settled)))
	for offset := range l.settled {
		e = e.number(offset)
	}
	e = e.number(int64(len(l.tries)))
	for offset, t := range l.tries {
		e = e.number(offset).number(int64(t.count)).number(t.popTime)
	}
	e = e.number(int64(len(l.out)))
	for _, o := range l.out {
		e = e.number(o.offset).number(o.popTime).number(o.visible)
		e = e.number(flag(o.free, leaseFree) | flag(o.renewal != nil, leaseRenewed))
		e = o.renewal.tell(e)
	}
	return e
}
