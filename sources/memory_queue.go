package sources

import (
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/rocketflow-io/rocketflow/flow/stage"
)

// redelivery is when a queue delivers again.
type redelivery struct {
	redeliver   bool
	maxAttempts int // below 1: no bound
	backoff     func(attempt int) time.Duration
	lease       time.Duration // 0: none
}

// queue keeps the values of a [Memory] source that delivers again, or records: each is waiting to
// be handed out, is out, or is over.
type queue[T any] struct {
	mu      sync.Mutex    // guards what follows
	wake    chan struct{} // a value has come to wait, or a key is free: for the reader, of each run anew
	rules   redelivery
	keyed   bool
	held    bool        // a reader is open
	inputs  []*input[T] // all that were read
	waiting []*input[T] // in the order of inputs
	out     []*handout[T]
	keys    map[string]*keyState // those with values out
}

// longest gives how long a value takes at most to come again. Of an unbounded number of waits it goes
// by the first.
func (r *redelivery) longest() time.Duration {
	wait := time.Duration(0)
	for attempt := 1; r.backoff != nil && attempt <= waitsAsked && (r.maxAttempts < 1 || attempt < r.maxAttempts); attempt++ {
		wait = max(wait, r.backoff(attempt))
	}
	return wait + r.lease
}

// waitsAsked is how many waits longest asks for at most.
const waitsAsked = 64

// input is one value, guarded by its queue.
type input[T any] struct {
	number int // from 1
	info   stage.Info
	ready  time.Time   // not handed out before
	at     *handout[T] // that it is out with; nil if it is not out
	Outcome[T]
}

// keyState is a key with values out. After a failure it is blocked until they are back.
type keyState struct {
	out     int
	blocked bool
}

func (q *queue[T]) init() { q.keys = make(map[string]*keyState) }

// acquire begins a run. It returns how many values were read before it, and the run's wake.
func (q *queue[T]) acquire(rules redelivery, keyed bool) (read int, wake <-chan struct{}, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.held {
		return 0, nil, errors.New("sources: open memory source: it is open already: a source that redelivers or records can be in one run at a time")
	}
	q.held, q.rules, q.keyed = true, rules, keyed
	q.wake = make(chan struct{}, 1) // in the bubble of this run, if it is in one
	return len(q.inputs), q.wake, nil
}

// release ends a run. What is out comes again in the next, as it would from a server whose client
// is gone.
func (q *queue[T]) release() {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, h := range q.out {
		for _, in := range h.inputs {
			if in.at == h {
				q.backLocked(in, time.Time{})
			}
		}
	}
	q.out, q.held = nil, false
}

// add takes what was read from the feed.
func (q *queue[T]) add(values []T, infos []stage.Info) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for i, v := range values {
		in := &input[T]{number: len(q.inputs) + 1, info: infos[i], Outcome: Outcome[T]{Value: v}}
		q.inputs = append(q.inputs, in)
		q.waiting = append(q.waiting, in)
	}
}

// size gives the number of values that were read.
func (q *queue[T]) size() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.inputs)
}

// take hands out up to n values that wait; nil if none may go. Then again says when one may that
// is held up by nothing but time.
func (q *queue[T]) take(n int) (h *handout[T], again time.Time) {
	q.mu.Lock()
	defer q.mu.Unlock()
	now := time.Now()
	q.expireLocked(now)
	h = &handout[T]{queue: q, rules: q.rules}
	if q.rules.lease > 0 {
		h.expires = now.Add(q.rules.lease)
	}
	passed := make(map[string]bool) // keys of which an earlier value has to stay
	stay := q.waiting[:0]
	for _, in := range q.waiting {
		held := passed[in.info.Key] || q.blockedLocked(in)
		if late := in.ready.After(now); !held && late {
			again = earlier(again, in.ready)
			held = true
		}
		if held || len(h.inputs) == n {
			stay = append(stay, in)
			passed[in.info.Key] = q.ordered(in)
			continue
		}
		q.handOutLocked(in, h)
	}
	clear(q.waiting[len(stay):])
	q.waiting = stay
	if len(h.inputs) == 0 {
		return nil, again
	}
	q.out = append(q.out, h)
	return h, again
}

