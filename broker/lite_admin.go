package broker

import (
	"fmt"
	"slices"
	"time"
)

// LiteTopic is one lite topic, as it stands.
type LiteTopic struct {
	Name       string
	Stored     int64 // messages ever sent to it
	LastStored time.Time
	Groups     map[string]LiteProgress // those that have subscribed to it
}

// LiteProgress is how far a group has come with one lite topic.
type LiteProgress struct {
	Ready    int64    // messages not handed out, redeliveries included
	InFlight int64    // handed out and not settled, up to the redelivery
	Clients  []string // that subscribe to it now, by id
}

// LiteTopics lists the lite topics of a topic by name: those that messages were sent to, and those
// that were subscribed to. For an unknown topic, or one not of type [Lite], it gives nil.
func (b *Broker) LiteTopics(parent string) []LiteTopic {
	t, ok := b.store.lookUp(parent)
	if !ok || t.lites == nil {
		return nil
	}
	now := nowMillis()
	all := []LiteTopic{}
	for _, q := range t.lites.list() {
		_, end := q.bounds()
		lite := LiteTopic{Name: q.name, Stored: end, Groups: make(map[string]LiteProgress)}
		if e, ok := q.last(); ok {
			lite.LastStored = time.UnixMilli(e.storedAt)
		}
		for _, s := range t.lites.groups() {
			if p, ok := s.liteProgress(q, now); ok {
				lite.Groups[s.group.Name] = p
			}
		}
		all = append(all, lite)
	}
	return all
}

// ExpireLiteTopic drops a lite topic, as it is dropped when [Topic].LiteExpiry is over: its
// messages can no more be received as those of a lite topic, what is in flight cannot be settled,
// and no client subscribes to it, without having been told. It fails with [ErrUnknown] if there is
// no such lite topic.
func (b *Broker) ExpireLiteTopic(parent, name string) error {
	if !b.store.dropLite(parent, name) {
		return fmt.Errorf("%w: lite topic %q of %q", ErrUnknown, name, parent)
	}
	return b.settle(nil)
}

func (s *store) dropLite(parent, name string) bool {
	s.diary.enter()
	defer s.diary.leave()
	t, ok := s.lookUp(parent)
	return ok && t.lites != nil && t.lites.drop(name)
}

// UnsubscribeLite ends the subscriptions of all clients of a group to a lite topic, and tells each
// so, as the server does when another client takes the lite topic. It fails with [ErrUnknown] if no
// client of the group subscribes to it.
func (b *Broker) UnsubscribeLite(group, name string) error {
	subs, _ := b.store.readBy(group)
	for _, s := range subs {
		if s.lite != nil && s.unsubscribeAll(name) {
			return nil
		}
	}
	return fmt.Errorf("%w: lite topic %q in group %q", ErrUnknown, name, group)
}

func (s *subscription) unsubscribeAll(name string) bool {
	s.mu.Lock()
	defer s.unlock()
	found := false
	for _, c := range s.lite.clients {
		if c.drop(name) {
			s.lite.notify(c.id, name)
			found = true
		}
	}
	return found
}

// liteProgress gives false if the group has nothing to do with the lite topic.
func (s *subscription) liteProgress(q *liteQueue, now int64) (LiteProgress, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l, ok := s.lite.find(q)
	if !ok {
		return LiteProgress{}, false
	}
	p := LiteProgress{Clients: []string{}}
	p.Ready, p.InFlight = l.progress(now)
	for id, c := range s.lite.clients {
		if c.wants[q.name] || s.lite.wildcard() {
			p.Clients = append(p.Clients, id)
		}
	}
	slices.Sort(p.Clients)
	return p, true
}

// groups gives the groups that read.
func (l *liteTopics) groups() []*subscription {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.readers
}
