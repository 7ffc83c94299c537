package client

import (
	"context"
	"runtime"
	"sync"
	"time"
)

// An outbox is where the messages of a producer wait for their requests, in lanes, if they cannot go
// at once. Its workers make those requests. They begin when there is something to do, are as many as
// [WithSenders] says at most, and end when there is nothing left.
//
// Every lane in ready has a worker that is on its way to it, or all workers are busy.
type outbox struct {
	producer *Producer
	workers  sync.WaitGroup
	answers  sync.Pool // of chan sendResult, empty, with room for one

	mu      sync.Mutex // guards what follows, and the lanes; never held during a request or a callback
	groups  map[groupKey]*sendLane
	ready   []*sendLane // those that are due, in the order in which they became so
	working int         // workers
	hurried int         // calls that let no messages linger
}

// sendLanes are those of one topic.
type sendLanes struct{ together, singly sendLane }

func (o *outbox) init(p *Producer) {
	o.producer = p
	o.groups = make(map[groupKey]*sendLane)
}

func (o *outbox) lanes() sendLanes {
	cfg := &o.producer.cfg
	return sendLanes{
		together: sendLane{batch: maxBatchMessages, parallel: eagerRequests, linger: cfg.linger},
		singly:   sendLane{batch: 1, parallel: cfg.senders},
	}
}

// stop waits for the workers. There must be no more messages.
func (o *outbox) stop() { o.workers.Wait() }

// send sends a message that may share a request, or has a message group. While little of its topic, or
// nothing of its group, is under way the caller makes the request itself, so that nothing is handed from
// one goroutine to another.
func (o *outbox) send(ctx context.Context, s *shipment) (Receipt, error) {
	o.mu.Lock()
	l := o.laneLocked(s)
	if l.idle() {
		l.begin(1)
		o.mu.Unlock()
		defer o.end(l)
		return o.producer.sendAlone(ctx, s)
	}
	j := newJob(ctx, s, nil)
	j.answer, _ = o.answers.Get().(chan sendResult)
	if j.answer == nil {
		j.answer = make(chan sendResult, 1)
	}
	defer o.answers.Put(j.answer) // nothing is sent after the answer
	o.putLocked(l, j)
	o.mu.Unlock()
	select {
	case a := <-j.answer:
		return a.receipt, a.err
	case <-ctx.Done():
		o.leave(j)
		a := <-j.answer // of leave, unless another came before
		return a.receipt, a.err
	}
}

type sendResult struct {
	receipt Receipt
	err     error
}

// leave settles a job whose caller does not wait any longer.
func (o *outbox) leave(j *job) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if j.taken {
		j.settle(Receipt{}, j.interrupted(nil))
	} else {
		j.settle(Receipt{}, j.interrupted(ErrNotSent))
	}
}

// sendLater queues a message.
func (o *outbox) sendLater(j *job) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.putLocked(o.laneLocked(j.shipment), j)
}

func (o *outbox) laneLocked(s *shipment) *sendLane {
	m, p := s.first(), s.publication
	switch {
	case m.MessageGroup != "":
		return o.groupLocked(groupKey{m.Topic, m.MessageGroup})
	case s.alone:
		return &p.singly
	default:
		return &p.together
	}
}

func (o *outbox) groupLocked(key groupKey) *sendLane {
	l, ok := o.groups[key]
	if !ok {
		l = &sendLane{group: &key, batch: 1, parallel: 1}
		o.groups[key] = l
	}
	return l
}

func (o *outbox) putLocked(l *sendLane, j *job) {
	l.add(j)
	o.wakeLocked(l)
}

func (o *outbox) wake(l *sendLane) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.wakeLocked(l)
}

// wakeLocked sends a worker to the lane, if it is due.
func (o *outbox) wakeLocked(l *sendLane) {
	if o.listLocked(l) && o.working < o.producer.cfg.senders {
		o.working++
		o.workers.Go(o.work)
	}
}

// listLocked says whether it has made the lane ready. If the lane is to wait, it is looked at again
// when the time has come.
func (o *outbox) listLocked(l *sendLane) bool {
	if l.listed {
		return false
	}
	wait := l.due(o.producer.room(), o.hurried > 0)
	if wait == 0 {
		l.listed = true
		o.ready = append(o.ready, l)
		return true
	}
	if wait < forever && !l.alarmed {
		l.alarmed = true
		time.AfterFunc(wait, func() { o.alarm(l) })
	}
	return false
}

func (o *outbox) alarm(l *sendLane) {
	o.mu.Lock()
	defer o.mu.Unlock()
	l.alarmed = false
	o.wakeLocked(l)
}

func (o *outbox) work() {
	l, jobs := o.next(nil)
	for len(jobs) > 0 {
		o.producer.do(jobs)
		o.gather(l, len(jobs))
		l, jobs = o.next(l)
	}
}

// gather gives way to those that have just been answered: what they send next shall be part of the next
// request of the lane. It ends when that would be full, or nothing has come for some turns.
func (o *outbox) gather(l *sendLane, answered int) {
	const enough = 32
	for before, fruitless := 0, 0; fruitless < min(answered, enough); fruitless++ {
		runtime.Gosched()
		o.mu.Lock()
		waiting := len(l.waiting)
		o.mu.Unlock()
		if waiting >= l.batch {
			return
		}
		if waiting > before {
			before, fruitless = waiting, 0
		}
	}
}

// next ends a worker's request of the lane given and returns the next one; none if the worker is to end.
func (o *outbox) next(ended *sendLane) (*sendLane, []*job) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if ended != nil && o.endLocked(ended) {
		o.listLocked(ended)
	}
	if len(o.ready) == 0 {
		o.working--
		return nil, nil
	}
	l := o.ready[0]
	o.ready[0] = nil // or the array would keep it
	o.ready = o.ready[1:]
	l.listed = false
	jobs := l.take(o.producer.room())
	o.wakeLocked(l)
	return l, jobs
}

// end ends a request that was made by a caller of send.
func (o *outbox) end(l *sendLane) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.endLocked(l) {
		o.wakeLocked(l)
	}
}

// endLocked forgets a message group without messages, and says whether the lane is still there.
func (o *outbox) endLocked(l *sendLane) bool {
	l.running--
	if l.group != nil && len(l.waiting) == 0 {
		delete(o.groups, *l.group)
		return false
	}
	return true
}

// hurry lets no messages linger until what it returns is called.
func (o *outbox) hurry() (end func()) {
	o.mu.Lock()
	o.hurried++
	o.mu.Unlock()
	o.producer.publications.Range(func(_, p any) bool {
		o.wake(&p.(*publication).together)
		return true
	})
	return func() {
		o.mu.Lock()
		defer o.mu.Unlock()
		o.hurried--
	}
}