func (q *queue[T]) ordered(in *input[T]) bool { return q.keyed && in.info.Key != "" }

func (q *queue[T]) blockedLocked(in *input[T]) bool {
	k := q.keys[in.info.Key]
	return k != nil && k.blocked
}

func (q *queue[T]) handOutLocked(in *input[T], h *handout[T]) {
	in.at = h
	in.Attempts++
	info := in.info
	info.Attempt = in.Attempts
	h.inputs, h.values, h.infos = append(h.inputs, in), append(h.values, in.Value), append(h.infos, info)
	if q.ordered(in) {
		k := q.keys[in.info.Key]
		if k == nil {
			k = &keyState{}
			q.keys[in.info.Key] = k
		}
		k.out++
	}
}

// expireLocked takes back what was held for longer than the lease. Handouts expire in the order in
// which they were made.
func (q *queue[T]) expireLocked(now time.Time) {
	for len(q.out) > 0 {
		h := q.out[0]
		if h.left() && (h.expires.IsZero() || now.Before(h.expires)) {
			return
		}
		for _, in := range h.inputs {
			if in.at == h {
				in.Err = ErrNotHeld
				q.backLocked(in, time.Time{})
			}
		}
		q.out[0] = nil
		q.out = q.out[1:]
	}
}

// overLocked ends what in is out for.
func (q *queue[T]) overLocked(in *input[T], failed bool) {
	in.at = nil
	k := q.keys[in.info.Key]
	if k == nil || !q.ordered(in) {
		return
	}
	k.blocked = k.blocked || failed
	if k.out--; k.out == 0 {
		delete(q.keys, in.info.Key)
	}
}

// backLocked lines a value up to come again, in its old place.
func (q *queue[T]) backLocked(in *input[T], ready time.Time) {
	q.overLocked(in, true)
	in.ready = ready
	i, _ := slices.BinarySearchFunc(q.waiting, in.number, func(w *input[T], n int) int { return w.number - n })
	q.waiting = slices.Insert(q.waiting, i, in)
}

// settleLocked takes one outcome. A value that comes again is not ready before the given time.
func (q *queue[T]) settleLocked(in *input[T], err error, ready time.Time) {
	switch {
	case err == nil:
		in.Done, in.Err = true, nil
		q.overLocked(in, false)
	case errors.Is(err, stage.ErrHandedBack) && q.rules.redeliver:
		in.Attempts--
		in.HandedBack++
		q.backLocked(in, time.Time{})
	case !q.rules.redeliver || q.rules.maxAttempts > 0 && in.Attempts >= q.rules.maxAttempts:
		in.Err = err
		q.overLocked(in, true)
	default:
		in.Err = err
		q.backLocked(in, ready)
	}
}

// after tells when a value whose attempt failed now is ready again. It calls the user's function,
// and so is called without the lock.
func (r *redelivery) after(attempt int, err error, now time.Time) time.Time {
	if err == nil || r.backoff == nil || errors.Is(err, stage.ErrHandedBack) {
		return now
	}
	return now.Add(r.backoff(attempt))
}

func (q *queue[T]) outcomes() []Outcome[T] {
	q.mu.Lock()
	defer q.mu.Unlock()
	all := make([]Outcome[T], len(q.inputs))
	for i, in := range q.inputs {
		all[i] = in.Outcome
	}
	return all
}

// handout is what one read handed out, until all of it is settled.
type handout[T any] struct {
	queue   *queue[T]
	rules   redelivery
	inputs  []*input[T]
	values  []T
	infos   []stage.Info
	expires time.Time
}

var _ stage.Settler = (*handout[int])(nil)

func (h *handout[T]) left() bool {
	return slices.ContainsFunc(h.inputs, func(in *input[T]) bool { return in.at == h })
}

func (h *handout[T]) batch() stage.Batch[T] {
	return stage.Batch[T]{
		Values: h.values, Settler: h, Expires: h.expires,
		Info: func(i int) stage.Info { return h.infos[i] },
	}
}

func earlier(a, b time.Time) time.Time {
	if a.IsZero() || b.Before(a) {
		return b
	}
	return a
}
