package broker

import (
	"slices"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
)

// A liteReader is what a group of lite topics has in the place of a lane for each queue: a lane for
// each lite topic that a client has ever subscribed to, and the clients. All of it is used with
// the subscription locked.
type liteReader struct {
	sub     *subscription
	lanes   map[string]*orderedLane // by lite topic
	order   []*orderedLane          // the same, as they came
	clients map[string]*liteClient
	touched []*orderedLane // of which something is still to be noted
}

// A liteClient is the lite topics that one client has subscribed to.
type liteClient struct {
	deadline // in the subscription's due: when it is forgotten, unless it speaks of them
	reader   *liteReader
	id       string
	wants    map[string]bool
	order    []*orderedLane
	next     int   // in order: where the next pop begins, so that no lite topic starves
	spoke    int64 // Unix milliseconds

	news      map[*orderedLane]bool // with QuirkLiteNews: those looked into since newsSince
	newsSince int64                 // Unix milliseconds
}

func newLiteReader(s *subscription) *liteReader {
	return &liteReader{sub: s, lanes: make(map[string]*orderedLane), clients: make(map[string]*liteClient)}
}

// pop hands out to p what lies in the lite topics of its client.
func (r *liteReader) pop(p *pull) {
	c, ok := r.clients[p.client]
	if !ok {
		return
	}
	order := c.order
	if r.wildcard() {
		order = r.order
	}
	for i := range order {
		at := (c.next + i) % len(order)
		if c.passesBy(order[at], p.now) {
			continue
		}
		if order[at].pop(p); p.full() {
			c.next = at + 1
			return
		}
	}
}

// reads tells whether the lane is of a lite topic that the client of p has subscribed to.
func (r *liteReader) reads(p *pull, l lane) bool {
	c, ok := r.clients[p.client]
	if !ok || r.wildcard() {
		return ok
	}
	of, ok := l.(*orderedLane)
	return ok && c.wants[of.liteTopic()]
}

func (r *liteReader) wildcard() bool { return r.sub.group.Lite.Wildcard }

// lane finds the lane of a lite topic, or makes it: from the beginning of the lite topic.
func (r *liteReader) lane(q *liteQueue) *orderedLane {
	if l, ok := r.find(q); ok {
		return l
	}
	if old, ok := r.lanes[q.name]; ok { // of one that is being dropped, and has come into being again
		r.forget(old)
	}
	l := newOrderedLane(r.sub, &q.queueLog, 0)
	l.lite = q
	r.lanes[q.name] = l
	r.order = append(r.order, l)
	l.touch()
	return l
}

// find finds the lane of a lite topic.
func (r *liteReader) find(q *liteQueue) (*orderedLane, bool) {
	l, ok := r.lanes[q.name]
	return l, ok && l.queue == &q.queueLog
}

// forget takes out a lane, with the subscriptions to its lite topic.
func (r *liteReader) forget(l *orderedLane) {
	l.reset(0)
	delete(r.lanes, l.lite.name)
	r.order = slices.DeleteFunc(r.order, func(other *orderedLane) bool { return other == l })
	for _, c := range r.clients {
		c.drop(l.lite.name)
	}
}

// client finds what a client has subscribed to, which begins with nothing, and notes that it lives.
func (r *liteReader) client(id string, now int64) *liteClient {
	c, ok := r.clients[id]
	if !ok {
		c = &liteClient{reader: r, id: id, wants: make(map[string]bool)}
		c.owner = c
		r.clients[id] = c
	}
	c.spoke = now
	if !c.in {
		r.sub.due.set(&c.deadline, now+liteSubscriptionExpiry)
	}
	return c
}

// expire forgets the client if it has not spoken of its subscriptions.
func (c *liteClient) expire(now int64) {
	if at := c.spoke + liteSubscriptionExpiry; at > now {
		c.reader.sub.due.set(&c.deadline, at)
		return
	}
	c.reader.remove(c.id)
}

// remove forgets all that a client has subscribed to.
func (r *liteReader) remove(id string) {
	if c, ok := r.clients[id]; ok {
		r.sub.due.remove(&c.deadline)
		delete(r.clients, id)
	}
}

