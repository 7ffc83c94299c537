package broker

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
)

// subscription lets happen again what a subscription has written down.
func (r *recovery) subscription(kind eventKind, in *eventReader) error {
	id := in.number()
	if in.err != nil {
		return in.err
	}
	if kind == eventSubscription || kind == eventOrdinary {
		return r.begin(kind, id, in)
	}
	s, ok := r.subs[id]
	if !ok {
		return fmt.Errorf("there is no subscription %d", id)
	}
	switch kind {
	case eventRetries:
		return r.retries(s, in)
	case eventForwarded:
		s.forwarded[in.number()] = true
		return in.err
	case eventCounts:
		s.counts = Progress{Acked: in.number(), Filtered: in.number(), DeadLettered: in.number()}
		s.noted = s.counts
		return in.err
	case eventLiteLane:
		return r.liteLane(s, in)
	}
	return s.replayLane(kind, in)
}

func (r *recovery) begin(kind eventKind, id int64, in *eventReader) error {
	name, topicID := string(in.bytes()), in.number()
	if in.err != nil {
		return in.err
	}
	g, t := r.store.groups[name], r.topics[topicID]
	if g == nil || t == nil || r.subs[id] != nil || id == unkept {
		return fmt.Errorf("subscription %d, of group %q to topic %d, cannot be made", id, name, topicID)
	}
	key, create := t.Name, newSubscription
	if kind == eventOrdinary {
		key, create = ordinary+t.Name, newOrdinary
	}
	if g.subs[key] != nil {
		return fmt.Errorf("group %q reads topic %q already", name, t.Name)
	}
	s := create(r.store, g, t)
	s.id = id
	r.subs[id], g.subs[key] = s, s
	r.store.lastID = max(r.store.lastID, id)
	t.addSub(s)
	return nil
}

func (r *recovery) retries(s *subscription, in *eventReader) error {
	t, ok := r.topics[in.number()]
	if in.err != nil || !ok || s.retry != nil {
		return fmt.Errorf("the topic of the retries of subscription %d cannot be: %w", s.id, in.err)
	}
	s.retries, s.retry = t, newSharedLane(s, t.logs[0], 0, kindRetry)
	return nil
}

func (s *subscription) replayLane(kind eventKind, in *eventReader) error {
	number := in.number()
	if in.err != nil {
		return in.err
	}
	var l lane
	switch {
	case number == retryLane && s.retry != nil:
		l = s.retry
	case number >= 0 && number < int64(len(s.lanes)):
		l = s.lanes[number]
	}
	switch l := l.(type) {
	case *sharedLane:
		return l.replay(kind, in)
	case *orderedLane:
		if kind == eventOrdered {
			return l.replay(in)
		}
	}
	return fmt.Errorf("subscription %d has no lane %d for an event of kind %d", s.id, number, kind)
}

func (l *sharedLane) replay(kind eventKind, in *eventReader) error {
	at := in.number()
	switch {
	case in.err != nil:
		return in.err
	case kind == eventNext:
		l.next, l.noted = at, at
		return nil
	case kind == eventSettled:
		delete(l.leases, at)
		return nil
	case kind == eventLease:
		return l.replayLease(at, in)
	}
	return fmt.Errorf("an event of kind %d of a queue that is shared", kind)
}

func (l *sharedLane) replayLease(offset int64, in *eventReader) error {
	ls := &lease{lane: l, offset: offset, popTime: in.number()}
	ls.owner = ls
	ls.at = in.number()
	flags := in.number()
	ls.free, ls.moved = flags&leaseFree != 0, flags&leaseMoved != 0
	ls.renewal = replayRenewal(flags, in)
	before, again := l.leases[offset]
	e, kept := l.queue.at(offset)
	switch {
	case flags&leaseHeld != 0:
		e = entry{storedAt: in.number(), attempt: int32(in.number()), commit: in.number(), record: bytes.Clone(in.bytes())}
	case again:
		e = before.held
	case !kept:
		return fmt.Errorf("the message at offset %d is in flight, but not stored", offset)
	}
	ls.held = e
	l.leases[offset] = ls
	return in.err
}

// replayRenewal reads a renewal, if the flags say that one follows. Its proxy is found later.
func replayRenewal(flags int64, in *eventReader) *renewal {
	if flags&leaseRenewed == 0 {
		return nil
	}
	return &renewal{
		client: string(in.bytes()), since: in.number(), times: int(in.number()), failures: int32(in.number()),
	}
}

func (l *orderedLane) replay(in *eventReader) error {
	l.base, l.attemptID, l.out = in.number(), string(in.bytes()), nil
	clear(l.settled)
	clear(l.tries)
	for n := in.number(); n > 0 && in.err == nil; n-- {
		l.settled[in.number()] = true
	}
	for n := in.number(); n > 0 && in.err == nil; n-- {
		l.tries[in.number()] = tries{int32(in.number()), in.number()}
	}
	for n := in.number(); n > 0 && in.err == nil; n-- {
		l.replayOut(in)
	}
	return in.err
}

func (l *orderedLane) replayOut(in *eventReader) {
	o := &outstanding{lane: l, offset: in.number(), popTime: in.number(), visible: in.number()}
	flags := in.number()
	o.free, o.renewal = flags&leaseFree != 0, replayRenewal(flags, in)
	if e, kept := l.queue.at(o.offset); kept { // else nobody can receive it again
		o.held = e
		l.out = append(l.out, o)
	}
}

// resume lets time go on for what is in flight.
func (s *subscription) resume() {
	s.mu.Lock()
	defer s.unlock()
	for _, l := range s.all() {
		switch l := l.(type) {
		case *sharedLane:
			for _, offset := range slices.Sorted(maps.Keys(l.leases)) {
				ls := l.leases[offset]
				s.due.set(&ls.deadline, ls.at)
			}
		case *orderedLane:
			l.arm()
		}
	}
}
