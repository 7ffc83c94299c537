package broker

import (
	"slices"
	"strings"
	"sync/atomic"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
)

// MessageType is what a topic accepts. A message of another type is refused with
// MESSAGE_PROPERTY_CONFLICT_WITH_TYPE. The zero value is [Normal].
type MessageType int

// The types of topics.
const (
	Normal MessageType = iota
	FIFO
	Delay
	Transaction
	Priority
	// Lite takes messages that name a lite topic, which groups with a [LiteBinding] subscribe to.
	Lite
	// Mixed takes all of these but Priority and Lite, each message by its own type. The server makes no such
	// topic unless it is configured with enableMixedMessageType.
	Mixed
	// Any takes all that Mixed does, and messages with a priority too: from the first of these on, it
	// is received from as a topic of type Priority is. It is the type of topics that make themselves,
	// see [Options].AutoCreate; the server has no such type.
	Any
)

// String gives the server's name, such as "FIFO".
func (t MessageType) String() string {
	switch t {
	case Mixed:
		return "MIXED"
	case Any:
		return "ANY"
	default:
		return t.accepts()[0].String()
	}
}

// accepts gives the types of messages that a topic takes.
func (t MessageType) accepts() []v2.MessageType {
	switch t {
	case Normal:
		return []v2.MessageType{v2.MessageType_NORMAL}
	case FIFO:
		return []v2.MessageType{v2.MessageType_FIFO}
	case Delay:
		return []v2.MessageType{v2.MessageType_DELAY}
	case Transaction:
		return []v2.MessageType{v2.MessageType_TRANSACTION}
	case Priority:
		return []v2.MessageType{v2.MessageType_PRIORITY}
	case Lite:
		return []v2.MessageType{v2.MessageType_LITE}
	case Mixed:
		return []v2.MessageType{v2.MessageType_NORMAL, v2.MessageType_FIFO, v2.MessageType_DELAY, v2.MessageType_TRANSACTION}
	case Any:
		return append(Mixed.accepts(), v2.MessageType_PRIORITY)
	default:
		return []v2.MessageType{v2.MessageType_MESSAGE_TYPE_UNSPECIFIED}
	}
}

// Permission is what clients may do with a topic. The zero value is [ReadWrite].
type Permission int

// The permissions of the protocol. Sending to a topic that may not be written, or receiving from
// one that may not be read, fails with FORBIDDEN.
const (
	ReadWrite Permission = iota
	ReadOnly
	WriteOnly
	NoAccess
)

func (p Permission) readable() bool { return p == ReadWrite || p == ReadOnly }
func (p Permission) writable() bool { return p == ReadWrite || p == WriteOnly }

func (p Permission) proto() v2.Permission {
	switch p {
	case ReadWrite:
		return v2.Permission_READ_WRITE
	case ReadOnly:
		return v2.Permission_READ
	case WriteOnly:
		return v2.Permission_WRITE
	default:
		return v2.Permission_NONE
	}
}

// DefaultQueues is the number of queues of a topic that names none, as on the server.
const DefaultQueues = 8

// MaxQueues is the largest number of queues that a topic may have.
const MaxQueues = 1024

// Topic describes a topic. Only Name is required.
type Topic struct {
	Name       string
	Queues     int         // DefaultQueues if 0; at most MaxQueues
	Type       MessageType // Normal if unset
	Permission Permission  // ReadWrite if unset

	// LiteExpiry is for how long a lite topic of a topic of type Lite exists without a new message:
	// forever if 0. What is in one that expires is gone. The server keeps each for 15 minutes or more.
	LiteExpiry time.Duration
}

func (t *Topic) normalize() error {
	if t.Queues == 0 {
		t.Queues = DefaultQueues
	}
	switch {
	case t.Queues < 0 || t.Queues > MaxQueues:
		return &ConfigError{"topic", t.Name, "queues must be between 1 and 1024"}
	case t.Type < Normal || t.Type > Any:
		return &ConfigError{"topic", t.Name, "unknown message type"}
	case t.LiteExpiry < 0 || t.LiteExpiry > 0 && t.Type != Lite:
		return &ConfigError{"topic", t.Name, "an expiry of lite topics needs type Lite, and must not be negative"}
	case t.Permission < ReadWrite || t.Permission > NoAccess:
		return &ConfigError{"topic", t.Name, "unknown permission"}
	}
	if err := checkTopic(t.Name); err != nil {
		return &ConfigError{"topic", t.Name, err.Error()}
	}
	return nil
}

