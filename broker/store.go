package broker

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
)

const (
	retryPrefix      = "%RETRY%"
	deadLetterPrefix = "%DLQ%"
)

// A store is all topics and groups by name, what is on its way there, and who reaches it. Its lock is
// held for look-ups only; the locks of subscriptions come before it, never after.
type store struct {
	name         string // of the broker, as routes and receipt handles say
	autoCreate   bool
	fifo         groupPatterns // of the groups that are made ordered
	recall       bool          // what waits for its time may be taken back
	retain       int64         // messages of a queue; 0 for all
	quirks       quirks
	encoder      encoder
	scheduler    *scheduler
	proxies      proxies
	delays       *delays
	transactions *transactions
	pullOffsets  *pullOffsets
	revive       int64  // milliseconds from the end of a lease to the redelivery
	storeHost    string // what messages say of where they are stored
	commit       atomic.Int64
	diary        *diary // nil if all is in memory alone

	mu     sync.RWMutex // guards what follows, the maps in groups, and the writing of topic.subs
	lastID int64        // of a topic or a subscription
	topics map[string]*topic
	groups map[string]*group
}

func newStore(opts Options, limits Limits, sch *scheduler) *store {
	s := &store{
		name:       brokerName,
		delays:     newDelays(sch),
		autoCreate: opts.AutoCreate,
		fifo:       opts.FIFOGroups,
		recall:     opts.Recall,
		retain:     int64(max(0, opts.Retain)),
		quirks:     newQuirks(opts.Quirks),
		scheduler:  sch,
		revive:     limits.RedeliveryDelay.Milliseconds(),
		topics:     make(map[string]*topic),
		groups:     make(map[string]*group),
	}
	s.transactions = newTransactions(s, limits)
	if s.quirks[QuirkClusterTopic] {
		s.topics[clusterName] = s.newTopic(unkept, Topic{Name: clusterName, Queues: clusterQueues})
	}
	s.pullOffsets = &pullOffsets{by: make(map[pullPosition]int64)}
	return s
}

// create makes what can be made, or describes anew what was found, and reports all that cannot be so.
func (s *store) create(topics []Topic, groups []Group) error {
	var errs []error
	for _, t := range topics {
		errs = append(errs, s.declareTopic(t))
	}
	for _, g := range groups {
		errs = append(errs, s.declareGroup(g))
	}
	return errors.Join(errs...)
}

// lookUp finds a topic.
func (s *store) lookUp(name string) (*topic, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	t, ok := s.topics[name]
	return t, ok
}

// stored finds a message of a topic by its id, as clients see it.
func (s *store) stored(topic, messageID string) (*v2.Message, bool) {
	t, ok := s.lookUp(topic)
	if !ok {
		return nil, false
	}
	for queue, l := range t.logs {
		offset, _ := l.bounds()
		for entries := l.from(offset); len(entries) > 0; entries = l.from(offset) {
			for i := range entries {
				if entries[i].id() == messageID {
					return s.shown(&entries[i], queue, offset+int64(i), 1), true
				}
			}
			offset += int64(len(entries))
		}
	}
	return nil, false
}

// topic finds a topic that a client has named, or makes it if the broker may: for messages of all
// types, since a name does not tell which are to come. The topics of retries and dead letters are never made so.
func (s *store) topic(name string) (*topic, bool) {
	t, ok := s.lookUp(name)
	if ok || !s.autoCreate || strings.HasPrefix(name, "%") {
		return t, ok
	}
	return s.ensureTopic(Topic{Name: name, Queues: DefaultQueues, Type: Any}), true
}

