package broker

import (
	"cmp"
	"fmt"
	"slices"
)

// Unsettled is a message that a group has received and has not settled: it is in flight, or waits to
// be delivered again.
type Unsettled struct {
	Group, Topic, LiteTopic string // LiteTopic is "" for none
	MessageID               string
	Attempts                int  // deliveries so far
	InFlight                bool // else it waits to be delivered again
}

// String says it in one line.
func (u Unsettled) String() string {
	where, state := u.Topic, "waits to be delivered again"
	if u.LiteTopic != "" {
		where += "/" + u.LiteTopic
	}
	if u.InFlight {
		state = "in flight"
	}
	return fmt.Sprintf("group %s, topic %s: message %s, received %d times, %s", u.Group, where, u.MessageID, u.Attempts, state)
}

// Unsettled lists what was received and never settled, by group, topic and message id. Dead letters
// are settled.
func (b *Broker) Unsettled() []Unsettled { return unsettled(b) }

// Unsettled lists what was received from any broker of the cluster and never settled, as
// [Broker.Unsettled] does. Those that are stopped count too.
func (c *Cluster) Unsettled() []Unsettled { return unsettled(c.brokers()...) }

func unsettled(brokers ...*Broker) []Unsettled {
	var all []Unsettled
	for _, b := range brokers {
		for _, g := range b.Groups() {
			subs, _ := b.store.readBy(g.Name) // of no group that is not there
			for _, s := range subs {
				all = append(all, s.unsettled(nowMillis())...)
			}
		}
	}
	slices.SortFunc(all, func(a, b Unsettled) int {
		return cmp.Or(cmp.Compare(a.Group, b.Group), cmp.Compare(a.Topic, b.Topic),
			cmp.Compare(a.LiteTopic, b.LiteTopic), cmp.Compare(a.MessageID, b.MessageID))
	})
	return all
}

func (s *subscription) unsettled(now int64) []Unsettled {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []Unsettled
	add := func(e entry, attempts int32, inFlight bool) {
		all = append(all, Unsettled{
			s.group.Name, s.topic.Name, e.liteTopic(), e.id(), int(attempts), inFlight,
		})
	}
	for _, l := range s.all() {
		l.unsettled(now, add)
	}
	return all
}

// unsettled tells of what was received and not settled.
func (l *sharedLane) unsettled(_ int64, add func(e entry, attempts int32, inFlight bool)) {
	for _, ls := range l.leases {
		add(ls.held, ls.held.attempt+1, true)
	}
	for offset := l.next; ; {
		entries := l.queue.from(offset)
		if len(entries) == 0 {
			return
		}
		for _, e := range entries {
			if e.attempt > 0 {
				add(e, e.attempt, false)
			}
		}
		offset += int64(len(entries))
	}
}

// unsettled tells of what was received and not settled.
func (l *orderedLane) unsettled(now int64, add func(e entry, attempts int32, inFlight bool)) {
	for offset, t := range l.tries {
		e, ok := l.queue.at(offset)
		if !ok || t.count == 0 {
			continue
		}
		add(e, t.count, slices.ContainsFunc(l.out, func(o *outstanding) bool {
			return o.offset == offset && o.visible > now
		}))
	}
}