// A topic is a set of logs and the groups that read them.
type topic struct {
	Topic
	id      int64            // by which the diary calls it; unkept if it does not
	found   bool             // in the diary, and not described since by who has started the broker
	accepts []v2.MessageType // of Type; never changed, as answers share it
	logs    []*queueLog
	// subs is replaced, never changed, under store.mu: senders read it without a lock.
	subs    atomic.Pointer[[]*subscription]
	awaited awaited       // those of subs in which somebody waits
	robin   atomic.Uint32 // which queue the next message without a message group goes to
	ranked  atomic.Bool   // a queue is a priority: of type Priority, or of type Any with a priority in it
	pullers pullers       // who wait for any message of the topic
	commit  *atomic.Int64 // the store's: the next position in the one imagined commit log
	retain  int64         // messages of a queue; 0 for all, as of retries and dead letters
	lites   *liteTopics   // nil unless of type Lite
}

// unkept is the id of topics that no diary tells of.
const unkept = 0

func (s *store) newTopic(id int64, cfg Topic) *topic {
	t := &topic{Topic: cfg, id: id, accepts: cfg.Type.accepts(), commit: &s.commit, logs: make([]*queueLog, cfg.Queues)}
	if !strings.HasPrefix(cfg.Name, "%") && cfg.Name != maxChecksTopic {
		t.retain = s.retain
	}
	for i := range t.logs {
		t.logs[i] = new(queueLog)
	}
	t.ranked.Store(cfg.Type == Priority)
	if cfg.Type == Lite {
		t.lites = newLiteTopics(s.scheduler, t)
	}
	t.keepIn(s.diary)
	t.subs.Store(new([]*subscription))
	return t
}

// append stores messages in one queue, in order, and gives the offset of the first. They can be
// received from then on, but nobody who waits has been told: see arrived.
func (t *topic) append(queue int, attempt int32, records ...record) int64 {
	return t.appendAfter(nil, queue, attempt, records...)
}

// appendAfter is append, as one with what has led to it: neither is found without the other.
func (t *topic) appendAfter(cause events, queue int, attempt int32, records ...record) int64 {
	return t.logs[queue].appendAfter(cause, t.entries(attempt, records))
}

// entries gives messages as they are stored, each with its position.
func (t *topic) entries(attempt int32, records []record) []entry {
	now := time.Now().UnixMilli()
	entries := make([]entry, len(records))
	for i, r := range records {
		size := int64(len(r.body())) + entryOverhead
		entries[i] = entry{record: r, storedAt: now, attempt: attempt, commit: t.commit.Add(size) - size}
	}
	return entries
}

// publish stores a message in a queue, as one with what has led to it, and tells who waits. The caller
// holds no lock.
func (t *topic) publish(cause events, queue int, r record) {
	t.arrived(queue, t.appendAfter(cause, queue, 0, r))
}

// arrived tells every group that waits for this topic of the messages from offset first on, and
// drops what is too old and has been read by all. The caller holds no lock.
func (t *topic) arrived(queue int, first int64) {
	t.pullers.wake()
	for _, s := range t.awaited.all() {
		s.arrived(queue, first)
	}
	l := t.logs[queue]
	if !l.exceeds(t.retain) {
		return
	}
	read := first
	for _, s := range *t.subs.Load() {
		read = min(read, s.position(queue))
	}
	l.keep(t.retain, read)
}

// addSub is called with store.mu held.
func (t *topic) addSub(s *subscription) {
	if s.lite != nil {
		t.lites.addReader(s)
		return
	}
	subs := append(slices.Clone(*t.subs.Load()), s)
	t.subs.Store(&subs)
}
