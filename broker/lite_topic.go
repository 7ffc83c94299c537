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
	retain    int64  // messages of a lite topic; 0 for all
	diary     *diary // where is written down what happens to them; nil if nowhere
	topic     int64  // the parent, as the diary calls it

	mu      sync.Mutex // guards what follows; may be taken under the lock of a subscription
	expiry  int64      // milliseconds without a new message after which one is dropped; 0 for never
	lastID  int64      // of a lite topic
	queues  map[string]*liteQueue
	readers []*subscription // replaced, never changed
}

// A liteQueue is the messages of one lite topic: those of the parent's queues that name it, with
// offsets of their own.
type liteQueue struct {
	queueLog // which has no diary: what it stores the parent has written down
	deadline // in the scheduler while armed: when the lite topic may have expired
	all      *liteTopics
	id       int64 // by which the diary calls it: another one of its name has another
	name     string
	armed    bool // guarded by all.mu
}

// A liteArrival is messages stored in a lite topic from offset first on, and those who read there.
type liteArrival struct {
	queue   *liteQueue
	first   int64
	readers []*subscription
}

func newLiteTopics(sch *scheduler, parent *topic) *liteTopics {
	return &liteTopics{
		scheduler: sch, retain: parent.retain, topic: parent.id,
		expiry: parent.LiteExpiry.Milliseconds(), queues: make(map[string]*liteQueue),
	}
}

// store stores messages in one queue, in order, and each in the lite topic that it names, if the topic
// has such. It gives the offset of the first. The caller holds no lock.
func (t *topic) store(queue int, records ...record) int64 {
	if t.lites == nil {
		return t.append(queue, 0, records...)
	}
	first, arrivals := t.lites.append(t, queue, records)
	for _, a := range arrivals {
		t.lites.arrived(a)
	}
	return first
}

// append stores messages in a queue of the parent and in their lite topics, which are not dropped
// meanwhile. The lock is held over both, so that the messages of a lite topic are in the order in which
// the diary has those of the parent.
func (l *liteTopics) append(parent *topic, queue int, records []record) (int64, []liteArrival) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var news events
	queues := make([]*liteQueue, len(records))
	for i, r := range records {
		queues[i], news = l.openLocked(r.liteTopic(), news)
	}
	entries := parent.entries(0, records)
	first := parent.logs[queue].appendAfter(news, entries)
	arrivals := make([]liteArrival, 0, 1)
	for i, q := range queues {
		offset := q.storeLocked(entries[i])
		if i == 0 || queues[i-1] != q {
			arrivals = append(arrivals, liteArrival{q, offset, l.readers})
		}
	}
	return first, arrivals
}

// storeLocked stores an entry in a lite topic alone.
func (q *liteQueue) storeLocked(e entry) int64 {
	if l := q.all; l.expiry > 0 && !q.armed {
		q.armed = true
		l.scheduler.set(&q.deadline, e.storedAt+l.expiry)
	}
	return q.append([]entry{e})
}

// arrived tells who waits, and drops what is too old and has been read by all.
func (l *liteTopics) arrived(a liteArrival) {
	read := a.first
	for _, s := range a.readers {
		read = min(read, s.arrivedLite(a.queue, a.first))
	}
	if a.queue.exceeds(l.retain) {
		l.trim(a.queue, read)
	}
}

// open finds a lite topic, or makes it.
func (l *liteTopics) open(name string) *liteQueue {
	l.mu.Lock()
	defer l.mu.Unlock()
	q, news := l.openLocked(name, nil)
	if len(news) > 0 {
		l.diary.write(news)
	}
	return q
}

// openLocked is open, and gives with other news what is to be written down of it.
func (l *liteTopics) openLocked(name string, news events) (*liteQueue, events) {
	if q, ok := l.queues[name]; ok {
		return q, news
	}
	q := l.addLocked(l.lastID+1, name)
	if l.diary != nil {
		news = q.beginEvent(news, 0)
	}
	return q, news
}

func (l *liteTopics) addLocked(id int64, name string) *liteQueue {
	q := &liteQueue{all: l, id: id, name: name}
	q.owner = q
	l.queues[name], l.lastID = q, max(l.lastID, id)
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
