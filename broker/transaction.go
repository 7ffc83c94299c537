package broker

import (
	"slices"
	"strconv"
	"sync"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
)

// The user properties in which the server keeps what it knows of a transaction. Consumers see them.
const (
	propertyTransactionID = "__transactionId__"
	propertyChecks        = "TRANSACTION_CHECK_TIMES"
	propertyImmunity      = "CHECK_IMMUNITY_TIME_IN_SECONDS"
)

// maxImmunity bounds what a user property can make of the time for recovery, in seconds. The proper
// way to name it has its own limit, an hour.
const maxImmunity = 365 * 24 * 3600

// maxTickets bounds the tickets of a half.
const maxTickets = 15

// transactions is the half messages: those sent in a transaction that is not resolved.
type transactions struct {
	store     *store
	limits    Limits
	started   int64 // Unix milliseconds; checks are made at multiples of the interval after it
	checkTurn int   // counts checks, so that each goes to another producer; the scheduler's alone

	mu     sync.Mutex         // guards what follows and the halves; not held while one is delivered
	alarm  deadline           // in the scheduler, for the next checks; set while there are halves
	halves map[*half]struct{} // all
	byID   map[halfID][]*half // all, to be ended
	offset int64              // that the next half will have
}

// A halfID is what a client calls a transaction by. Two may have the same.
type halfID struct{ topic, transaction string }

// A half is a message that is invisible until its transaction is committed.
type half struct {
	undelivered
	id       halfID
	born     int64 // Unix milliseconds, as the client says
	stored   int64 // likewise, by the broker: when it was sent or checked last
	immunity int64 // milliseconds after born before the first check; -1 if the client named none
	offset   int64 // changes with each check
	checks   int
	// tickets is what lets the transaction be ended: one for the sending and one for each check, and
	// each good for one call. The latest is used first.
	tickets []ticket
}

// A ticket is the knowledge that a proxy has of a transaction, and keeps for a time. Through another
// proxy, of a cluster, the transaction cannot be ended.
type ticket struct {
	proxy *sessions // nil if it is from before the broker was started: it is good for any then
	until int64     // Unix milliseconds
}

func newTransactions(st *store, limits Limits) *transactions {
	t := &transactions{
		store: st, limits: limits, started: nowMillis(),
		halves: make(map[*half]struct{}), byID: make(map[halfID][]*half),
	}
	t.alarm.owner = t
	return t
}

// begin keeps a half message that has come through a proxy, and gives its offset.
func (t *transactions) begin(u undelivered, through *sessions) int64 {
	now := nowMillis()
	h := t.newHalf(u, now)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.issueTicket(h, through, now)
	t.moveBack(h)
	t.addLocked(h, now)
	if d := t.store.diary; d != nil {
		d.write(h.tell(nil))
	}
	return h.offset
}

// newHalf gives a half that was stored at some time.
func (t *transactions) newHalf(u undelivered, stored int64) *half {
	m := u.record.message()
	sp := m.GetSystemProperties()
	return &half{
		undelivered: u,
		id:          halfID{u.topic.Name, sp.GetMessageId()},
		born:        sp.GetBornTimestamp().AsTime().UnixMilli(),
		stored:      stored,
		immunity:    t.immunityOf(m),
	}
}

// addLocked adds a half, and sees to its checks.
func (t *transactions) addLocked(h *half, now int64) {
	if len(t.halves) == 0 {
		t.store.scheduler.set(&t.alarm, t.nextCheck(now))
	}
	t.halves[h] = struct{}{}
	t.byID[h.id] = append(t.byID[h.id], h)
}

// moveBack puts h behind all others.
func (t *transactions) moveBack(h *half) {
	h.offset = t.offset
	t.offset++
}

// remove takes h out for good.
func (t *transactions) remove(h *half) {
	delete(t.halves, h)
	same := slices.DeleteFunc(t.byID[h.id], func(other *half) bool { return other == h })
	if t.byID[h.id] = same; len(same) == 0 {
		delete(t.byID, h.id)
	}
}

// end resolves a transaction, through a proxy. It fails if there is none that can be ended; one whose
// producer is too late remains for the checks.
func (t *transactions) end(id halfID, through *sessions, resolution v2.TransactionResolution, byCheck bool) error {
	h, err := t.resolve(id, through, resolution, byCheck)
	switch {
	case h == nil:
	case resolution == v2.TransactionResolution_COMMIT:
		t.store.deliver(h.over(), h.undelivered)
	default:
		t.store.diary.write(h.over())
	}
	return err
}

// resolve uses up a ticket, unless the transaction is left open, and gives the half if that settles its
// fate.
func (t *transactions) resolve(
	id halfID, through *sessions, resolution v2.TransactionResolution, byCheck bool,
) (*half, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := nowMillis()
	h, latest := t.findTicket(id, through, now)
	if h == nil {
		return nil, refuse(v2.Code_INTERNAL_SERVER_ERROR, "cannot found transaction data")
	}
	open := resolution != v2.TransactionResolution_COMMIT && resolution != v2.TransactionResolution_ROLLBACK
	if open && !t.store.quirks[QuirkLeftOpen] {
		return nil, nil
	}
	h.tickets = slices.Delete(h.tickets, latest, latest+1)
	// A producer that names a time for its recovery is not heard after it, unless it is asked.
	late := !byCheck && h.immunity >= 0 && now-h.born > max(h.immunity, t.limits.TransactionTimeout.Milliseconds())
	if !open && !late {
		t.remove(h)
		return h, nil
	}
	t.noteLocked(h, h.offset)
	if open || t.store.quirks[QuirkLateEnd] {
		return nil, nil
	}
	return nil, refuse(v2.Code_INTERNAL_SERVER_ERROR, "the time for the recovery is over: the transaction ends when the producer is asked")
}

// issueTicket lets h be ended once more, for a time.
func (t *transactions) issueTicket(h *half, to *sessions, now int64) {
	h.tickets = append(h.tickets, ticket{to, now + t.limits.TransactionExpiry.Milliseconds()})
	h.tickets = h.tickets[max(0, len(h.tickets)-maxTickets):]
}

// withdrawTicket takes back the latest.
func (t *transactions) withdrawTicket(h *half) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if n := len(h.tickets); n > 0 {
		h.tickets = h.tickets[:n-1]
		t.noteLocked(h, h.offset)
	}
}

// findTicket finds the latest ticket of a proxy to end a transaction of that id: its half, nil if there
// is none, and its index there.
func (t *transactions) findTicket(id halfID, of *sessions, now int64) (latest *half, at int) {
	until := int64(0)
	for _, h := range t.byID[id] {
		h.tickets = slices.DeleteFunc(h.tickets, func(held ticket) bool { return held.until < now })
		for i, held := range h.tickets {
			if (held.proxy == of || held.proxy == nil) && held.until >= until {
				latest, at, until = h, i, held.until
			}
		}
	}
	return latest, at
}

// immunityOf gives the time for recovery that a message names in its property, in milliseconds; -1
// for none. What is no time is the one that holds without.
func (t *transactions) immunityOf(m *v2.Message) int64 {
	text, ok := m.GetUserProperties()[propertyImmunity]
	if !ok {
		return -1
	}
	seconds, err := strconv.ParseInt(text, 10, 64)
	if err != nil || seconds < 0 {
		return t.limits.TransactionTimeout.Milliseconds()
	}
	return min(seconds, maxImmunity) * 1000
}
