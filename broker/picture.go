package broker

import (
	"iter"
	"slices"
)

// A picture is a store as it was at one moment.
type picture struct {
	topics []pictured
	groups []Group
	subs   []*subscription
	told   []events // of subs, each as a whole, and of what is in neither

	waiting []waiting
}

// A pictured topic has logs of its own, which share the entries with the store's.
type pictured struct {
	Topic
	id     int64
	ranked bool
	logs   []*queueLog
	lites  []picturedLite
}

// pictureLocked takes a picture of all that a diary tells of.
func (s *store) pictureLocked() picture {
	var p picture
	for _, t := range s.topics {
		if t.id == unkept {
			continue
		}
		seen := pictured{t.Topic, t.id, t.ranked.Load(), make([]*queueLog, len(t.logs)), t.lites.picture()}
		for i, l := range t.logs {
			seen.logs[i] = l.picture()
		}
		p.topics = append(p.topics, seen)
	}
	for _, g := range s.groups {
		p.groups = append(p.groups, g.Group)
		for _, sub := range g.subs {
			if sub.id != unkept {
				p.subs = append(p.subs, sub)
			}
		}
	}
	return p
}

// picture gives a log that has the entries that this one has now.
func (l *queueLog) picture() *queueLog {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return &queueLog{segments: slices.Clone(l.segments), first: l.first, next: l.next}
}

// lookAtRest adds what a store has outside of its topics and groups. Nothing happens meanwhile.
func (p *picture) lookAtRest(s *store) {
	for _, sub := range p.subs {
		p.told = append(p.told, sub.whole())
	}
	var added int64
	p.waiting, added = s.delays.picture()
	p.told = append(p.told, events(nil).begin(eventAdded).number(added))
	p.told = append(p.told, s.transactions.whole()...)
	if pulled := s.pullOffsets.whole(); len(pulled) > 0 {
		p.told = append(p.told, pulled)
	}
}

// events gives what would have made the store like the picture, some at a time.
func (p picture) events() iter.Seq[events] {
	return func(yield func(events) bool) {
		for _, g := range p.groups {
			if !yield(groupEvent(g)) {
				return
			}
		}
		for _, t := range p.topics {
			if !t.tell(yield) {
				return
			}
		}
		for _, e := range p.told {
			if !yield(e) {
				return
			}
		}
		for _, w := range p.waiting {
			if !yield(w.tell(nil)) {
				return
			}
		}
	}
}

func (t pictured) tell(yield func(events) bool) bool {
	e := topicEvent(t.id, t.Topic)
	if t.ranked { // which the messages kept do not tell any more, perhaps
		e = e.begin(eventRanked).number(t.id)
	}
	if !yield(e) {
		return false
	}
	for queue, l := range t.logs {
		at := where{t.id, queue}
		if l.first > 0 && !yield(at.event(eventQueue).number(l.first)) {
			return false
		}
		for offset := l.first; offset < l.next; {
			entries := l.from(offset)
			for run := range runs(entries) {
				if !yield(at.entriesEvent(nil, offset, run)) {
					return false
				}
				offset += int64(len(run))
			}
		}
	}
	for _, q := range t.lites {
		if !q.tell(t.logs, yield) {
			return false
		}
	}
	return true
}

// runs splits entries into such as were stored at one time with one count of attempts.
func runs(entries []entry) iter.Seq[[]entry] {
	return func(yield func([]entry) bool) {
		for len(entries) > 0 {
			n := 1
			for n < len(entries) && entries[n].storedAt == entries[0].storedAt && entries[n].attempt == entries[0].attempt {
				n++
			}
			if !yield(entries[:n]) {
				return
			}
			entries = entries[n:]
		}
	}
}
