package broker

import (
	"maps"
	"sort"
)

// What lite topics write down: that there is one, and that it is no more. In between it has what is
// written down of its parent's messages that name it, in that order; only a snapshot, which has those
// in the order of the parent's queues, lists what is in it.
//
// Which clients subscribe to it is not written down: they have to say so again whenever their telemetry
// stream has broken.

func (q *liteQueue) event(e events, k eventKind) events {
	return e.begin(k).number(q.all.topic).number(q.id)
}

func (q *liteQueue) beginEvent(e events, first int64) events {
	return q.event(e, eventLiteTopic).number(first).bytes([]byte(q.name))
}

// tell appends an entry that is kept nowhere else.
func (e *entry) tell(to events) events {
	return to.number(e.storedAt).number(int64(e.attempt)).number(e.commit).bytes(e.record)
}

// hold stores an entry in a lite topic alone.
func (q *liteQueue) hold(e entry) {
	l := q.all
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, end := q.bounds(); l.queues[q.name] == q {
		l.diary.write(e.tell(q.event(nil, eventLiteHeld).number(end)))
	}
	q.storeLocked(e)
}

// note appends what has become of lanes since the last call, unless they are gone with their lite
// topics.
func (r *liteReader) note(e events) events {
	for _, l := range r.touched {
		if r.lanes[l.lite.name] == l {
			e = l.note(e)
		}
	}
	clear(r.touched)
	r.touched = r.touched[:0]
	return e
}

// tell appends all lanes.
func (r *liteReader) tell(e events) events {
	for _, l := range r.order {
		e = l.tell(e)
	}
	return e
}

// A pictured lite topic has a log of its own, which shares the entries with the lite topic's.
type picturedLite struct {
	*liteQueue
	log *queueLog
}

// picture gives the lite topics as they are now.
func (l *liteTopics) picture() []picturedLite {
	if l == nil {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	all := make([]picturedLite, 0, len(l.queues))
	for q := range maps.Values(l.queues) {
		all = append(all, picturedLite{q, q.picture()})
	}
	return all
}

// tell gives what makes the lite topic anew when its parent has been made, some at a time.
func (q picturedLite) tell(parent []*queueLog, yield func(events) bool) bool {
	e := q.beginEvent(nil, q.log.first)
	for offset := q.log.first; offset < q.log.next; {
		entries := q.log.from(offset)
		for i := range entries {
			e = q.entryEvent(e, offset+int64(i), &entries[i], parent)
			if len(e) >= toldAtOnce {
				if !yield(e) {
					return false
				}
				e = e[:0]
			}
		}
		offset += int64(len(entries))
	}
	return len(e) == 0 || yield(e)
}

// toldAtOnce is about how many bytes are told at a time.
const toldAtOnce = 64 << 10

// entryEvent tells where a message of the lite topic lies, or the message, if the parent has dropped it.
func (q picturedLite) entryEvent(e events, offset int64, is *entry, parent []*queueLog) events {
	for queue, l := range parent {
		if at, ok := l.locate(is.commit); ok {
			return q.event(e, eventLiteEntry).number(offset).number(int64(queue)).number(at)
		}
	}
	return is.tell(q.event(e, eventLiteHeld).number(offset))
}

// locate finds the offset of the entry at a position of the commit log, in a queue in which these grow.
func (l *queueLog) locate(commit int64) (int64, bool) {
	first, end := l.bounds()
	n := sort.Search(int(end-first), func(i int) bool {
		e, _ := l.at(first + int64(i))
		return e.commit >= commit
	})
	e, ok := l.at(first + int64(n))
	return first + int64(n), ok && e.commit == commit
}
