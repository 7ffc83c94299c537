package broker

import "slices"

// maxSkip bounds how far an ordered lane looks past what it has just taken for more of it.
const maxSkip = 1024

// An orderedLane is a queue of an ordered group. What it hands out blocks it until all of that is
// settled or visible again; then it begins at the first message that is not settled.
type orderedLane struct {
	deadline  // in the subscription's due, while it is blocked: when it is free, or a renewal is up
	sub       *subscription
	queue     *queueLog
	id        int
	lite      *liteQueue      // the lite topic, if it is the lane of one
	base      int64           // all below are settled
	settled   map[int64]bool  // above base
	tries     map[int64]tries // of what is not settled
	out       []*outstanding  // what was handed out last and is not settled, by offset
	attemptID string          // of the pull that got out
	dirty     bool            // something is to be noted of it
}

// tries is what is known of the deliveries of one message.
type tries struct {
	count   int32
	popTime int64 // the latest
}

// An outstanding is a delivery in flight from an ordered lane.
type outstanding struct {
	lane    *orderedLane
	held    entry
	offset  int64
	popTime int64
	visible int64    // when it is visible again
	renewal *renewal // nil if nothing extends it
	free    bool     // it is no attempt: it has not reached its client, or is suspended
}

func newOrderedLane(s *subscription, l *queueLog, id int) *orderedLane {
	lane := &orderedLane{sub: s, queue: l, id: id,
		settled: make(map[int64]bool), tries: make(map[int64]tries)}
	lane.owner = lane
	return lane
}

func (l *orderedLane) log() *queueLog  { return l.queue }
func (l *orderedLane) position() int64 { return l.base }

func (l *orderedLane) progress(now int64) (ready, inFlight int64) {
	for _, o := range l.out {
		if o.visible > now {
			inFlight++
		}
	}
	first, end := l.queue.bounds()
	return end - max(first, l.base) - int64(len(l.settled)) - inFlight, inFlight
}

func (l *orderedLane) idle(now int64) bool {
	_, end := l.queue.bounds()
	return l.base >= end || l.blocked(now)
}

func (l *orderedLane) pop(p *pull) {
	switch {
	case p.full():
	case len(l.out) == 0:
		l.take(p)
	case p.attemptID != "" && p.attemptID == l.attemptID && !l.forgetsAttempt():
		l.repeat(p)
	case !l.blocked(p.now):
		l.take(p)
	}
}

func (l *orderedLane) blocked(now int64) bool {
	return slices.ContainsFunc(l.out, func(o *outstanding) bool { return o.visible > now })
}

// take hands out from the first message that is not settled on.
func (l *orderedLane) take(p *pull) {
	first, _ := l.queue.bounds()
	if first > l.base || len(l.out) > 0 {
		l.touch()
	}
	l.base = max(first, l.base)
	l.forgetSettled()
	before := len(p.got)
	l.out, l.attemptID = nil, p.attemptID
	taken, skipped, start := 0, 0, int64(-1)
	for offset := l.base; skipped < maxSkip; offset++ {
		e, ok := l.queue.at(offset)
		if !ok {
			break
		}
		if offset < l.base || l.settled[offset] { // base moves on while this goes through
			continue
		}
		if !p.filter.matches(e.record) {
			l.settle(offset)
			l.sub.counts.Filtered++
			skipped += min(len(l.out), 1) // without limit as long as nothing blocks what it passes
			continue
		}
		size := len(e.body())
		if !p.fits(taken, size) {
			break
		}
		taken += size
		if start < 0 {
			start = offset
		}
		l.hand(e, offset, start, p)
	}
	l.even(p, before)
	if len(l.out) > 0 {
		l.touch()
	}
	l.arm()
}

// hand gives an entry to p, or to the dead letters if it has been delivered enough.
func (l *orderedLane) hand(e entry, offset, start int64, p *pull) {
	t := l.tries[offset]
	if t.count >= l.sub.group.maxAttempts() && !l.evens() {
		l.settle(offset)
		l.sub.bury(e)
		p.dead++
		return
	}
	l.tries[offset] = tries{t.count + 1, t.popTime}
	o := &outstanding{lane: l, held: e, offset: offset}
	l.out = append(l.out, o)
	l.deliver(o, start, p)
}

