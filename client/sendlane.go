package client

import (
	"context"
	"math"
	"slices"
	"sync/atomic"
	"time"
)

const (
	// eagerRequests is how many requests with NORMAL messages of one topic may be under way before
	// further messages wait for one of them to end. More make the wait a smaller part of the time that
	// a request takes anyway; fewer make larger requests, of which a server stores more messages in the
	// same time: with 64 callers, a third more with two requests than with four.
	eagerRequests = 2
	// crowd is how many messages make a request that keeps the server busy by itself. After one of that
	// size, messages wait for it even if no other is under way: with 64 callers that stores a tenth
	// more than two requests at once.
	crowd = 16
	// patience is how long after the last request began messages wait for one to end, and no longer:
	// requests which take so long are not worth waiting for.
	patience = 5 * time.Millisecond

	forever = time.Duration(math.MaxInt64)
)

// A job is one message that waits for its request, or is in one.
type job struct {
	ctx      context.Context // of the caller: it bounds the whole of the send
	shipment *shipment
	size     int                  // that it would take in the server
	answer   chan sendResult      // with room for one; nil if there is done
	done     func(Receipt, error) // called once, by whoever sets settled
	accepted *Producer            // in whose window it is; nil if in none
	settled  atomic.Bool
	taken    bool // guarded by the outbox: it does not wait any more
}

func newJob(ctx context.Context, s *shipment, done func(Receipt, error)) *job {
	return &job{ctx: ctx, shipment: s, size: storedSize(s.first()), done: done}
}

// settle gives the outcome to the caller, unless it has one.
func (j *job) settle(r Receipt, err error) {
	switch {
	case !j.settled.CompareAndSwap(false, true):
	case j.answer != nil:
		j.answer <- sendResult{r, err}
	default:
		j.done(r, err)
		if p := j.accepted; p != nil {
			p.window.leave()
			p.pending.Done()
		}
	}
}

// hasEnded settles a job whose context has ended before its request began.
func (j *job) hasEnded() bool {
	if j.ctx.Err() == nil {
		return false
	}
	j.settle(Receipt{}, j.interrupted(ErrNotSent))
	return true
}

// interrupted is the error of a job whose caller leaves. Its kind is [ErrNotSent] if it was still
// waiting then, and none if what became of the message is not known.
func (j *job) interrupted(kind error) error {
	return &TransportError{Op: "send", Target: j.shipment.first().Topic, kind: kind, cause: context.Cause(j.ctx)}
}

// A sendLane is messages that wait for requests of the same kind:
//
//   - NORMAL messages of one topic go together, as many as wait.
//   - The messages of one message group go one after another.
//   - All others of one topic go one by one, many at a time.
//
// Its fields are guarded by the outbox to which it belongs.
type sendLane struct {
	group    *groupKey     // nil unless it is that of a message group
	batch    int           // messages of one request, at most
	parallel int           // requests under way from which on messages wait
	linger   time.Duration // that the first message waits for others

	waiting []*job
	bytes   int       // the sizes of those
	oldest  time.Time // when the first of them came; kept only with a linger
	running int       // requests under way
	begun   time.Time // when the last of them began
	last    int       // messages in that
	listed  bool      // it is in outbox.ready
	alarmed bool      // it will be looked at when some time has passed
}

type groupKey struct{ topic, group string }

// idle says whether a message may go at once, and by itself.
func (l *sendLane) idle() bool { return len(l.waiting) == 0 && l.linger == 0 && l.pause() == 0 }

// pause returns how long it is until a request may begin although it is not full, unless one ends
// before that.
func (l *sendLane) pause() time.Duration {
	switch {
	case l.running == 0, l.running < l.parallel && l.last < crowd:
		return 0
	case l.batch == 1:
		return forever
	default:
		return max(0, patience-time.Since(l.begun))
	}
}

// due returns how long the messages that wait have to wait still, unless something happens before
// that. A full request has not: it would not get larger. If hurried, messages do not linger.
func (l *sendLane) due(room int, hurried bool) time.Duration {
	if len(l.waiting) == 0 {
		return forever
	}
	if l.batch > 1 && (len(l.waiting) >= l.batch || l.bytes >= room) {
		return 0
	}
	if l.linger > 0 && !hurried {
		if rest := l.linger - time.Since(l.oldest); rest > 0 {
			return rest
		}
	}
	return l.pause()
}

func (l *sendLane) add(j *job) {
	if len(l.waiting) == 0 && l.linger > 0 {
		l.oldest = time.Now()
	}
	l.waiting = append(l.waiting, j)
	l.bytes += j.size
}

// take removes the messages of one request, of which there is at least one, and counts it as begun.
func (l *sendLane) take(room int) []*job {
	n := 0
	for n < len(l.waiting) && n < l.batch {
		j := l.waiting[n]
		if room -= j.size; room < 0 && n > 0 {
			break
		}
		j.taken = true
		l.bytes -= j.size
		n++
	}
	jobs := slices.Clone(l.waiting[:n])
	clear(l.waiting[:n]) // or the array would keep them
	l.waiting = l.waiting[n:]
	if l.linger > 0 {
		l.oldest = time.Now()
	}
	l.begin(n)
	return jobs
}

// begin counts a request of so many messages as under way.
func (l *sendLane) begin(messages int) {
	l.running++
	l.begun, l.last = time.Now(), messages
}
