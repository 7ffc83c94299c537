package client

import (
	"context"
	"fmt"
	"sync"
)

// A sendQueue holds the messages of SendAsync until a sender takes them. Its senders are goroutines
// of a fixed number, which begin with the first message and end with stop.
//
// Messages of one message group must not overtake each other, so they queue up per group, and a group
// is in the hands of one sender at a time: work holds single jobs and groups that have any. Every
// entry of work stands for at least one message that holds a slot, so a send on work never blocks.
// Other messages have no order among each other, and go together when many wait.
type sendQueue struct {
	producer *Producer
	slots    chan struct{} // one in it for each message accepted and not yet settled
	work     chan work
	start    sync.Once
	senders  sync.WaitGroup

	mu      sync.Mutex // guards what follows
	groups  map[groupKey][]job
	bundles map[bundleKey]*bundle // what lingers
	count   int                   // messages accepted and not yet settled
	idle    chan struct{}         // closed when count returns to 0; nil if nobody waits
}

type job struct {
	ctx      context.Context // of the caller: it bounds the whole of the send
	shipment *shipment
	done     func(Receipt, error)
}

type groupKey struct{ topic, group string }

// work is one job, or a group whose first job is to be done, or jobs that go together.
type work struct {
	job    job
	group  *groupKey
	bundle []job
}

func (q *sendQueue) init(p *Producer) {
	q.producer = p
	q.slots = make(chan struct{}, p.cfg.window)
	q.work = make(chan work, p.cfg.window)
	q.groups = make(map[groupKey][]job)
	q.bundles = make(map[bundleKey]*bundle)
}

// SendAsync sends a message as [Producer.Send] does, without waiting for it: done is called once, with
// what Send would have returned, from another goroutine or, if the message is refused at once, before
// SendAsync returns. done must not block, since it holds up the sender that calls it; nor close the
// producer, nor call SendAsync, which may wait for a place in the window that done itself keeps. If
// done is nil, failures are logged.
//
// SendAsync blocks only while [WithWindow] is full or a topic's route is not known yet, and not longer
// than ctx, which bounds the whole of the send. Messages of one message group are stored in the order
// of the calls; a failed one does not stop those after it.
func (p *Producer) SendAsync(ctx context.Context, m *Message, done func(Receipt, error)) {
	if done == nil {
		done = p.logFailure
	}
	if err := p.begin(); err != nil {
		done(Receipt{}, err)
		return
	}
	m, sending, err := p.client.observer.send(ctx, p.member, m)
	if err == nil {
		done = sending.before(done)
		err = p.async.accept(ctx, m, done)
	}
	if err != nil {
		p.pending.Done()
		done(Receipt{}, err)
	}
}

func (p *Producer) logFailure(_ Receipt, err error) {
	if err != nil {
		p.client.cfg.log.Error("message not sent", "error", err)
	}
}

// Flush waits until nothing that [Producer.SendAsync] has accepted is under way, or until ctx ends,
// whose cause it then returns. It does not hold up further messages, and with a steady stream of them
// may wait for long. The failures of messages are given to their callbacks.
func (p *Producer) Flush(ctx context.Context) error {
	q := &p.async
	q.hasten()
	q.mu.Lock()
	if q.count == 0 {
		q.mu.Unlock()
		return nil
	}
	if q.idle == nil {
		q.idle = make(chan struct{})
	}
	idle := q.idle
	q.mu.Unlock()
	select {
	case <-idle:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("client: flush: messages are still under way: %w", context.Cause(ctx))
	}
}

// accept takes a slot, checks and encodes the message in the caller's goroutine, and queues it.
func (q *sendQueue) accept(ctx context.Context, m *Message, done func(Receipt, error)) error {
	q.start.Do(q.begin)
	select {
	case q.slots <- struct{}{}:
	default:
		select {
		case q.slots <- struct{}{}:
		case <-q.producer.work.Done():
			return context.Cause(q.producer.work)
		case <-ctx.Done():
			return fmt.Errorf("client: send: the window of %d messages is full: %w", cap(q.slots), context.Cause(ctx))
		}
	}
	s, err := q.producer.prepare(ctx, m)
	if err != nil {
		<-q.slots
		return err
	}
	q.enqueue(job{ctx, s, done})
	return nil
}

