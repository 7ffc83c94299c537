package broker

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
)

// CreateTopic makes a topic. It fails with a [*ConfigError] if the description is at fault, and
// with [ErrExists] if a topic of this name exists.
func (b *Broker) CreateTopic(t Topic) error { return b.settle(b.store.createTopic(t)) }

// CreateGroup makes a consumer group, which reads every topic from its beginning. It fails with a
// [*ConfigError] if the description is at fault, and with [ErrExists] if a group of this name
// exists.
func (b *Broker) CreateGroup(g Group) error { return b.settle(b.store.createGroup(g)) }

// settle waits until what was done would be found again in Dir, if there is one.
func (b *Broker) settle(err error) error {
	if err != nil {
		return err
	}
	return b.store.diary.settled(context.Background())
}

// Topics lists all topics by name, also those of retries (%RETRY%group_topic) and dead letters
// (%DLQ%group).
func (b *Broker) Topics() []Topic {
	b.store.mu.RLock()
	defer b.store.mu.RUnlock()
	all := make([]Topic, 0, len(b.store.topics))
	for _, name := range slices.Sorted(maps.Keys(b.store.topics)) {
		all = append(all, b.store.topics[name].Topic)
	}
	return all
}

// TopicStats is a topic and what it holds.
type TopicStats struct {
	Topic
	Stored int64 // messages that are kept, whether they have been consumed or not
}

// TopicStats lists what [Broker.Topics] lists, each with what it holds.
func (b *Broker) TopicStats() []TopicStats {
	b.store.mu.RLock()
	defer b.store.mu.RUnlock()
	all := make([]TopicStats, 0, len(b.store.topics))
	for _, name := range slices.Sorted(maps.Keys(b.store.topics)) {
		t := b.store.topics[name]
		stats := TopicStats{Topic: t.Topic}
		for _, l := range t.logs {
			first, end := l.bounds()
			stats.Stored += end - first
		}
		all = append(all, stats)
	}
	return all
}

// Groups lists all groups by name.
func (b *Broker) Groups() []Group {
	b.store.mu.RLock()
	defer b.store.mu.RUnlock()
	all := make([]Group, 0, len(b.store.groups))
	for _, name := range slices.Sorted(maps.Keys(b.store.groups)) {
		g := b.store.groups[name].Group
		g.Backoff.Steps = slices.Clone(g.Backoff.Steps)
		all = append(all, g)
	}
	return all
}

// Stored is one message as it is stored.
type Stored struct {
	ID           string
	Tag          string   // "" for none
	Keys         []string // what messages are looked up by
	MessageGroup string   // "" for none
	Priority     *int32   // nil for none
	LiteTopic    string   // "" for none
	Properties   map[string]string
	Body         []byte // as it was sent, perhaps compressed
	Compressed   bool   // the body is gzip

	Queue    int
	Offset   int64 // in the queue, from 0
	StoredAt time.Time
	Attempts int // failed deliveries before this copy; of copies in a topic of retries alone
}

// Messages gives all that is stored in a topic, by queue and offset: what has been consumed is
// still there, unless [Options].Retain dropped it. For an unknown topic it gives nil.
func (b *Broker) Messages(topic string) []Stored {
	t, ok := b.store.lookUp(topic)
	if !ok {
		return nil
	}
	all := []Stored{}
	for queue, l := range t.logs {
		offset, _ := l.bounds()
		for entries := l.from(offset); len(entries) > 0; entries = l.from(offset) {
			for i := range entries {
				all = append(all, storedOf(&entries[i], queue, offset+int64(i)))
			}
			offset += int64(len(entries))
		}
	}
	return all
}

func storedOf(e *entry, queue int, offset int64) Stored {
	m := e.message()
	sp := m.GetSystemProperties()
	return Stored{
		ID:           sp.GetMessageId(),
		Tag:          sp.GetTag(),
		Keys:         sp.GetKeys(),
		MessageGroup: sp.GetMessageGroup(),
		Priority:     sp.Priority,
		LiteTopic:    sp.GetLiteTopic(),
		Properties:   m.GetUserProperties(),
		Body:         m.GetBody(),
		Compressed:   sp.GetBodyEncoding() == v2.Encoding_GZIP,
		Queue:        queue,
		Offset:       offset,
		StoredAt:     time.UnixMilli(e.storedAt),
		Attempts:     int(e.attempt),
	}
}

// Progress is how far a group has come, in messages. Ready and InFlight change as deliveries
// expire; the others that are not their sum only grow.
type Progress struct {
	Backlog      int64 // Ready and InFlight: what the group has still to settle
	Ready        int64 // not handed out, redeliveries included
	InFlight     int64 // handed out and not settled, up to the redelivery
	Acked        int64
	Filtered     int64 // skipped for good by the filter of a receive
	DeadLettered int64
}

// GroupStats is the progress of a group over all topics, and by topic.
type GroupStats struct {
	Progress
	Topics map[string]Progress // what the group has subscribed to or received from
}

// GroupStats tells how far a group has come, on the topics that it has subscribed to or received
// from. It fails with [ErrUnknown] if there is no such group.
func (b *Broker) GroupStats(name string) (GroupStats, error) {
	subs, ok := b.store.readBy(name)
	if !ok {
		return GroupStats{}, fmt.Errorf("%w: group %q", ErrUnknown, name)
	}
	stats := GroupStats{Topics: make(map[string]Progress, len(subs))}
	now := nowMillis()
	for _, sub := range subs {
		p := sub.progress(now)
		stats.Topics[sub.topic.Name] = p
		stats.Backlog += p.Backlog
		stats.Ready += p.Ready
		stats.InFlight += p.InFlight
		stats.Acked += p.Acked
		stats.Filtered += p.Filtered
		stats.DeadLettered += p.DeadLettered
	}
	return stats, nil
}
