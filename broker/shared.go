package broker

// A sharedLane is a queue of a group that is not ordered. What it hands out is invisible for a
// time; what is not settled by then comes back as another copy, in the lane of redeliveries.
type sharedLane struct {
	sub    *subscription
	queue  *queueLog
	id     int
	kind   topicKind
	next   int64            // all below have been handed out or skipped
	leases map[int64]*lease // by offset

	noted   int64   // next, as it was noted last
	touched []int64 // offsets of which is still to be noted what has become of them
}

func newSharedLane(s *subscription, l *queueLog, id int, kind topicKind) *sharedLane {
	return &sharedLane{sub: s, queue: l, id: id, kind: kind, leases: make(map[int64]*lease)}
}

func (l *sharedLane) log() *queueLog  { return l.queue }
func (l *sharedLane) position() int64 { return l.next }

func (l *sharedLane) progress(int64) (ready, inFlight int64) {
	first, end := l.queue.bounds()
	return end - max(first, l.next), int64(len(l.leases))
}

func (l *sharedLane) idle(int64) bool {
	_, end := l.queue.bounds()
	return l.next >= end
}

func (l *sharedLane) pop(p *pull) {
	first, _ := l.queue.bounds()
	l.next = max(first, l.next)
	taken, start := 0, int64(-1)
	for !p.full() {
		entries := l.queue.from(l.next)
		if len(entries) == 0 {
			return
		}
		for i := range entries {
			e := &entries[i]
			if !p.filter.matches(e.record) {
				l.next++
				l.sub.counts.Filtered++
				continue
			}
			size := len(e.body())
			if !p.fits(taken, size) {
				return
			}
			taken += size
			if start < 0 {
				start = l.next
			}
			l.next++
			l.hand(e, l.next-1, start, p)
		}
	}
}

// hand gives the entry at an offset to p, or to the dead letters if it has been delivered enough.
func (l *sharedLane) hand(e *entry, offset, start int64, p *pull) {
	if e.attempt >= l.sub.group.maxAttempts() {
		l.sub.bury(*e)
		p.dead++
		return
	}
	ls := &lease{lane: l, held: *e, offset: offset, popTime: p.now, renewal: newRenewal(p, e.attempt)}
	ls.owner = ls
	ls.hide(p.now + p.invisible)
	l.leases[offset] = ls
	p.take(delivery{entry: *e, attempt: e.attempt + 1, handle: handle{
		start: start, popTime: p.now, invisible: p.invisible, revive: offset % reviveQueues,
		kind: l.kind, broker: l.sub.store.name, queue: int64(l.id), offset: offset, commit: e.commit,
	}})
}

func (l *sharedLane) find(h handle) (flight, bool) {
	ls, ok := l.leases[h.offset]
	if !ok || ls.popTime != h.popTime {
		return nil, false
	}
	return ls, true
}

func (l *sharedLane) flights() []flight {
	all := make([]flight, 0, len(l.leases))
	for _, ls := range l.leases {
		all = append(all, ls)
	}
	return all
}

// A lease is a delivery in flight from a shared lane.
type lease struct {
	deadline // in the subscription's due: when the message comes back, or the renewal is up
	lane     *sharedLane
	held     entry
	offset   int64
	popTime  int64    // with offset, what tells its handle from an earlier one
	moved    bool     // its time was changed, or extended
	free     bool     // the next delivery does not count as another attempt
	renewal  *renewal // nil if nothing extends it
}

// hide keeps the message invisible until the given time. It comes back a little later, as on the
// server, where an expired lease has to be found first.
func (ls *lease) hide(until int64) {
	if ls.renewal != nil {
		until -= renewAhead
	} else {
		until += ls.lane.sub.store.revive
	}
	ls.lane.sub.due.set(&ls.deadline, until)
	ls.lane.touch(ls.offset)
}

// expire brings the message back, unless its lease is to be extended.
func (ls *lease) expire(now int64) {
	if ls.renewal == nil {
		ls.bringBack(ls.free)
		return
	}
	var extension int64
	extension, ls.renewal = ls.lane.sub.extend(ls.renewal, now)
	ls.moved = true
	ls.hide(now + extension)
}

func (ls *lease) bringBack(free bool) {
	ls.settle()
	attempt := ls.held.attempt
	if !free {
		attempt++
	}
	ls.lane.sub.redeliver(ls.held, attempt)
}

func (ls *lease) entry() entry { return ls.held }

func (ls *lease) settle() {
	delete(ls.lane.leases, ls.offset)
	ls.lane.sub.due.remove(&ls.deadline)
	ls.lane.touch(ls.offset)
}

func (ls *lease) change(now, invisible int64, free bool) (popTime, invisibleFor int64) {
	ls.popTime = max(now, ls.popTime+1) // never the same handle again, even within a millisecond
	ls.free, ls.moved = free, true
	ls.renewal = nil
	ls.hide(ls.popTime + invisible)
	return ls.popTime, invisible
}

func (ls *lease) handBack() { ls.bringBack(true) }

func (ls *lease) renewing() *renewal { return ls.renewal }

func (ls *lease) abandon(now int64) {
	ls.renewal = nil
	ls.hide(now + abandonedAfter)
}
