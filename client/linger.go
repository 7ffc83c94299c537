package client

import "time"

// WithLinger lets a message of [Producer.SendAsync] wait up to d for others to share its request. The
// default is 0: messages then share a request only if they have to wait for it anyway. A request that
// is full leaves at once, and so does all that waits when [Producer.Flush] or [Producer.Close] is
// called. Less than 0 fails.
//
// It gives larger and fewer requests under a light load, at the price of d in latency. Messages share
// a request if they are NORMAL, not compressed, of one topic, and were given the same context.
func WithLinger(d time.Duration) ProducerOption {
	return func(c *producerConfig) { c.linger = d }
}

// WithoutBatching gives every message a request of its own. The default is that those waiting
// together share one, which is faster but has two prices with present servers: the offset of only one
// of them is known, and an attempt that is repeated because its answer got lost may store all of them
// twice.
func WithoutBatching() ProducerOption {
	return func(c *producerConfig) { c.unbatched = true }
}

// A bundle is jobs that wait for more of their kind. Its fields belong to the holder of the queue's mu.
type bundle struct {
	jobs  []job
	room  int // what may be added, in bytes as the server stores them
	timer *time.Timer
}

// A bundleKey is what the jobs of a bundle have in common; see [job.joins].
type bundleKey struct {
	publication *publication
	done        <-chan struct{}
}

func (j job) bundleKey() bundleKey { return bundleKey{j.shipment.publication, j.ctx.Done()} }

// lingerLocked puts a job into the bundle of its kind, and dispatches what is full. What comes after
// Close has dispatched all goes at once.
func (q *sendQueue) lingerLocked(j job) {
	if q.producer.closing.Err() != nil {
		q.work <- work{job: j}
		return
	}
	key, size := j.bundleKey(), storedSize(j.shipment.first())
	b := q.bundles[key]
	if b != nil && b.room < size {
		q.dispatchLocked(key)
		b = nil
	}
	if b == nil {
		b = &bundle{room: q.producer.room()}
		q.bundles[key] = b
		b.timer = time.AfterFunc(q.producer.cfg.linger, func() { q.expire(key, b) })
	}
	b.jobs = append(b.jobs, j)
	b.room -= size
	if len(b.jobs) == maxBatchMessages {
		q.dispatchLocked(key)
	}
}

// expire dispatches a bundle whose time is over, unless that has been done.
func (q *sendQueue) expire(key bundleKey, b *bundle) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.bundles[key] == b {
		q.dispatchLocked(key)
	}
}

// dispatchLocked hands a bundle to the senders. Its first job stands for it in work; each of its jobs
// holds a slot, so there is room.
func (q *sendQueue) dispatchLocked(key bundleKey) {
	b := q.bundles[key]
	b.timer.Stop()
	delete(q.bundles, key)
	q.work <- work{bundle: b.jobs}
}

// hasten dispatches all that waits.
func (q *sendQueue) hasten() {
	q.mu.Lock()
	defer q.mu.Unlock()
	for key := range q.bundles {
		q.dispatchLocked(key)
	}
}
