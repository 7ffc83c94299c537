package broker_test

import (
	"fmt"
	"slices"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"

	"github.com/rocketflow-io/rocketflow/broker"
)

// A course is what a group knows of one message.
type course struct {
	attempt   int32      // the latest that was seen
	counted   bool       // the next delivery is another attempt
	hidden    time.Time  // before this nobody else gets it
	settled   settlement // it was acknowledged, or is a dead letter
	forwarded bool       // to the dead letters, which was answered
}

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
	order     func(topic, lane string) []string // gives the ids in a queue, or in a lite topic
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
		case at == nil || !at.is(r.topic, id, m.GetBody(), sp.GetTag()) || r.tag != "" && at.tag != r.tag:
			l.wrongLocked("group %s receives %s from topic %s, which was not sent so", r.group, id, r.topic)
			continue
		case !at.may(now):
			l.wrongLocked("group %s receives %s, which was lost, or is not to be delivered, or not yet", r.group, id)
		case c.settled == done:
			l.wrongLocked("group %s receives %s, attempt %d, and had settled it", r.group, id, attempt)
		case attempt < c.attempt || attempt == c.attempt && c.counted:
			l.wrongLocked("group %s receives %s as attempt %d after attempt %d", r.group, id, attempt, c.attempt)
		case now.Before(c.hidden):
			l.wrongLocked("group %s receives %s, attempt %d, %v before it is visible", r.group, id, attempt, c.hidden.Sub(now))
		}
		at.fate = stored // what was delivered stays
		l.figures.delivered++
		if c.attempt > 0 {
			l.figures.again++
		}
		if r.inOrder {
			l.followsLocked(r, i)
		}
		c.attempt, c.counted, c.hidden = attempt, r.whole, time.Time{}
		if r.whole {
			c.hidden = r.asked.Add(r.invisible).Truncate(time.Millisecond)
		}
	}
}

// followsLocked checks that all that is in the queue, or lite topic, before a message that comes in order is
// settled, or comes before it in the same answer.
func (l *ledger) followsLocked(r receipt, i int) {
	sp := r.got[i].GetSystemProperties()
	lane := fmt.Sprint(sp.GetQueueId())
	if r.lite() {
		lane = sp.GetLiteTopic()
	}
	for _, id := range r.order(r.topic, lane) {
		if id == sp.GetMessageId() {
			return
		}
		if l.courseLocked(r.group, id).settled != open || slices.ContainsFunc(r.got[:i], func(m *v2.Message) bool {
			return m.GetSystemProperties().GetMessageId() == id
		}) || slices.Contains(r.order("%DLQ%"+r.group, "0"), id) {
			continue
		}
		l.wrongLocked("group %s receives %s before %s", r.group, sp.GetMessageId(), id)
		return
	}
	l.wrongLocked("group %s receives %s, which is not in %s of topic %s", r.group, sp.GetMessageId(), lane, r.topic)
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

// changing notes that somebody is about to change, or may have changed, when a message is visible again,
// by which the next delivery may be the same attempt. It adds to how often its
// lite topic is said to have been suspended, and tells by how much.
func (l *ledger) changing(d *delivery, suspend bool) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.courseLocked(d.group, d.id).forget()
	if !d.lite() || !suspend {
		return 0
	}
	// So is all that is received of its lite topic, by whomever.
	l.suspensions[*d.liteTopic]++
	for id, c := range l.courses[d.group] {
		if l.letters[id].liteTopic == *d.liteTopic {
			c.forget()
		}
	}
	return 1
}

// forget lets it be unknown when a message comes again, and as which attempt.
func (c *course) forget() { c.hidden, c.counted = time.Time{}, false }

// suspended tells how often a lite topic was suspended, "" for none.
func (l *ledger) suspended(liteTopic *string) int {
	if liteTopic == nil {
		return 0
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.suspensions[*liteTopic]
}

// changed notes that a message is invisible until a time.
func (l *ledger) changed(d *delivery, answer *v2.ChangeInvisibleDurationResponse, until time.Time, free bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if answer.GetStatus().GetCode() != v2.Code_OK {
		l.wrongLocked("group %s cannot change %s, which it holds: %v", d.group, d.id, answer.GetStatus())
		return
	}
	c := l.courseLocked(d.group, d.id)
	c.hidden, c.counted = until.Truncate(time.Millisecond), !free && !d.lite()
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
			case at.topic != r.topic || !at.there:
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
