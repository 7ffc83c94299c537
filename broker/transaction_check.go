package broker

import (
	"cmp"
	"maps"
	"slices"
	"strconv"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
)

// maxChecksTopic is where what was checked in vain goes in the end. No client can read it.
const maxChecksTopic = "TRANS_CHECK_MAX_TIME_TOPIC"

// A check is a half that its producer is to be asked about, as it is at the time of the check.
type check struct {
	half    *half
	command *v2.TelemetryCommand
}

// nextCheck gives the first time of checks after now.
func (t *transactions) nextCheck(now int64) int64 {
	interval := t.limits.TransactionCheckInterval.Milliseconds()
	return now + interval - (now-t.started)%interval
}

// expire makes the checks that are due.
func (t *transactions) expire(now int64) {
	checks, abandoned := t.due(now)
	for _, h := range abandoned {
		t.store.ensureTopic(Topic{Name: maxChecksTopic, Queues: 1}).publish(h.over(), 0, h.record)
	}
	for _, c := range checks {
		t.ask(c, now)
	}
}

// due takes out what has been checked as often as it may be, and counts a check of each other half
// that is old enough. The oldest comes first.
func (t *transactions) due(now int64) (checks []check, abandoned []*half) {
	t.mu.Lock()
	defer t.mu.Unlock()
	all := slices.SortedFunc(maps.Keys(t.halves), func(a, b *half) int { return cmp.Compare(a.offset, b.offset) })
	for _, h := range all {
		switch {
		case h.checks >= t.limits.TransactionMaxChecks:
			t.remove(h)
			abandoned = append(abandoned, h)
		case t.old(h, now):
			checks = append(checks, t.count(h))
		}
	}
	if len(t.halves) > 0 {
		t.store.scheduler.set(&t.alarm, t.nextCheck(now))
	}
	return checks, abandoned
}

// old tells whether it is time to ask about h. A birth in the future is not believed.
func (t *transactions) old(h *half, now int64) bool {
	age := now - h.born
	if h.immunity >= 0 {
		return age > h.immunity
	}
	return age < 0 || age > t.limits.TransactionTimeout.Milliseconds()
}

// count counts a check of h, by which it moves behind all others, as on the server.
func (t *transactions) count(h *half) check {
	before := h.offset
	t.moveBack(h)
	h.check(h.checks + 1)
	t.noteLocked(h, before)
	return check{h, &v2.TelemetryCommand{Command: &v2.TelemetryCommand_RecoverOrphanedTransactionCommand{
		RecoverOrphanedTransactionCommand: &v2.RecoverOrphanedTransactionCommand{
			TransactionId: h.id.transaction,
			Message:       t.store.shown(&entry{record: h.record, storedAt: h.stored}, h.queue, h.offset, 1),
		},
	}}}
}

// check lets h have been checked so many times.
func (h *half) check(times int) {
	h.checks = times
	h.record = h.record.with(propertyChecks, strconv.Itoa(times))
}

// ask asks one of the topic's producers, the next one each time. If none is there, the check counts
// all the same. A question promises nothing, so it does not wait until it would be found written down.
func (t *transactions) ask(c check, now int64) {
	producers := t.store.proxies.producers(c.half.topic.Name)
	for range producers {
		t.checkTurn++
		p := producers[t.checkTurn%len(producers)]
		t.mu.Lock()
		t.issueTicket(c.half, p.proxy, now) // before the answer can be here
		t.noteLocked(c.half, c.half.offset)
		t.mu.Unlock()
		if p.out.post(c.command) {
			return
		}
		t.withdrawTicket(c.half)
	}
}
