package broker

import v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"

const (
	// maxLiteNews is how many lite topics with messages the server notes for a client, and
	// liteNewsAgain after how many milliseconds it looks for others.
	maxLiteNews   = 100
	liteNewsAgain = 10_000
)

// ordinary marks the topic, in the subscriptions of a group of lite topics, as one that is read like
// any other. No topic has such a name.
const ordinary = "ordinary "

// checkServed refuses subscriptions to lite topics, and receives from them.
func (s *service) checkServed() error {
	if s.store.quirks[QuirkNoLite] {
		return refuse(v2.Code_INTERNAL_SERVER_ERROR, "lite topics are not served in LOCAL mode")
	}
	return nil
}

// ordinarySubscription finds what a group of lite topics reads of their parent as of any other topic,
// or makes it.
func (s *store) ordinarySubscription(g *group, t *topic) *subscription {
	s.mu.Lock()
	defer s.mu.Unlock()
	sub, ok := g.subs[ordinary+t.Name]
	if !ok {
		sub = newOrdinary(s, g, t)
		g.subs[ordinary+t.Name] = sub
		s.keepLocked(sub)
		t.addSub(sub)
	}
	return sub
}

// newOrdinary gives what another group of the same description would read that is not one of lite topics.
func newOrdinary(s *store, g *group, t *topic) *subscription {
	cfg := g.Group
	cfg.Lite = LiteBinding{}
	sub := newSubscription(s, newGroup(cfg), t)
	sub.begun = eventOrdinary
	return sub
}

// findDelivery finds where a receipt handle is from, by what the request says beside it.
func (s *store) findDelivery(group, topic, lite string) (*subscription, bool) {
	if lite == "" && s.quirks[QuirkLiteMode] {
		if sub, ok := s.find(group, ordinary+topic); ok {
			return sub, true
		}
	}
	return s.find(group, topic)
}

// unnamed tells whether a request about a message of a lite topic does not name that, which the
// server takes for one about the parent topic.
func (s *subscription) unnamed(h handle) bool {
	return s.lite != nil && h.lite == "" && s.store.quirks[QuirkLiteUnnamed]
}

// returnFirst stores a message that becomes a dead letter in its lite topic again, if it was the first
// there.
func (r *liteReader) returnFirst(e entry) {
	if !r.sub.store.quirks[QuirkLiteDeadLetter] {
		return
	}
	for _, l := range r.order {
		if first, ok := l.queue.at(0); ok && first.commit == e.commit {
			l.lite.hold(entry{record: e.record, storedAt: nowMillis(), commit: r.sub.topic.commit.Add(entryOverhead)})
			return
		}
	}
}

// passesBy tells whether the client is not to look into a lane, as there are too many others with
// something for it.
func (c *liteClient) passesBy(l *orderedLane, now int64) bool {
	if !c.reader.sub.store.quirks[QuirkLiteNews] || l.idle(now) {
		return false
	}
	if c.news == nil || now-c.newsSince >= liteNewsAgain {
		c.news, c.newsSince = make(map[*orderedLane]bool), now
	}
	if !c.news[l] && len(c.news) >= maxLiteNews {
		return true
	}
	c.news[l] = true
	return false
}

// forgetsAttempt tells whether the lane does not know an attempt that is repeated.
func (l *orderedLane) forgetsAttempt() bool {
	return l.lite != nil && l.sub.store.quirks[QuirkLiteAttempt]
}
