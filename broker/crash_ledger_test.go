package broker_test

import (
	"errors"
	"fmt"
	"sync"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"

	"github.com/rocketflow-io/rocketflow/broker"
)

// A ledger is what clients of a broker that crashes know of it: what they were answered, and what they
// were not. It notes what cannot be.
type ledger struct {
	mu          sync.Mutex // guards what follows
	letters     map[string]*letter
	courses     map[string]map[string]*course // by group and message id
	dead        map[string]map[string]bool    // likewise: what was found in the dead letters
	suspensions map[string]int                // of each lite topic
	figures     figures
	wrong       []error
}

func newLedger() *ledger {
	return &ledger{
		letters: make(map[string]*letter),
		courses: make(map[string]map[string]*course), dead: make(map[string]map[string]bool),
		suspensions: make(map[string]int),
	}
}

// wrongLocked notes what cannot be.
func (l *ledger) wrongLocked(format string, args ...any) {
	l.wrong = append(l.wrong, fmt.Errorf(format, args...))
}

// note is wrongLocked for those who do not hold the lock.
func (l *ledger) note(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.wrongLocked(format, args...)
}

// seen notes a message that was read by its offset, which does not change from then on.
func (l *ledger) seen(m *v2.Message) {
	l.mu.Lock()
	defer l.mu.Unlock()
	sp := m.GetSystemProperties()
	at := l.letters[sp.GetMessageId()]
	switch {
	case at == nil || !at.is(m.GetTopic().GetName(), at.id, m.GetBody(), sp.GetTag()) || !at.may(time.Now()):
		l.wrongLocked("message %s is pulled, and was not sent so, or lost", sp.GetMessageId())
		return
	case at.offset >= 0 && at.offset != sp.GetQueueOffset():
		l.wrongLocked("message %s is pulled at offset %d, and was said to be at %d", at.id, sp.GetQueueOffset(), at.offset)
	}
	at.find(sp.GetQueueOffset())
	l.figures.pulled++
}

// verdict gives the first of what was wrong.
func (l *ledger) verdict() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return errors.Join(l.wrong[:min(3, len(l.wrong))]...)
}

// sending notes messages before they are sent.
func (l *ledger) sending(all []*v2.Message, sequences []int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, m := range all {
		l.letters[m.GetSystemProperties().GetMessageId()] = newLetter(m, sequences[i])
	}
}

// sent notes what a send was answered.
func (l *ledger) sent(all []*v2.Message, answer *v2.SendMessageResponse) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if answer.GetStatus().GetCode() != v2.Code_OK {
		l.wrongLocked("a send is refused: %v", answer.GetStatus())
		return
	}
	for i, entry := range answer.GetEntries() {
		at := l.letters[all[i].GetSystemProperties().GetMessageId()]
		at.fate = stored
		if at.stays() {
			at.offset = entry.GetOffset()
		}
		l.figures.sent++
	}
}

// deciding notes that somebody is about to decide what becomes of a message that waits.
func (l *ledger) deciding(id string, by decision) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.letters[id].decide(by, perhaps)
}

// decided notes how that was answered.
func (l *ledger) decided(id string, by decision, status *v2.Status) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if status.GetCode() != v2.Code_OK {
		l.wrongLocked("what becomes of %s, which waits, cannot be decided: %v", id, status)
		return
	}
	l.letters[id].decide(by, done)
	l.figures.decided++
}

// audit compares what a broker has found in its directory with the ledger, and with what the one
// before had in memory at the crash, of which it is to be a part from the beginning.
func (l *ledger) audit(b *broker.Broker, before memory) {
	l.mu.Lock()
	defer l.mu.Unlock()
	found := make(map[string]bool)
	for _, topic := range crashTopics {
		all := b.Messages(topic.Name)
		l.auditPrefix(topic.Name, all, before)
		l.auditOrder(all)
		for _, m := range all {
			l.auditStored(topic.Name, m, found)
		}
	}
	now := time.Now()
	for _, at := range l.letters {
		at.there = found[at.id]
		switch {
		case at.there:
		case at.must(now):
			l.wrongLocked("message %s of topic %s was acknowledged, and is lost", at.id, at.topic)
		case at.fate == inDoubt && at.may(now.Add(-laterAtMost)):
			at.fate = lost
			l.figures.lost++
		}
	}
	for _, group := range crashGroups {
		l.auditDead(b, group.Name)
	}
}

