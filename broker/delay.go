package broker

import (
	"sync"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
)

// The server keeps what is to be delivered later in a wheel of whole seconds. A message is due at
// the end of its second, never early, and comes out a moment after that. All in milliseconds.
const (
	wheelSecond = 1000
	wheelLag    = 50
)

// delays is the messages to be delivered later, by the second of the wheel in which they are.
type delays struct {
	scheduler *scheduler
	diary     *diary // where is written down what waits; nil if nowhere

	mu    sync.Mutex // guards what follows and the slots; a leaf but for the scheduler's and the diary's
	slots map[int64]*slot
	added int64 // all that were ever added: the offset that the next is said to have
}

// A slot is the messages of one second, in the order in which they were sent.
type slot struct {
	deadline // in the scheduler
	delays   *delays
	second   int64
	waiting  []waiting
}

// A waiting message is one that is to be delivered later.
type waiting struct {
	undelivered
	number int64 // of all that were ever added, from 0
}

// An undelivered message is one on its way to a queue.
type undelivered struct {
	topic  *topic
	queue  int
	record record
}

// deliver stores a message where it can be received, now or at its time, as one with what has led to
// it: neither is found without the other.
func (s *store) deliver(cause events, u undelivered) {
	if u.record.isLater(nowMillis()) {
		s.delays.add(cause, u)
		return
	}
	u.topic.publish(cause, u.queue, u.record)
}

func newDelays(sch *scheduler) *delays {
	return &delays{scheduler: sch, slots: make(map[int64]*slot)}
}

// deliveryOf tells when a message is to be delivered, in Unix milliseconds.
func deliveryOf(m *v2.Message) int64 {
	return m.GetSystemProperties().GetDeliveryTimestamp().AsTime().UnixMilli()
}

// isLater tells whether a message is to be delivered later than now.
func (r record) isLater(now int64) bool {
	at, ok := r.deliveryTime()
	return ok && at > now
}

// secondOf gives the second of the wheel for a time: the last whole one before it.
func secondOf(at int64) int64 { return (at - 1) / wheelSecond * wheelSecond }

// add keeps a message until its time, as one with what has led to it, and gives the offset that its
// sender is told.
func (d *delays) add(cause events, u undelivered) int64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	w := waiting{u, d.added}
	d.added++
	if d.diary != nil {
		d.diary.write(w.tell(cause))
	}
	d.putLocked(w)
	return w.number
}

// putLocked puts a message into its slot.
func (d *delays) putLocked(w waiting) {
	at, _ := w.record.deliveryTime()
	second := secondOf(at)
	s, ok := d.slots[second]
	if !ok {
		s = &slot{delays: d, second: second}
		s.owner = s
		d.slots[second] = s
		d.scheduler.set(&s.deadline, second+wheelSecond+wheelLag)
	}
	s.waiting = append(s.waiting, w)
}

// expire stores the messages of a slot where they can be received.
func (s *slot) expire(int64) {
	s.delays.mu.Lock()
	delete(s.delays.slots, s.second)
	due := s.waiting
	s.delays.mu.Unlock()
	for _, w := range due {
		w.topic.publish(w.over(nil), w.queue, w.record)
	}
}
