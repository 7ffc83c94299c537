package broker_test

import (
	"slices"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"

	"github.com/rocketflow-io/rocketflow/broker"
)

// A course is what a group knows of one message.
type course struct {
	attempt   int32     // the latest that was seen
	counted   bool      // the next delivery is another attempt
	hidden    time.Time // before this nobody else gets it
	settled   settlement
	forwarded bool // to the dead letters, which was answered
}

// A settlement is whether a group may receive a message again.
type settlement int

const (
	open    settlement = iota
	perhaps            // it was settled, but that was not answered
	done               // it was acknowledged, or is a dead letter
)

// bury notes that a message is a dead letter.
func (c *course) bury() { c.settled = done }

func (l *ledger) courseLocked(group, id string) *course {
	all := l.courses[group]
	if all == nil {
		all = make(map[string]*course)
		l.courses[group] = all
	}
	if all[id] == nil {
		all[id] = new(course)
	}
	return all[id]
}

// A receipt is the answer to a receive, perhaps in part.
type receipt struct {
	reading
	asked     time.Time     // when the request was sent
	invisible time.Duration // for at least this long from then on
	whole     bool          // the answer has come to its end
	got       []*v2.Message
	order     func(topic string, queue int) []string // gives the ids in a queue
}

// received notes what was received.
func (l *ledger) received(r receipt) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	for i, m := range r.got {
		sp := m.GetSystemProperties()
		id, attempt := sp.GetMessageId(), sp.GetDeliveryAttempt()
		at, c := l.letters[id], l.courseLocked(r.group, id)
		switch {
		case at == nil || at.topic != r.topic || string(m.GetBody()) != crashBody(id) || r.tag != "" && at.tag != r.tag:
			l.wrongLocked("group %s receives %s from topic %s, which was not sent so", r.group, id, r.topic)
			continue
		case at.fate == lost:
			l.wrongLocked("group %s receives %s, which was lost", r.group, id)
		case c.settled == done:
			l.wrongLocked("group %s receives %s, attempt %d, and had settled it", r.group, id, attempt)
		case attempt < c.attempt || attempt == c.attempt && c.counted:
			l.wrongLocked("group %s receives %s as attempt %d after attempt %d", r.group, id, attempt, c.attempt)
		case now.Before(c.hidden):
			l.wrongLocked("group %s receives %s, attempt %d, %v before it is visible", r.group, id, attempt, c.hidden.Sub(now))
		}
		l.figures.delivered++
		if c.attempt > 0 {
			l.figures.again++
		}
		if r.ordered() {
			l.followsLocked(r, i)
		}
		c.attempt, c.counted, c.hidden = attempt, r.whole, time.Time{}
		if r.whole {
			c.hidden = r.asked.Add(r.invisible).Truncate(time.Millisecond)
		}
	}
}

// followsLocked checks that all that is in the queue before a message of an ordered group is settled, or
// comes before it in the same answer.
func (l *ledger) followsLocked(r receipt, i int) {
	sp := r.got[i].GetSystemProperties()
	ids := r.order(r.topic, int(sp.GetQueueId()))
	for _, id := range ids[:min(int(sp.GetQueueOffset()), len(ids))] {
		if l.courseLocked(r.group, id).settled != open || slices.ContainsFunc(r.got[:i], func(m *v2.Message) bool {
			return m.GetSystemProperties().GetMessageId() == id
		}) || slices.Contains(r.order("%DLQ%"+r.group, 0), id) {
			continue
		}
		l.wrongLocked("group %s receives %s before %s", r.group, sp.GetMessageId(), id)
		return
	}
}

// acking notes that somebody is about to settle messages, whether or not that is answered.
func (l *ledger) acking(group string, all ...*delivery) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, d := range all {
		if c := l.courseLocked(group, d.id); c.settled == open {
			c.settled = perhaps
		}
	}
}

// settled notes how the settlement of a message was answered.
func (l *ledger) settled(group string, d *delivery, status *v2.Status, by intent) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if status.GetCode() != v2.Code_OK {
		l.wrongLocked("group %s cannot settle %s, which it holds: %v", group, d.id, status)
		return
	}
	c := l.courseLocked(group, d.id)
	c.settled = done
	if by == toForward {
		c.forwarded = true
		l.figures.forwarded++
	} else {
		l.figures.acked++
	}
}

// changing notes that somebody is about to change when a message is visible again, by which the next
// delivery may be the same attempt.
func (l *ledger) changing(group string, d *delivery) {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := l.courseLocked(group, d.id)
	c.hidden, c.counted = time.Time{}, false
}

// changed notes that a message is invisible until a time.
func (l *ledger) changed(group string, d *delivery, answer *v2.ChangeInvisibleDurationResponse, until time.Time, free bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if answer.GetStatus().GetCode() != v2.Code_OK {
		l.wrongLocked("group %s cannot change %s, which it holds: %v", group, d.id, answer.GetStatus())
		return
	}
	c := l.courseLocked(group, d.id)
	c.hidden, c.counted = until.Truncate(time.Millisecond), !free
}

// close checks, when nothing is left to receive, that each group has settled each message once.
func (l *ledger) close(b *broker.Broker) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, r := range crashReadings {
		stats, err := b.GroupStats(r.group)
		if err != nil {
			l.wrongLocked("%v", err)
			continue
		}
		p, due, skipped := stats.Topics[r.topic], int64(0), int64(0)
		for _, at := range l.letters {
			switch c := l.courseLocked(r.group, at.id); {
			case at.topic != r.topic || at.fate == lost:
			case r.tag != "" && at.tag != r.tag:
				skipped++
			default:
				due++
				if c.settled == open {
					l.wrongLocked("message %s was never settled by group %s, and is not to be received", at.id, r.group)
				}
			}
		}
		if p.Acked+p.DeadLettered != due || p.Filtered != skipped || p.Backlog != 0 {
			l.wrongLocked("group %s has settled %d messages of topic %s, and has %+v", r.group, due, r.topic, p)
		}
	}
}
