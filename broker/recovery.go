package broker

import (
	"bytes"
	"fmt"
	"log/slog"
)

// where is a queue, as events name it.
type where struct {
	topic int64 // its id
	queue int
}

func (w where) event(k eventKind) events {
	return events(nil).begin(k).number(w.topic).number(int64(w.queue))
}

func topicEvent(id int64, t Topic) events { return events(nil).begin(eventTopic).number(id).value(t) }

func groupEvent(g Group) events { return events(nil).begin(eventGroup).value(g) }

// entriesEvent tells of entries that were stored together, behind other events.
func (w where) entriesEvent(before events, first int64, entries []entry) events {
	e := before.begin(eventEntries).number(w.topic).number(int64(w.queue)).number(first)
	e = e.number(int64(entries[0].attempt)).number(entries[0].storedAt).number(int64(len(entries)))
	for i := range entries {
		e = e.number(entries[i].commit).bytes(entries[i].record)
	}
	return e
}

// A recovery makes a store what its diary says that it was. The diary must be true in every detail:
// what does not fit ends the recovery.
type recovery struct {
	store   *store
	topics  map[int64]*topic
	subs    map[int64]*subscription
	waiting map[int64]waiting // by number
	halves  map[int64]*half   // by offset
	lites   map[liteID]*liteQueue
}

// recover makes the store what its diary says, if it is to have one, and lets it go on writing there.
func (s *store) recover(opts Options, logger *slog.Logger) error {
	if opts.Dir == "" {
		return nil
	}
	r := &recovery{
		store: s, topics: make(map[int64]*topic), subs: make(map[int64]*subscription),
		waiting: make(map[int64]waiting), halves: make(map[int64]*half), lites: make(map[liteID]*liteQueue),
	}
	d, err := openDiary(opts, logger, r.replay)
	if err != nil {
		return err
	}
	for _, t := range r.topics {
		t.keepIn(d)
	}
	for _, sub := range r.subs {
		sub.resume()
	}
	s.delays.resume(r.waiting)
	s.transactions.resume(r.halves)
	s.diary, s.scheduler.diary, s.delays.diary, s.pullOffsets.diary = d, d, d, d
	d.write(s.transactions.rounds())
	return nil
}

// keepIn lets all that happens to the queues of a topic be written down.
func (t *topic) keepIn(d *diary) {
	if d == nil || t.id == unkept {
		return
	}
	for i, l := range t.logs {
		l.diary, l.where = d, where{t.id, i}
	}
	if t.lites != nil {
		t.lites.diary = d
	}
}

// replay lets happen again what a record of the diary tells.
func (r *recovery) replay(record []byte) error {
	in := &eventReader{rest: record}
	for kind, ok := in.next(); ok; kind, ok = in.next() {
		if err := r.event(kind, in); err != nil {
			in.fail(err)
		}
	}
	if in.err != nil {
		return fmt.Errorf("what is written down there does not follow from what is before it: %w", in.err)
	}
	return nil
}

func (r *recovery) event(kind eventKind, in *eventReader) error {
	switch kind {
	case eventTopic:
		return r.topic(in.number(), in)
	case eventRanked:
		return r.ranked(in)
	case eventGroup:
		return r.group(in)
	case eventQueue, eventEntries, eventTrim:
		t, queue, err := r.find(in)
		if err != nil {
			return err
		}
		return r.queue(kind, t, queue, in)
	case eventLiteTopic, eventLiteDropped, eventLiteTrim, eventLiteEntry, eventLiteHeld:
		return r.lite(kind, in)
	case eventSubscription, eventRetries, eventForwarded, eventCounts, eventNext, eventLease, eventSettled, eventOrdered,
		eventLiteLane, eventOrdinary:
		return r.subscription(kind, in)
	case eventWaiting, eventWaited, eventAdded:
		return r.delay(kind, in.number(), in)
	case eventHalf, eventChecked, eventEnded, eventRounds:
		return r.transaction(kind, in.number(), in)
	case eventPulled:
		return r.pulled(in)
	}
	return fmt.Errorf("an event of unknown kind %d: a later version may know it", kind)
}