// repeat hands out again what the same attempt has got already; the earlier handles are void.
func (l *orderedLane) repeat(p *pull) {
	for _, o := range l.out {
		if p.full() {
			break
		}
		l.deliver(o, l.out[0].offset, p)
	}
	l.touch()
	l.arm()
}

func (l *orderedLane) deliver(o *outstanding, start int64, p *pull) {
	t := l.tries[o.offset]
	if o.free {
		t.count++
		o.free = false
	}
	t.popTime = max(p.now, t.popTime+1) // never the same handle again, even within a millisecond
	l.tries[o.offset] = t
	o.popTime, o.visible, o.renewal = t.popTime, t.popTime+p.invisible, newRenewal(p, t.count-1)
	p.take(delivery{entry: o.held, attempt: t.count, handle: handle{
		start: start, popTime: o.popTime, invisible: p.invisible, revive: reviveOrdered,
		kind: kindTopic, broker: l.sub.store.name, queue: int64(l.id), offset: o.offset, commit: o.held.commit,
		lite: l.liteTopic(),
	}})
}

// settle takes a message out for good.
func (l *orderedLane) settle(offset int64) {
	l.touch()
	delete(l.tries, offset)
	l.settled[offset] = true
	for l.settled[l.base] {
		delete(l.settled, l.base)
		l.base++
	}
}

// arm sets the deadline by what is out.
func (l *orderedLane) arm() {
	if len(l.out) == 0 {
		l.sub.due.remove(&l.deadline)
		return
	}
	free, renew := int64(0), int64(0)
	for _, o := range l.out {
		free = max(free, o.visible)
		if at := o.visible - renewAhead; o.renewal != nil && (renew == 0 || at < renew) {
			renew = at
		}
	}
	if renew != 0 {
		free = renew
	}
	l.sub.due.set(&l.deadline, free)
}

// changed is called when less is out, or what is out is visible at another time.
func (l *orderedLane) changed(now int64) {
	l.touch()
	l.arm()
	if !l.blocked(now) {
		l.sub.serve(l, func(*pull) bool { return true })
	}
}

// expire is called when all that is out may be visible again, or a renewal is up.
func (l *orderedLane) expire(now int64) {
	for _, o := range l.out {
		if o.renewal == nil || o.visible-renewAhead > now {
			continue
		}
		var extension int64
		extension, o.renewal = l.sub.extend(o.renewal, now)
		o.visible = now + extension
		l.touch()
	}
	if l.blocked(now) {
		l.arm()
		return
	}
	l.sub.serve(l, func(*pull) bool { return true })
}

func (l *orderedLane) find(h handle) (flight, bool) {
	for _, o := range l.out {
		if o.offset == h.offset && o.popTime == h.popTime {
			return o, true
		}
	}
	return nil, false
}

func (l *orderedLane) flights() []flight {
	all := make([]flight, len(l.out))
	for i, o := range l.out {
		all[i] = o
	}
	return all
}

func (o *outstanding) entry() entry { return o.held }

func (o *outstanding) settle() {
	o.lane.out = slices.DeleteFunc(o.lane.out, func(other *outstanding) bool { return other == o })
	o.lane.settle(o.offset)
	o.lane.changed(nowMillis())
}

// change keeps the pop time, as the server does: the handle differs in its invisible duration. It
// counts as an attempt in any case, but in the lane of a lite topic, which can be suspended.
func (o *outstanding) change(now, invisible int64, free bool) (popTime, invisibleFor int64) {
	if free && o.lane.lite != nil {
		o.lane.suspend(now + invisible)
	}
	o.visible, o.renewal = now+invisible, nil
	o.lane.changed(now)
	return o.popTime, o.visible - o.popTime
}

func (o *outstanding) handBack() {
	o.uncount()
	o.visible, o.renewal = 0, nil
	o.lane.changed(nowMillis())
}

// uncount lets the delivery not be an attempt, so that the next one is the same.
func (o *outstanding) uncount() {
	if o.free {
		return
	}
	t := o.lane.tries[o.offset]
	o.lane.tries[o.offset] = tries{t.count - 1, t.popTime}
	o.free = true
}

func (o *outstanding) renewing() *renewal { return o.renewal }

func (o *outstanding) abandon(now int64) {
	o.visible, o.renewal = now+abandonedAfter, nil
	o.lane.changed(now)
}
