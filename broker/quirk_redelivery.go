package broker

import "strconv"

// changedText writes a handle whose invisible duration was changed. With the quirk it has a field too
// many, so that the position of the message, its last, is not read.
func (q quirks) changedText(h handle) string {
	if !q[QuirkWrongDeadLetter] {
		return h.String()
	}
	position := h.commit
	h.commit = 0
	return h.String() + " " + strconv.FormatInt(position, 10)
}

// firstStored finds the message that was stored first of all, where a handle that lacks its position
// points to.
func (s *store) firstStored() (entry, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, t := range s.topics {
		for _, l := range t.logs {
			if e, ok := l.at(0); ok && e.commit == 0 {
				return e, true
			}
		}
	}
	return entry{}, false
}

// losesAck tells whether the server would not find what the handle acknowledges: after a change it
// looks for the message at its own place in the answer, while the handle still tells the first one's.
// The delivery is extended no more.
func (s *subscription) losesAck(f flight, h handle) bool {
	l, shared := f.(*lease)
	if !shared || !l.moved || h.start == h.offset || !s.store.quirks[QuirkLostAck] {
		return false
	}
	if l.renewal != nil {
		until := l.at + renewAhead
		l.renewal = nil
		l.hide(until)
	}
	return true
}

// resurrect changes the invisible duration of a message that is not in flight, by which it comes
// again, unless the group is ordered.
func (s *subscription) resurrect(h handle, now, invisible int64, free bool) handle {
	l, _ := s.lane(h)
	shared, ok := l.(*sharedLane)
	if !ok {
		h.invisible = now + invisible - h.popTime
		return h
	}
	if _, out := shared.leases[h.offset]; out {
		return h // another handle is valid for it
	}
	if e, kept := shared.queue.at(h.offset); kept {
		again := &lease{lane: shared, held: e, offset: h.offset}
		again.owner = again
		shared.leases[h.offset] = again
		h.popTime, h.invisible = again.change(now, invisible, free)
	}
	return h
}

// forgetSettled lets the lane hand out again what is settled behind a message that comes again.
func (l *orderedLane) forgetSettled() {
	if len(l.out) > 0 && l.sub.store.quirks[QuirkAckedBehind] {
		clear(l.settled)
	}
}

// evens tells whether the messages of one answer have their attempts in common.
func (l *orderedLane) evens() bool {
	if l.lite != nil {
		return l.sub.store.quirks[QuirkLiteAttemptReset]
	}
	return l.sub.store.quirks[QuirkAttemptReset]
}

// even gives what p has got from the lane, from the index first on, the attempt of the least delivered
// of it; of a lite topic only if one has not been delivered before. If that is beyond the last attempt,
// it goes to the dead letters.
func (l *orderedLane) even(p *pull, first int) {
	got := p.got[first:]
	if !l.evens() || len(got) == 0 {
		return
	}
	least := got[0].attempt
	for i := range got {
		least = min(least, got[i].attempt)
	}
	if l.lite == nil || least == 1 {
		for i := range got {
			got[i].attempt = least
		}
	}
	kept := p.got[:first]
	for i := range got {
		if got[i].attempt <= l.sub.group.maxAttempts() {
			kept = append(kept, got[i])
			continue
		}
		l.bury(got[i].handle)
		p.dead++
	}
	p.got = kept
}

// bury makes a message that was just handed out a dead letter instead.
func (l *orderedLane) bury(h handle) {
	for i, o := range l.out {
		if o.offset == h.offset {
			l.out = append(l.out[:i], l.out[i+1:]...)
			l.settle(o.offset)
			l.sub.bury(o.held)
			return
		}
	}
}