// ensureTopic finds a topic by its name, or makes it as described.
func (s *store) ensureTopic(cfg Topic) *topic {
	if t, ok := s.lookUp(cfg.Name); ok {
		return t
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	t, ok := s.topics[cfg.Name]
	if !ok {
		t = s.addTopicLocked(cfg)
	}
	return t
}

// addTopicLocked makes a topic, and writes down that there is one.
func (s *store) addTopicLocked(cfg Topic) *topic {
	s.lastID++
	t := s.newTopic(s.lastID, cfg)
	s.topics[cfg.Name] = t
	s.diary.write(topicEvent(t.id, cfg))
	return t
}

// addGroupLocked makes a group, and writes down that there is one.
func (s *store) addGroupLocked(cfg Group) *group {
	g := newGroup(cfg)
	s.groups[cfg.Name] = g
	s.diary.write(groupEvent(cfg))
	return g
}

// createTopic makes a topic of which nobody has spoken yet.
func (s *store) createTopic(cfg Topic) error {
	if err := cfg.normalize(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.topics[cfg.Name]; ok {
		return fmt.Errorf("%w: topic %q", ErrExists, cfg.Name)
	}
	s.addTopicLocked(cfg)
	return nil
}

// lookUpGroup finds a group.
func (s *store) lookUpGroup(name string) (*group, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	g, ok := s.groups[name]
	return g, ok
}

// group finds a group that a client has named, or makes it if the broker may.
func (s *store) group(name string) (*group, bool) {
	g, ok := s.lookUpGroup(name)
	if ok || !s.autoCreate {
		return g, ok
	}
	return s.ensureGroup(Group{Name: name, Ordered: s.fifo.match(name)})
}

// ensureGroup finds a group by its name, or makes it as described, if it can be so.
func (s *store) ensureGroup(cfg Group) (*group, bool) {
	if cfg.normalize() != nil {
		return nil, false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	g, ok := s.groups[cfg.Name]
	if !ok {
		g = s.addGroupLocked(cfg)
	}
	return g, true
}

// createGroup makes a group of which nobody has spoken yet.
func (s *store) createGroup(cfg Group) error {
	if err := cfg.normalize(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.groups[cfg.Name]; ok {
		return fmt.Errorf("%w: group %q", ErrExists, cfg.Name)
	}
	s.addGroupLocked(cfg)
	return nil
}

// find gives what a group reads of a topic, if it ever did.
func (s *store) find(group, topic string) (*subscription, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	g, ok := s.groups[group]
	if !ok {
		return nil, false
	}
	sub, ok := g.subs[topic]
	return sub, ok
}

// readBy gives all that a group reads.
func (s *store) readBy(group string) ([]*subscription, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	g, ok := s.groups[group]
	if !ok {
		return nil, false
	}
	return slices.Collect(maps.Values(g.subs)), true
}

// subscription finds what g reads of t, or makes it: from the beginning of the topic.
func (s *store) subscription(g *group, t *topic) *subscription {
	if sub, ok := s.find(g.Name, t.Name); ok {
		return sub
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	sub, ok := g.subs[t.Name]
	if !ok {
		sub = newSubscription(s, g, t)
		g.subs[t.Name] = sub
		s.keepLocked(sub)
		t.addSub(sub)
	}
	return sub
}

// keepLocked lets what happens to a subscription be written down.
func (s *store) keepLocked(sub *subscription) {
	if s.diary != nil && sub.topic.id != unkept {
		s.lastID++
		sub.id = s.lastID
		s.diary.write(sub.subscriptionEvent(nil))
	}
}

// abandon brings back soon what a proxy extends for a client that has gone, and ends its
// subscriptions to lite topics.
func (s *store) abandon(at *sessions, client string) {
	for _, sub := range s.subscriptions() {
		sub.abandon(at, client)
	}
	s.abandonLite(client)
}

// abandonLite ends the subscriptions to lite topics of a client.
func (s *store) abandonLite(client string) {
	for _, sub := range s.subscriptions() {
		if sub.lite != nil {
			sub.removeLite(client)
		}
	}
}

// subscriptions gives all that any group reads, in no order.
func (s *store) subscriptions() []*subscription {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var all []*subscription
	for _, g := range s.groups {
		all = slices.AppendSeq(all, maps.Values(g.subs))
	}
	return all
}

// deadLetters finds the topic of a group's dead letters, or makes it.
func (s *store) deadLetters(group string) *topic {
	return s.ensureTopic(Topic{Name: deadLetterPrefix + group, Queues: 1})
}

// retriesOf makes the topic of what a subscription redelivers. Its name, which is the server's, can
// mean two subscriptions: "a_b" reading "c", and "a" reading "b_c". They share nothing all the same.
func (s *store) retriesOf(sub *subscription) *topic {
	s.mu.Lock()
	defer s.mu.Unlock()
	cfg := Topic{Name: retryPrefix + sub.group.Name + "_" + sub.topic.Name, Queues: 1}
	if _, taken := s.topics[cfg.Name]; taken {
		cfg.Name = retryPrefix + sub.group.Name + "+" + sub.topic.Name
	}
	if sub.id == unkept {
		s.topics[cfg.Name] = s.newTopic(unkept, cfg)
		return s.topics[cfg.Name]
	}
	s.lastID++
	t := s.newTopic(s.lastID, cfg)
	s.topics[cfg.Name] = t
	s.diary.write(sub.event(topicEvent(t.id, cfg), eventRetries).number(t.id))
	return t
}
