package broker

import (
	"slices"
	"sync"
)

// A subscription is one topic as one group reads it: a lane for each queue, a lane for the
// redeliveries, what is in flight, and who waits.
type subscription struct {
	store *store
	group *group
	topic *topic
	alarm deadline  // in the scheduler, for the earliest of due
	id    int64     // by which the diary calls it; unkept if it does not
	begun eventKind // by which the diary says that there is one

	mu        sync.Mutex  // guards what follows and all in the lanes
	lanes     []lane      // by queue id; none in a group of lite topics
	lite      *liteReader // of a group of lite topics
	retries   *topic      // nil until there is a redelivery
	retry     *sharedLane // likewise
	due       deadlines
	armed     int64 // when alarm is set to expire; 0 if it is not set
	waiters   []*waiter
	turn      int            // counts pops, to begin at another queue each time
	news      []arrival      // what was stored under the lock; told by unlock
	forwarded map[int64]bool // commit positions of what a client sent to the dead letters
	counts    Progress       // Acked, Filtered and DeadLettered alone

	noted   Progress // counts, as they were noted last
	unnoted []int64  // of forwarded
}

// An arrival is messages stored in a queue from offset first on, of which nobody was told yet.
type arrival struct {
	topic *topic
	queue int
	first int64
}

// A lane is one queue as one group sees it. All is called with the subscription locked.
type lane interface {
	// pop hands out what it may, until p is full.
	pop(p *pull)
	// idle tells whether a pop would find nothing, whatever it wants.
	idle(now int64) bool
	// find gives the delivery in flight that the handle names: none if it has been settled, or
	// has come back since.
	find(h handle) (flight, bool)
	// flights gives all deliveries in flight.
	flights() []flight
	// progress counts what is ready, and what is in flight.
	progress(now int64) (ready, inFlight int64)
	// unsettled tells of what was received and not settled.
	unsettled(now int64, add func(e entry, attempts int32, inFlight bool))
	// position gives the offset below which all has been handed out or skipped.
	position() int64
	// log gives the queue.
	log() *queueLog
	// note appends what has happened to it since the last call; tell all that it is.
	note(e events) events
	tell(e events) events
}

// A flight is a delivery in flight: handed out, not yet settled, not yet back.
type flight interface {
	// entry gives the message.
	entry() entry
	// settle ends it for good.
	settle()
	// change sets when the message is visible again, and gives the pop time and the invisible
	// duration of the new handle. With free, the next delivery does not count as another attempt,
	// where the lane can do so.
	change(now, invisible int64, free bool) (popTime, invisibleFor int64)
	// handBack makes the message visible at once, as though it had not been handed out.
	handBack()
	// renewing gives what extends the delivery, nil for nothing.
	renewing() *renewal
	// abandon ends the renewal: the message comes back soon.
	abandon(now int64)
}

func newSubscription(st *store, g *group, t *topic) *subscription {
	s := &subscription{
		store: st, group: g, topic: t, begun: eventSubscription,
		lanes:     make([]lane, len(t.logs)),
		forwarded: make(map[int64]bool),
	}
	s.alarm.owner = s
	if g.Lite.Topic == t.Name && t.lites != nil {
		s.lanes, s.lite = nil, newLiteReader(s)
		return s
	}
	for i, l := range t.logs {
		if g.Ordered {
			s.lanes[i] = newOrderedLane(s, l, i)
		} else {
			s.lanes[i] = newSharedLane(s, l, i, kindTopic)
		}
	}
	return s
}

// unlock gives up the lock, having set the alarm, and then tells of what was stored under it.
func (s *subscription) unlock() {
	news := s.news
	s.news = nil
	if len(s.due) > 0 && (s.armed == 0 || s.due[0].at < s.armed) {
		s.armed = s.due[0].at
		s.store.scheduler.set(&s.alarm, s.armed)
	}
	if e := s.pending(); len(e) > 0 {
		s.store.diary.write(e)
	}
	s.mu.Unlock()
	for _, a := range news {
		a.topic.arrived(a.queue, a.first)
	}
}

// expire is called by the scheduler: some messages are visible again, or some queues free.
func (s *subscription) expire(now int64) {
	s.mu.Lock()
	defer s.unlock()
	s.armed = 0
	for d, ok := s.due.due(now); ok; d, ok = s.due.due(now) {
		d.owner.expire(now)
	}
}

