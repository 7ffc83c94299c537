package broker_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"

	"github.com/rocketflow-io/rocketflow/broker"
)

// A ledger is what clients of a broker that crashes know of it: what they were answered, and what they
// were not. It notes what cannot be.
type ledger struct {
	mu      sync.Mutex // guards what follows
	letters map[string]*letter
	courses map[string]map[string]*course // by group and message id
	dead    map[string]map[string]bool    // likewise: what was found in the dead letters
	figures figures
	wrong   []error
}

// A letter is one message, from before it was sent.
type letter struct {
	id, topic, tag string
	messageGroup   string // "" for none
	sequence       int    // in its message group
	fate           fate
	offset         int64 // in its queue, if stored
}

// A fate is what is known of the sending of a message.
type fate int

const (
	inDoubt fate = iota // the broker ended before it answered
	stored              // it was answered, or found after a crash
	lost                // it was not found after a crash
)

func newLedger() *ledger {
	return &ledger{
		letters: make(map[string]*letter),
		courses: make(map[string]map[string]*course), dead: make(map[string]map[string]bool),
	}
}

// wrongLocked notes what cannot be.
func (l *ledger) wrongLocked(format string, args ...any) {
	l.wrong = append(l.wrong, fmt.Errorf(format, args...))
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
		sp := m.GetSystemProperties()
		l.letters[sp.GetMessageId()] = &letter{
			id: sp.GetMessageId(), topic: m.GetTopic().GetName(), tag: sp.GetTag(),
			messageGroup: sp.GetMessageGroup(), sequence: sequences[i],
		}
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
		at.fate, at.offset = stored, entry.GetOffset()
		l.figures.sent++
	}
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
	for _, at := range l.letters {
		switch {
		case found[at.id]:
		case at.fate == stored:
			l.wrongLocked("message %s at offset %d of topic %s was acknowledged, and is lost", at.id, at.offset, at.topic)
		case at.fate == inDoubt:
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
	case !known || at.topic != topic || string(m.Body) != crashBody(m.ID) || m.Tag != at.tag || m.MessageGroup != at.messageGroup:
		l.wrongLocked("message %s in topic %s was not sent so", m.ID, topic)
		return
	case found[m.ID]:
		l.wrongLocked("message %s is there twice", m.ID)
	case at.fate == lost:
		l.wrongLocked("message %s, lost before, is there again", m.ID)
	case at.fate == stored && at.offset != m.Offset:
		l.wrongLocked("message %s is at offset %d, and was said to be at %d", m.ID, m.Offset, at.offset)
	case at.fate == inDoubt:
		l.figures.found++
	}
	found[m.ID] = true
	at.fate, at.offset = stored, m.Offset
}

// auditPrefix checks that each queue has no message without those before it.
func (l *ledger) auditPrefix(topic string, all []broker.Stored, before memory) {
	next := make(map[int]int64)
	for _, m := range all {
		if m.Offset != next[m.Queue] {
			l.wrongLocked("queue %d of topic %s has offset %d behind %d", m.Queue, topic, m.Offset, next[m.Queue]-1)
		}
		next[m.Queue] = m.Offset + 1
		if was := before.at(topic, m.Queue, m.Offset); was != m.ID && before != nil {
			l.wrongLocked("offset %d of queue %d of topic %s has %s, and had %q at the crash", m.Offset, m.Queue, topic, m.ID, was)
		}
	}
}

// auditOrder checks that messages of a message group are stored in the order in which they were sent.
func (l *ledger) auditOrder(all []broker.Stored) {
	last := make(map[string]int)
	for _, m := range all {
		at := l.letters[m.ID]
		if at == nil || at.messageGroup == "" {
			continue
		}
		if before, ok := last[at.messageGroup]; ok && at.sequence <= before {
			l.wrongLocked("message group %s has its message %d behind %d", at.messageGroup, at.sequence, before)
		}
		last[at.messageGroup] = at.sequence
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
		l.courseLocked(group, m.ID).bury()
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

// crashBody gives the body of a message, from a few bytes to some sectors of the disk.
func crashBody(id string) string {
	return strings.Repeat(id+" ", 1+len(id)*int(id[len(id)-1])%97)
}
