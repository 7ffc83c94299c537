package flowtest

import (
	"slices"
	"time"

	"github.com/rocketflow-io/rocketflow/flow/stage"
)

// record is a record of an input, under the input's lock.
type record[T any] struct {
	Record[T]
	index   int
	arrives time.Duration

	waiting bool // to be given out, when ready
	ready   time.Time
	at      *handout[T] // that it is out with; nil if it is not out
	over    bool        // it does not come again
	counted int         // deliveries that count as attempts
	failed  int         // failures

	state      State
	err        error
	stage      string
	deliveries []Delivery
}

// open prepares the record for a run.
func (r *record[T]) open(now time.Time, again bool) {
	r.at = nil
	if r.state == Unread {
		r.waiting, r.ready = true, now.Add(r.arrives)
	} else {
		r.waiting, r.ready = again && !r.over, now
	}
}

// keyState is a key with records out. After a failure nothing of it goes out until they are back.
type keyState struct {
	out     int
	blocked bool
}

// handout is what one read has given out.
type handout[T any] struct {
	in      *Input[T]
	records []*record[T]
	infos   []stage.Info
	expires time.Time
}

// take gives out what is ready; nil if nothing is. Then again says when something may be by time
// alone; it is zero if nothing may.
func (in *Input[T]) take() (h *handout[T], again time.Time) {
	in.mu.Lock()
	defer in.mu.Unlock()
	now := time.Now()
	in.expireLocked(now)
	h = &handout[T]{in: in}
	if in.lease > 0 {
		h.expires = now.Add(in.lease)
	}
	stay := make(map[string]bool) // keys of which an earlier record has to stay
	for _, r := range in.records {
		key := in.orderOf(r)
		switch blocked := key != "" && (stay[key] || in.keys[key] != nil && in.keys[key].blocked); {
		case !r.waiting:
		case !blocked && !r.ready.After(now) && len(h.records) < readSize:
			in.giveOutLocked(r, h, now)
		default:
			stay[key] = true
			if !blocked && r.ready.After(now) {
				again = earlier(again, r.ready)
			}
		}
	}
	if len(h.records) > 0 {
		in.out = append(in.out, h)
		return h, again
	}
	if end := in.opened.Add(in.pause); now.Before(end) {
		again = earlier(again, end)
	}
	if !again.IsZero() && in.lease > 0 && len(in.out) > 0 {
		again = earlier(again, in.out[0].expires)
	}
	return nil, again
}

func earlier(a, b time.Time) time.Time {
	if a.IsZero() || b.Before(a) {
		return b
	}
	return a
}

// orderOf gives the key that the record is ordered by; "" if it is not.
func (in *Input[T]) orderOf(r *record[T]) string {
	switch {
	case !in.keyed:
		return ""
	case in.key != nil:
		return in.key(r.Value)
	}
	return r.Key
}

func (in *Input[T]) giveOutLocked(r *record[T], h *handout[T], now time.Time) {
	r.waiting, r.at, r.state = false, h, Held
	r.counted++
	info := in.info(r)
	r.deliveries = append(r.deliveries, Delivery{At: now.Sub(in.opened), Attempt: info.Attempt, State: Held})
	h.records, h.infos = append(h.records, r), append(h.infos, info)
	if key := in.orderOf(r); key != "" {
		if in.keys[key] == nil {
			in.keys[key] = &keyState{}
		}
		in.keys[key].out++
	}
}

// expireLocked takes back what has been held for longer than the lease.
func (in *Input[T]) expireLocked(now time.Time) {
	for len(in.out) > 0 {
		h := in.out[0]
		left := slices.ContainsFunc(h.records, func(r *record[T]) bool { return r.at == h })
		if left && (h.expires.IsZero() || now.Before(h.expires)) {
			return
		}
		for _, r := range h.records {
			if r.at == h {
				r.stage = ""
				in.backLocked(r, HandedBack, errNotHeld)
				r.waiting, r.ready = true, now
			}
		}
		in.out = in.out[1:]
	}
}