// add subscribes a client to lite topics, and serves it if it waits.
func (r *liteReader) add(c *liteClient, names []string, from *v2.OffsetOption) {
	for _, name := range names {
		l := r.lane(r.sub.topic.lites.open(name))
		if r.sub.group.Lite.Exclusive {
			r.exclude(c, l)
		}
		if at, ok := l.offsetOf(from); ok {
			l.reset(at)
		}
		c.add(l)
	}
	for _, name := range names {
		r.sub.serve(r.lanes[name], func(*pull) bool { return true })
	}
}

func (c *liteClient) add(l *orderedLane) {
	if !c.wants[l.lite.name] {
		c.wants[l.lite.name] = true
		c.order = append(c.order, l)
	}
}

// exclude takes a lite topic from the other clients, and tells them.
func (r *liteReader) exclude(c *liteClient, l *orderedLane) {
	for _, other := range r.clients {
		if other == c && !r.sub.store.quirks[QuirkLiteTakeover] || !other.wants[l.lite.name] {
			continue
		}
		other.drop(l.lite.name)
		r.notify(other.id, l.lite.name)
		if r.sub.group.Lite.ResetOnTakeover {
			l.reset(0)
		}
	}
}

// notify tells a client that it has lost a lite topic. It does not matter if the client cannot be
// told: what it says next of its subscriptions holds.
func (r *liteReader) notify(id, name string) {
	r.sub.store.proxies.command(id, &v2.TelemetryCommand{
		Command: &v2.TelemetryCommand_NotifyUnsubscribeLiteCommand{
			NotifyUnsubscribeLiteCommand: &v2.NotifyUnsubscribeLiteCommand{LiteTopic: name},
		},
	})
}

// drop unsubscribes a client from a lite topic. It gives false if it was not subscribed to it.
func (c *liteClient) drop(name string) bool {
	if !c.wants[name] {
		return false
	}
	delete(c.wants, name)
	c.order = slices.DeleteFunc(c.order, func(l *orderedLane) bool { return l.lite.name == name })
	return true
}

// unsubscribe ends the subscriptions of a client to some lite topics.
func (r *liteReader) unsubscribe(id string, names []string, now int64) {
	c, ok := r.clients[id]
	if !ok {
		return
	}
	c.spoke = now
	for _, name := range names {
		if c.drop(name) && r.sub.group.Lite.ResetOnUnsubscribe {
			r.lanes[name].reset(0)
		}
	}
}

// set makes the given lite topics all that a client has subscribed to. It takes none of them from
// another client.
func (r *liteReader) set(c *liteClient, names []string) {
	c.order, c.wants = nil, make(map[string]bool, len(names))
	if r.wildcard() {
		r.discover()
	} else {
		for _, name := range names {
			c.add(r.lane(r.sub.topic.lites.open(name)))
		}
	}
	for _, l := range r.order {
		r.sub.serve(l, func(*pull) bool { return true })
	}
}

// discover makes the lanes of all lite topics that there are.
func (r *liteReader) discover() {
	for _, q := range r.sub.topic.lites.list() {
		r.lane(q)
	}
}

// checkUnacked refuses to hand out more lite messages to a client that holds too many already.
func (s *subscription) checkUnacked(client string) error {
	if s.lite == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := s.lite.unacked(client); n > maxUnackedLite {
		return refusef(v2.Code_FORBIDDEN, "The client [%s] has too many unacked messages. Unacked count: %d", client, n)
	}
	return nil
}

// unacked counts the deliveries that are extended for a client.
func (r *liteReader) unacked(id string) int {
	n := 0
	for _, l := range r.order {
		for _, o := range l.out {
			if o.renewal != nil && o.renewal.client == id {
				n++
			}
		}
	}
	return n
}

// arrivedLite is called when a message has been stored in a lite topic at the given offset. It
// gives the offset below which the group needs the lite topic no more.
func (s *subscription) arrivedLite(q *liteQueue, first int64) int64 {
	s.mu.Lock()
	defer s.unlock()
	if s.lite.wildcard() && len(s.lite.clients) > 0 && q.exists() {
		s.lite.lane(q)
	}
	l, ok := s.lite.find(q)
	if !ok {
		return first
	}
	s.wake(l, first)
	return l.position()
}

// dropLite forgets a lite topic, and who has subscribed to it.
func (s *subscription) dropLite(q *liteQueue) {
	s.mu.Lock()
	defer s.unlock()
	if l, ok := s.lite.find(q); ok {
		s.lite.forget(l)
	}
}
