package broker

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
)

// tell appends all that makes the half.
func (h *half) tell(e events) events {
	e = e.begin(eventHalf).number(h.offset).number(h.topic.id).number(int64(h.queue)).number(h.stored).bytes(h.record)
	return h.tellChecked(e, h.offset)
}

// tellChecked appends what can change of it, whose offset was another before.
func (h *half) tellChecked(e events, before int64) events {
	e = e.begin(eventChecked).number(before).number(h.offset).number(int64(h.checks)).number(int64(len(h.tickets)))
	for _, held := range h.tickets {
		e = e.number(held.until)
	}
	return e
}

// over tells that it is there no more.
func (h *half) over() events { return events(nil).begin(eventEnded).number(h.offset) }

// noteLocked writes down what has changed of h, whose offset was another before, unless its transaction
// has ended meanwhile.
func (t *transactions) noteLocked(h *half, before int64) {
	if _, open := t.halves[h]; open && t.store.diary != nil {
		t.store.diary.write(h.tellChecked(nil, before))
	}
}

// rounds tells when checks are made.
func (t *transactions) rounds() events {
	return events(nil).begin(eventRounds).number(t.started).number(t.offset)
}

// whole gives what makes all as it is now.
func (t *transactions) whole() []events {
	t.mu.Lock()
	defer t.mu.Unlock()
	all := []events{t.rounds()}
	for h := range t.halves {
		all = append(all, h.tell(nil))
	}
	return all
}

// transaction lets happen again what has been written down of transactions.
func (r *recovery) transaction(kind eventKind, number int64, in *eventReader) error {
	h, open := r.halves[number]
	switch {
	case in.err != nil:
		return in.err
	case kind == eventRounds:
		r.store.transactions.started, r.store.transactions.offset = number, in.number()
		return in.err
	case kind == eventHalf && !open:
		return r.half(number, in)
	case kind == eventChecked && open:
		return r.checked(h, in)
	case kind == eventEnded && open:
		delete(r.halves, number)
		return nil
	}
	return fmt.Errorf("an event of kind %d of the transaction at offset %d", kind, number)
}

func (r *recovery) half(offset int64, in *eventReader) error {
	t, queue, err := r.find(in)
	if err != nil {
		return err
	}
	stored, record := in.number(), bytes.Clone(in.bytes())
	r.place(r.store.transactions.newHalf(undelivered{t, queue, record}, stored), offset)
	return in.err
}

// place lets a half have an offset.
func (r *recovery) place(h *half, offset int64) {
	h.offset, r.halves[offset] = offset, h
	r.store.transactions.offset = max(r.store.transactions.offset, offset+1)
}

func (r *recovery) checked(h *half, in *eventReader) error {
	delete(r.halves, h.offset)
	r.place(h, in.number())
	if checks := int(in.number()); checks != h.checks {
		h.check(checks)
	}
	h.tickets = nil
	for n := in.number(); n > 0 && in.err == nil; n-- {
		h.tickets = append(h.tickets, ticket{until: in.number()})
	}
	return in.err
}

// resume lets transactions be open that were so before.
func (t *transactions) resume(all map[int64]*half) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := nowMillis()
	for _, offset := range slices.Sorted(maps.Keys(all)) {
		t.addLocked(all[offset], now)
	}
}