// pop hands out to p what is there. Every fifth time it looks at the redeliveries first, so that
// neither they nor new messages starve.
func (s *subscription) pop(p *pull) {
	if s.lite != nil {
		s.lite.pop(p)
		return
	}
	if s.topic.ranked.Load() && !s.group.Ordered {
		s.popByPriority(p)
		return
	}
	s.turn++
	retryFirst := s.turn%5 == 0
	if retryFirst && s.retry != nil {
		s.retry.pop(p)
	}
	for i := range s.lanes {
		s.lanes[(s.turn+i)%len(s.lanes)].pop(p)
	}
	if !retryFirst && s.retry != nil {
		s.retry.pop(p)
	}
}

// popByPriority begins with the queue of the highest priority. Redeliveries come last.
func (s *subscription) popByPriority(p *pull) {
	for _, l := range slices.Backward(s.lanes) {
		l.pop(p)
	}
	if s.retry != nil {
		s.retry.pop(p)
	}
}

// lane finds the lane that a handle names.
func (s *subscription) lane(h handle) (lane, bool) {
	if s.lite != nil {
		l, ok := s.lite.lanes[h.lite]
		return l, ok
	}
	if h.kind != kindTopic {
		return s.retry, s.retry != nil && h.queue == 0
	}
	if h.queue < 0 || h.queue >= int64(len(s.lanes)) {
		return nil, false
	}
	return s.lanes[h.queue], true
}

// inFlight finds the delivery in flight that a handle names.
func (s *subscription) inFlight(h handle) (flight, bool) {
	l, ok := s.lane(h)
	if !ok {
		return nil, false
	}
	return l.find(h)
}

// known tells whether there ever was a message that the handle names.
func (s *subscription) known(h handle) bool {
	l, ok := s.lane(h)
	if !ok {
		return false
	}
	_, end := l.log().bounds()
	return h.offset >= 0 && h.offset < end
}

// stored finds the message that a handle names, whatever became of it, if it is kept.
func (s *subscription) stored(h handle) (entry, bool) {
	l, ok := s.lane(h)
	if !ok {
		return entry{}, false
	}
	return l.log().at(h.offset)
}

// redeliver stores another copy of an entry where the group reads it again.
func (s *subscription) redeliver(e entry, attempt int32) {
	if s.retry == nil {
		s.retries = s.store.retriesOf(s)
		s.retry = newSharedLane(s, s.retries.logs[0], 0, kindRetry)
	}
	first := s.retries.appendAfter(s.pending(), 0, attempt, e.record)
	s.tell(arrival{s.retries, 0, first})
	s.wake(s.retry, first)
	if len(*s.retries.subs.Load()) == 0 { // who is in flight has its message; nobody else reads here
		s.retries.logs[0].keep(s.store.retain, s.retry.position())
	}
}

// bury stores a copy of an entry in the group's dead letters, where its attempts begin anew.
func (s *subscription) bury(e entry) {
	s.counts.DeadLettered++
	if s.lite != nil {
		s.lite.returnFirst(e)
	}
	t := s.store.deadLetters(s.group.Name)
	kept := slices.Clone(e.record) // which may be part of a larger piece of memory
	s.tell(arrival{t, 0, t.appendAfter(s.pending(), 0, 0, kept)})
}

// tell lets unlock tell of an arrival, if anyone reads there. Who begins to after this finds it.
func (s *subscription) tell(a arrival) {
	if len(*a.topic.subs.Load()) > 0 || a.topic.pullers.waiting() {
		s.news = append(s.news, a)
	}
}

// all gives the lanes of the queues, and that of the redeliveries if there is one.
func (s *subscription) all() []lane {
	if s.lite != nil {
		all := make([]lane, len(s.lite.order))
		for i, l := range s.lite.order {
			all[i] = l
		}
		return all
	}
	if s.retry == nil {
		return s.lanes
	}
	return append(s.lanes[:len(s.lanes):len(s.lanes)], s.retry)
}

func (s *subscription) progress(now int64) Progress {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.counts
	for _, l := range s.all() {
		ready, inFlight := l.progress(now)
		p.Ready += ready
		p.InFlight += inFlight
	}
	p.Backlog = p.Ready + p.InFlight
	return p
}
