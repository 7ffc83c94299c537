package broker

import (
	"cmp"
	"maps"
	"slices"
	"sync"
)

// liteTopics is the lite topics of one parent topic, and the groups that read them.
type liteTopics struct {
	scheduler *scheduler
	expiry    int64 // milliseconds without a new message after which one is dropped; 0 for never
	retain    int64 // messages of a lite topic; 0 for all

	mu      sync.Mutex // guards what follows; may be taken under the lock of a subscription
	queues  map[string]*liteQueue
	readers []*subscription // replaced, never changed
}

// A liteQueue is the messages of one lite topic: those of the parent's queues that name it, with
// offsets of their own.
type liteQueue struct {
	queueLog
	deadline // in the scheduler while armed: when the lite topic may have expired
	all      *liteTopics
	name     string
	armed    bool // guarded by all.mu
}

func newLiteTopics(sch *scheduler, cfg Topic, retain int64) *liteTopics {
	return &liteTopics{
		scheduler: sch, expiry: cfg.LiteExpiry.Milliseconds(), retain: retain, queues: make(map[string]*liteQueue),
	}
}

// spread stores, each in its lite topic, the n messages that lie in a queue from first on, and
// tells who waits for them.
func (t *topic) spread(queue int, first int64, n int) {
	if t.lites == nil {
		return
	}
	for offset := first; offset < first+int64(n); offset++ {
		if e, ok := t.logs[queue].at(offset); ok {
			t.lites.store(e)
		}
	}
}

func (l *liteTopics) store(e entry) {
	q, first, readers := l.append(e)
	read := first
	for _, s := range readers {
		read = min(read, s.arrivedLite(q, first))
	}
	q.keep(l.retain, read)
}

// append stores an entry, in a lite topic that is not dropped meanwhile.
func (l *liteTopics) append(e entry) (q *liteQueue, first int64, readers []*subscription) {
	l.mu.Lock()
	defer l.mu.Unlock()
	q = l.openLocked(e.liteTopic())
	if l.expiry > 0 && !q.armed {
		q.armed = true
		l.scheduler.set(&q.deadline, e.storedAt+l.expiry)
	}
	return q, q.append([]entry{e}), l.readers
}

// open finds a lite topic, or makes it.
func (l *liteTopics) open(name string) *liteQueue {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.openLocked(name)
}

func (l *liteTopics) openLocked(name string) *liteQueue {
	q, ok := l.queues[name]
	if !ok {
		q = &liteQueue{all: l, name: name}
		q.owner = q
		l.queues[name] = q
	}
	return q
}

// list gives all lite topics, by name.
func (l *liteTopics) list() []*liteQueue {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.SortedFunc(maps.Values(l.queues), func(a, b *liteQueue) int { return cmp.Compare(a.name, b.name) })
}

// addReader adds a group that reads from now on.
func (l *liteTopics) addReader(s *subscription) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.readers = append(slices.Clone(l.readers), s)
}

// expire is called by the scheduler: the lite topic is dropped, unless a message has come since.
func (q *liteQueue) expire(now int64) {
	l := q.all
	l.mu.Lock()
	if last, ok := q.last(); ok && last.storedAt+l.expiry > now {
		l.scheduler.set(&q.deadline, last.storedAt+l.expiry)
		l.mu.Unlock()
		return
	}
	readers := l.removeLocked(q)
	l.mu.Unlock()
	q.forget(readers)
}

// drop takes out a lite topic with all that is in it, what groups know of it, and the
// subscriptions to it, of which no client is told. It gives false if there is no such lite topic.
func (l *liteTopics) drop(name string) bool {
	l.mu.Lock()
	q, ok := l.queues[name]
	if !ok {
		l.mu.Unlock()
		return false
	}
	readers := l.removeLocked(q)
	l.mu.Unlock()
	q.forget(readers)
	return true
}

func (l *liteTopics) removeLocked(q *liteQueue) []*subscription {
	l.scheduler.remove(&q.deadline)
	delete(l.queues, q.name)
	return l.readers
}

func (q *liteQueue) forget(readers []*subscription) {
	for _, s := range readers {
		s.dropLite(q)
	}
}
