package broker

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
)

// An eventKind is what has happened to a store.
type eventKind byte

// The kinds are in files: a number never gets another meaning.
const (
	eventTopic   eventKind = 1 // a topic is made, or described anew: id, description
	eventGroup   eventKind = 2 // a group likewise: description
	eventQueue   eventKind = 3 // where a queue begins, in a snapshot: topic, queue, offset
	eventEntries eventKind = 4 // messages are stored: topic, queue, offset of the first, attempt, time, and of each position and message
	eventTrim    eventKind = 5 // the oldest messages are dropped: topic, queue, first offset kept

	eventSubscription eventKind = 10 // a group begins to read a topic: id, group, topic
	eventRetries      eventKind = 11 // where its redeliveries are: subscription, topic
	eventForwarded    eventKind = 12 // a client has made a dead letter: subscription, position
	eventCounts       eventKind = 13 // what has been counted: subscription, acked, filtered, dead letters
	eventNext         eventKind = 14 // how far it has come: subscription, lane, offset
	eventLease        eventKind = 15 // a delivery is in flight: subscription, lane, offset, time of the receive, deadline, flags, what these announce
	eventSettled      eventKind = 16 // it is no more: subscription, lane, offset
	eventOrdered      eventKind = 17 // all of an ordered lane: see orderedLane.tell

	eventWaiting eventKind = 20 // a message waits for its time: number, topic, queue, record
	eventWaited  eventKind = 21 // it waits no more, as it is stored behind this, or recalled: number
	eventAdded   eventKind = 22 // how many have ever waited, in a snapshot: number

	eventHalf    eventKind = 23 // a message waits for the end of its transaction: offset, topic, queue, time, record
	eventChecked eventKind = 24 // it was asked about, or a call to end it was used up: offset, offset from now on, checks, until when each ticket is good
	eventEnded   eventKind = 25 // it waits no more, as it is stored behind this, or rolled back: offset
	eventRounds  eventKind = 26 // from when on checks are made, and the offset of the next half

	eventPulled eventKind = 27 // how far a group that pulls has come: topic, queue, group, offset
	eventRanked eventKind = 28 // a topic is received from by priority, in a snapshot: topic

	eventLiteTopic   eventKind = 30 // a lite topic comes into being: topic, id, first offset, name
	eventLiteDropped eventKind = 31 // it is no more: topic, id
	eventLiteTrim    eventKind = 32 // its oldest messages are dropped: topic, id, first offset kept
	eventLiteEntry   eventKind = 33 // what is in it, in a snapshot: topic, id, offset, the parent's queue and offset there
	eventLiteHeld    eventKind = 34 // a message that is in it alone: topic, id, offset, time, attempt, position, message
	eventLiteLane    eventKind = 35 // all of the lane of a lite topic: subscription, id, and as of an ordered lane
	eventOrdinary    eventKind = 36 // a group of lite topics begins to read their parent as any other topic: id, group, topic
)

// events is what happened, one after the other, as the journal has it: of each the kind and its
// fields, which are numbers and, behind their length, bytes.
type events []byte

func (e events) begin(k eventKind) events { return append(e, byte(k)) }

func (e events) number(n int64) events { return binary.AppendVarint(e, n) }

func (e events) bytes(b []byte) events {
	return append(binary.AppendUvarint(e, uint64(len(b))), b...)
}

// value appends a description of a topic or group.
func (e events) value(v any) events {
	b, err := json.Marshal(v)
	if err != nil { // neither has anything that could not be described
		return e.bytes(nil)
	}
	return e.bytes(b)
}

// errEvent is why an event cannot be read.
var errEvent = errors.New("an event is cut short")

// An eventReader reads events. The first error ends it.
type eventReader struct {
	rest []byte
	err  error
}

// next gives the kind of the next event; false at the end, and after an error.
func (r *eventReader) next() (eventKind, bool) {
	if r.err != nil || len(r.rest) == 0 {
		return 0, false
	}
	k := eventKind(r.rest[0])
	r.rest = r.rest[1:]
	return k, true
}

func (r *eventReader) number() int64 {
	n, size := binary.Varint(r.rest)
	if size <= 0 {
		r.fail(errEvent)
		return 0
	}
	r.rest = r.rest[size:]
	return n
}

// bytes gives bytes that are part of what is read.
func (r *eventReader) bytes() []byte {
	n, size := binary.Uvarint(r.rest)
	if size <= 0 || n > uint64(len(r.rest)-size) {
		r.fail(errEvent)
		return nil
	}
	b := r.rest[size : size+int(n)]
	r.rest = r.rest[size+int(n):]
	return b
}

func (r *eventReader) value(v any) {
	if b := r.bytes(); r.err == nil {
		if err := json.Unmarshal(b, v); err != nil {
			r.fail(fmt.Errorf("read a description: %w", err))
		}
	}
}

func (r *eventReader) fail(err error) {
	if r.err == nil {
		r.err = err
	}
	r.rest = nil
}
