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

	mu    sync.Mutex // guards what follows and the slots; a leaf but for the scheduler's
	slots map[int64]*slot
	added int64 // all that were ever added: the offset that the next is said to have
}

// A slot is the messages of one second, in the order in which they were sent.
type slot struct {
	deadline // in the scheduler
	delays   *delays
	second   int64
	waiting  []undelivered
}

// An undelivered message is one on its way to a queue.
type undelivered struct {
	topic  *topic
	queue  int
	record record
}

// deliver stores a message where it can be received, now or at its time.
func (s *store) deliver(u undelivered) {
	if u.record.isLater(nowMillis()) {
		s.delays.add(u)
		return
	}
	u.topic.publish(u.queue, u.record)
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

// add keeps a message until its time, and gives the offset that its sender is told.
func (d *delays) add(u undelivered) int64 {
	at, _ := u.record.deliveryTime()
	second := secondOf(at)
	d.mu.Lock()
	defer d.mu.Unlock()
	s, ok := d.slots[second]
	if !ok {
		s = &slot{delays: d, second: second}
		s.owner = s
		d.slots[second] = s
		d.scheduler.set(&s.deadline, second+wheelSecond+wheelLag)
	}
	s.waiting = append(s.waiting, u)
	d.added++
	return d.added - 1
}

// expire stores the messages of a slot where they can be received.
func (s *slot) expire(int64) {
	s.delays.mu.Lock()
	delete(s.delays.slots, s.second)
	due := s.waiting
	s.delays.mu.Unlock()
	for _, u := range due {
		u.topic.publish(u.queue, u.record)
	}
}
