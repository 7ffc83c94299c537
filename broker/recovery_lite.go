package broker

import (
	"bytes"
	"fmt"
)

// A liteID is a lite topic, as events name it.
type liteID struct {
	topic int64 // the id of its parent
	lite  int64
}

func (in *eventReader) liteID() liteID { return liteID{in.number(), in.number()} }

// lite lets happen again what is written down of a lite topic.
func (r *recovery) lite(kind eventKind, in *eventReader) error {
	id := in.liteID()
	if kind == eventLiteTopic {
		return r.beginLite(id, in)
	}
	q, ok := r.lites[id]
	switch {
	case in.err != nil:
		return in.err
	case !ok:
		return fmt.Errorf("there is no lite topic %d of topic %d", id.lite, id.topic)
	case kind == eventLiteDropped:
		delete(r.lites, id)
		q.all.drop(q.name)
		return nil
	}
	return r.liteMessages(kind, q, in)
}

// beginLite makes a lite topic.
func (r *recovery) beginLite(id liteID, in *eventReader) error {
	first, name, t := in.number(), string(in.bytes()), r.topics[id.topic]
	if in.err != nil {
		return in.err
	}
	if t == nil || t.lites == nil || r.lites[id] != nil || t.lites.queues[name] != nil {
		return fmt.Errorf("lite topic %d of topic %d cannot be made", id.lite, id.topic)
	}
	q := t.lites.addLocked(id.lite, name)
	r.lites[id] = q
	return q.beginAt(first)
}

// liteMessages drops messages of a lite topic, or stores one that is not found with its parent's.
func (r *recovery) liteMessages(kind eventKind, q *liteQueue, in *eventReader) error {
	at := in.number()
	switch {
	case in.err != nil:
		return in.err
	case kind == eventLiteTrim:
		return q.trimTo(at)
	case at != q.next:
		return fmt.Errorf("a message at offset %d of a lite topic that ends at %d", at, q.next)
	case kind == eventLiteEntry:
		return r.liteEntry(q, in)
	}
	e := entry{storedAt: in.number(), attempt: int32(in.number()), commit: in.number(), record: bytes.Clone(in.bytes())}
	if in.err == nil {
		q.storeLocked(e)
		r.passed(&e)
	}
	return in.err
}

// liteEntry stores in a lite topic what its parent has.
func (r *recovery) liteEntry(q *liteQueue, in *eventReader) error {
	queue, offset, parent := in.number(), in.number(), r.topics[q.all.topic]
	if in.err != nil {
		return in.err
	}
	if queue < 0 || queue >= int64(len(parent.logs)) {
		return fmt.Errorf("there is no queue %d of topic %d", queue, parent.id)
	}
	e, ok := parent.logs[queue].at(offset)
	if !ok {
		return fmt.Errorf("the message at offset %d is in a lite topic, but not stored", offset)
	}
	q.storeLocked(e)
	return nil
}

// replay stores an entry of the parent in its lite topic, unless that is no more.
func (l *liteTopics) replay(e entry) {
	if q, ok := l.queues[e.liteTopic()]; ok {
		q.storeLocked(e)
	}
}

// liteLane makes the lane of a lite topic what it was. What was noted of one that had just been dropped
// comes to nothing.
func (r *recovery) liteLane(s *subscription, in *eventReader) error {
	id := liteID{s.topic.id, in.number()}
	switch q, ok := r.lites[id]; {
	case in.err != nil:
		return in.err
	case s.lite == nil:
		return fmt.Errorf("subscription %d is not one of lite topics", s.id)
	case !ok:
		return newOrderedLane(s, new(queueLog), 0).replay(in)
	default:
		return s.lite.lane(q).replay(in)
	}
}