func (r *recovery) topic(id int64, in *eventReader) error {
	var cfg Topic
	in.value(&cfg)
	if in.err != nil {
		return in.err
	}
	if t, ok := r.topics[id]; ok {
		return t.describe(cfg)
	}
	if _, ok := r.store.topics[cfg.Name]; ok || id == unkept || cfg.Queues < 1 || cfg.Queues > MaxQueues {
		return fmt.Errorf("topic %d, of %d queues, cannot be made", id, cfg.Queues)
	}
	t := r.store.newTopic(id, cfg)
	t.found = true
	r.topics[id], r.store.topics[cfg.Name] = t, t
	r.store.lastID = max(r.store.lastID, id)
	return nil
}

func (r *recovery) ranked(in *eventReader) error {
	id := in.number()
	t, ok := r.topics[id]
	switch {
	case in.err != nil:
		return in.err
	case !ok:
		return fmt.Errorf("there is no topic %d to be of priorities", id)
	}
	t.ranked.Store(true)
	return nil
}

func (r *recovery) group(in *eventReader) error {
	var cfg Group
	in.value(&cfg)
	if in.err != nil {
		return in.err
	}
	if g, ok := r.store.groups[cfg.Name]; ok {
		g.Group = cfg
		return nil
	}
	g := newGroup(cfg)
	g.found = true
	r.store.groups[cfg.Name] = g
	return nil
}

// find finds the queue that an event tells of.
func (r *recovery) find(in *eventReader) (*topic, int, error) {
	id, queue := in.number(), in.number()
	if in.err != nil {
		return nil, 0, in.err
	}
	t, ok := r.topics[id]
	if !ok || queue < 0 || queue >= int64(len(t.logs)) {
		return nil, 0, fmt.Errorf("there is no queue %d of topic %d", queue, id)
	}
	return t, int(queue), nil
}

func (r *recovery) queue(kind eventKind, t *topic, queue int, in *eventReader) error {
	first, l := in.number(), t.logs[queue]
	switch {
	case in.err != nil:
		return in.err
	case kind == eventQueue:
		return l.beginAt(first)
	case kind == eventTrim:
		return l.trimTo(first)
	case first != l.next:
		return fmt.Errorf("messages at offset %d of a queue that ends at %d", first, l.next)
	}
	return r.entries(t, queue, in)
}

func (r *recovery) entries(t *topic, queue int, in *eventReader) error {
	attempt, storedAt, count := int32(in.number()), in.number(), in.number()
	for range count {
		e := entry{storedAt: storedAt, attempt: attempt, commit: in.number(), record: bytes.Clone(in.bytes())}
		if in.err != nil {
			return in.err
		}
		r.passed(&e)
		if _, ok := numberOf(e.system(), fieldPriority); ok {
			t.ranked.Store(true) // if it takes such messages, what comes by priority does so from now on
		}
		t.logs[queue].append([]entry{e})
		if t.lites != nil {
			t.lites.replay(e)
		}
	}
	return nil
}

// passed lets what is stored from now on come behind an entry in the commit log.
func (r *recovery) passed(e *entry) {
	end := e.commit + int64(len(e.body())) + entryOverhead
	r.store.commit.Store(max(r.store.commit.Load(), end))
}

// beginAt lets an empty queue begin at an offset.
func (l *queueLog) beginAt(first int64) error {
	if l.next > 0 || first < 0 || first%segmentSize != 0 {
		return fmt.Errorf("a queue with %d messages that begins at offset %d", l.next, first)
	}
	l.first, l.next = first, first
	return nil
}

// trimTo drops what was dropped before the given offset.
func (l *queueLog) trimTo(first int64) error {
	if l.trim(first); l.first != first {
		return fmt.Errorf("a queue that begins at offset %d does not begin at %d", l.first, first)
	}
	return nil
}