func (l *ledger) auditStored(topic string, m broker.Stored, found map[string]bool) {
	at, known := l.letters[m.ID]
	switch {
	case !known || !at.is(topic, m.ID, m.Body, m.Tag) || m.MessageGroup != at.messageGroup || m.LiteTopic != at.liteTopic:
		l.wrongLocked("message %s in topic %s was not sent so", m.ID, topic)
		return
	case found[m.ID]:
		l.wrongLocked("message %s is there twice", m.ID)
	case at.fate == lost:
		l.wrongLocked("message %s, lost before, is there again", m.ID)
	case !at.may(time.Now()):
		l.wrongLocked("message %s is there, and is not to be, or not yet", m.ID)
	case at.offset >= 0 && at.offset != m.Offset:
		l.wrongLocked("message %s is at offset %d, and was said to be at %d", m.ID, m.Offset, at.offset)
	case at.fate == inDoubt:
		l.figures.found++
	}
	found[m.ID] = true
	at.find(m.Offset)
}

// auditPrefix checks that each queue has no message without those before it. What was delivered late, at
// the crash, may be so again in another order.
func (l *ledger) auditPrefix(topic string, all []broker.Stored, before memory) {
	next := make(map[int]int64)
	for _, m := range all {
		if m.Offset != next[m.Queue] {
			l.wrongLocked("queue %d of topic %s has offset %d behind %d", m.Queue, topic, m.Offset, next[m.Queue]-1)
		}
		next[m.Queue] = m.Offset + 1
		if was := before.at(topic, m.Queue, m.Offset); was != m.ID && before != nil && topic != crashDelayed {
			l.wrongLocked("offset %d of queue %d of topic %s has %s, and had %q at the crash", m.Offset, m.Queue, topic, m.ID, was)
		}
	}
}

// auditOrder checks that messages of a message group are stored in the order in which they were sent, and
// so are those of one client in a lite topic.
func (l *ledger) auditOrder(all []broker.Stored) {
	last := make(map[string]int)
	for _, m := range all {
		at := l.letters[m.ID]
		if at == nil || at.series == "" {
			continue
		}
		if before, ok := last[at.series]; ok && at.sequence <= before {
			l.wrongLocked("message %d of %s is stored behind %d", at.sequence, at.series, before)
		}
		last[at.series] = at.sequence
	}
}

// auditDead compares the dead letters of a group with what its clients know.
func (l *ledger) auditDead(b *broker.Broker, group string) {
	here := make(map[string]bool)
	for _, m := range b.Messages("%DLQ%" + group) {
		if here[m.ID] {
			l.wrongLocked("message %s is twice in the dead letters of group %s", m.ID, group)
		}
		here[m.ID] = true
		l.courseLocked(group, m.ID).settled = done
	}
	for id := range l.dead[group] {
		if !here[id] {
			l.wrongLocked("message %s has gone from the dead letters of group %s", id, group)
		}
	}
	for id, c := range l.courses[group] {
		if c.forwarded && !here[id] {
			l.wrongLocked("message %s was forwarded to the dead letters of group %s, and is not there", id, group)
		}
	}
	l.dead[group] = here
}

// A memory is the ids of messages by topic, queue and offset.
type memory map[string][]string

// remember gives what a broker has, be it closed.
func remember(b *broker.Broker) memory {
	m := make(memory)
	for _, topic := range crashTopics {
		for _, s := range b.Messages(topic.Name) {
			key := queueKey(topic.Name, s.Queue)
			m[key] = append(m[key], s.ID)
		}
	}
	return m
}

func queueKey(topic string, queue int) string { return fmt.Sprint(topic, "/", queue) }

// at gives the id at an offset, "" for none.
func (m memory) at(topic string, queue int, offset int64) string {
	if ids := m[queueKey(topic, queue)]; offset < int64(len(ids)) {
		return ids[offset]
	}
	return ""
}
