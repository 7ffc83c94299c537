package broker

// How lite topics end, and what is in them.

// expireAfter sets the time without a new message after which lite topics are dropped, also those that
// there are.
func (l *liteTopics) expireAfter(expiry int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.expiry = expiry
	for _, q := range l.queues {
		last, ok := q.last()
		if q.armed = ok && expiry > 0; q.armed {
			l.scheduler.set(&q.deadline, last.storedAt+expiry)
		} else {
			l.scheduler.remove(&q.deadline)
		}
	}
}

// expire is called by the scheduler: the lite topic is dropped, unless a message has come since.
func (q *liteQueue) expire(now int64) {
	l := q.all
	l.mu.Lock()
	last, ok := q.last()
	switch at := last.storedAt + l.expiry; {
	case l.queues[q.name] != q: // it was dropped just now
		l.mu.Unlock()
	case ok && at > now:
		l.scheduler.set(&q.deadline, at)
		l.mu.Unlock()
	default:
		readers := l.removeLocked(q)
		l.mu.Unlock()
		q.forget(readers)
	}
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
	l.diary.write(q.event(nil, eventLiteDropped))
	return l.readers
}

func (q *liteQueue) forget(readers []*subscription) {
	for _, s := range readers {
		s.dropLite(q)
	}
}

// trim drops what all have read, but for the latest messages.
func (l *liteTopics) trim(q *liteQueue, read int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	before, _ := q.bounds()
	q.keep(l.retain, read)
	if first, _ := q.bounds(); first != before && l.queues[q.name] == q {
		l.diary.write(q.event(nil, eventLiteTrim).number(first))
	}
}

// exists tells whether the lite topic has not been dropped.
func (q *liteQueue) exists() bool {
	q.all.mu.Lock()
	defer q.all.mu.Unlock()
	return q.all.queues[q.name] == q
}