func (q *sendQueue) begin() {
	for range q.producer.cfg.senders {
		q.senders.Go(q.sender)
	}
}

// stop ends the senders, when all that was accepted has been settled.
func (q *sendQueue) stop() {
	close(q.work)
	q.senders.Wait()
}

func (q *sendQueue) enqueue(j job) {
	m := j.shipment.first()
	q.mu.Lock()
	defer q.mu.Unlock()
	q.count++
	if q.producer.cfg.linger > 0 && !j.shipment.alone {
		q.lingerLocked(j)
		return
	}
	if m.MessageGroup == "" {
		q.work <- work{job: j}
		return
	}
	key := groupKey{m.Topic, m.MessageGroup}
	waiting, known := q.groups[key]
	q.groups[key] = append(waiting, j)
	if !known {
		q.work <- work{group: &key}
	}
}

func (q *sendQueue) sender() {
	for w := range q.work {
		switch {
		case w.group != nil:
			q.do([]job{q.head(w.group)})
			q.advance(w)
			q.settled(1)
		case w.bundle != nil:
			q.do(w.bundle)
			q.settled(len(w.bundle))
		default:
			jobs := q.gather(w.job)
			q.do(jobs)
			q.settled(len(jobs))
		}
	}
}

// gather adds to a job what is waiting and may go in the same request, so that requests grow with the
// load and never wait for it.
func (q *sendQueue) gather(first job) []job {
	jobs := []job{first}
	if first.shipment.alone {
		return jobs
	}
	room := q.producer.room() - storedSize(first.shipment.first())
	for len(jobs) < maxBatchMessages {
		select {
		case w := <-q.work: // which is not closed while there are jobs
			if w.group == nil && w.bundle == nil && w.job.joins(first) {
				if room -= storedSize(w.job.shipment.first()); room >= 0 {
					jobs = append(jobs, w.job)
					continue
				}
			}
			q.work <- w // does not block: there was room for it before
			return jobs
		default:
			return jobs
		}
	}
	return jobs
}

// joins says whether j may go in one request with first: a message of the same topic, whose
// caller would give up at the same moment.
func (j job) joins(first job) bool {
	return j.shipment.publication == first.shipment.publication &&
		j.ctx.Done() == first.ctx.Done() &&
		!j.shipment.alone
}

func (q *sendQueue) head(group *groupKey) job {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.groups[*group][0]
}

// advance puts the group back at the end of the line, so that a busy one does not keep a sender from
// the others, and forgets it when it has no more messages.
func (q *sendQueue) advance(w work) {
	q.mu.Lock()
	defer q.mu.Unlock()
	waiting := q.groups[*w.group]
	waiting[0] = job{} // or the array would keep it
	rest := waiting[1:]
	if len(rest) == 0 {
		delete(q.groups, *w.group)
		return
	}
	q.groups[*w.group] = rest
	q.work <- w
}

func (q *sendQueue) do(jobs []job) {
	if len(jobs) == 1 {
		q.producer.sendAlone(jobs[0].ctx, jobs[0].shipment, jobs[0].done)
		return
	}
	shipments := make([]*shipment, len(jobs))
	for i, j := range jobs {
		shipments[i] = j.shipment
	}
	q.producer.sendTogether(jobs[0].ctx, shipments, func(i int, r Receipt, err error) { jobs[i].done(r, err) })
}

func (q *sendQueue) settled(n int) {
	for range n {
		<-q.slots
	}
	q.mu.Lock()
	q.count -= n
	if q.count == 0 && q.idle != nil {
		close(q.idle)
		q.idle = nil
	}
	q.mu.Unlock()
	q.producer.pending.Add(-n)
}
