package broker_test

import (
	"strings"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
)

// A letter is one message, from before it was sent.
type letter struct {
	id, topic, tag          string
	messageGroup, liteTopic string // "" for none
	series                  string // of messages that are in order; "" for none
	sequence                int    // in its series
	fate                    fate
	there                   bool       // it was found in a queue at the last start
	offset                  int64      // where it lies for certain; -1 if that is not known
	due                     time.Time  // of a delayed message
	half                    bool       // it is sent in a transaction
	committed               settlement // which is committed
	withdrawn               settlement // it is recalled, or rolled back
}

// A fate is what is known of the sending of a message.
type fate int

const (
	inDoubt fate = iota // the broker ended before it answered
	stored              // it was answered, or found after a crash
	lost                // it was not found after a crash
)

// A settlement is what is known of something that cannot be undone.
type settlement int

const (
	open    settlement = iota
	perhaps            // it was asked for, but that was not answered
	done
)

// A decision is what becomes of a message that waits for its time, or for the end of its transaction.
type decision int

const (
	toDeliver decision = iota
	toWithdraw
)

// laterAtMost is how long after its time a delayed message is delivered.
const laterAtMost = 1100 * time.Millisecond

func newLetter(m *v2.Message, sequence int) *letter {
	sp := m.GetSystemProperties()
	at := &letter{
		id: sp.GetMessageId(), topic: m.GetTopic().GetName(), tag: sp.GetTag(), messageGroup: sp.GetMessageGroup(),
		liteTopic: sp.GetLiteTopic(), series: seriesOf(m), sequence: sequence, offset: -1,
		half: sp.GetMessageType() == v2.MessageType_TRANSACTION,
	}
	if sp.GetDeliveryTimestamp() != nil {
		at.due = sp.GetDeliveryTimestamp().AsTime()
	}
	return at
}

// is tells whether a message is this one, as it was sent.
func (at *letter) is(topic, id string, body []byte, tag string) bool {
	return at.topic == topic && at.id == id && string(body) == crashBody(id) && at.tag == tag
}

// stays tells whether a message is where its send says, which those are not that wait.
func (at *letter) stays() bool { return at.due.IsZero() && !at.half && at.liteTopic == "" }

// may tells whether a message can be in its queue.
func (at *letter) may(now time.Time) bool {
	return at.fate != lost && at.withdrawn != done && !now.Before(at.due) && (!at.half || at.committed != open)
}

// must tells whether it has to be.
func (at *letter) must(now time.Time) bool {
	return at.fate == stored && at.withdrawn == open && now.After(at.due.Add(laterAtMost)) && (!at.half || at.committed == done)
}

// decide notes what is known of a decision.
func (at *letter) decide(by decision, known settlement) {
	if by == toDeliver {
		at.committed = known
	} else {
		at.withdrawn = known
	}
}

// find notes that a message is in its queue, and so will be.
func (at *letter) find(offset int64) {
	at.fate, at.withdrawn = stored, open
	if at.half {
		at.committed = done
	}
	if at.due.IsZero() { // else it may wait again, after a crash, and come to lie elsewhere
		at.offset = offset
	}
}

// crashBody gives the body of a message, from a few bytes to some sectors of the disk.
func crashBody(id string) string {
	return strings.Repeat(id+" ", 1+len(id)*int(id[len(id)-1])%97)
}
