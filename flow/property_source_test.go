package flow_test

import (
	"context"
	"errors"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/rocketflow-io/rocketflow/flow/stage"
	"github.com/rocketflow-io/rocketflow/internal/randpipe"
)

// testSource is a source as a broker would be: it redelivers what fails, up to a bound, orders by
// key, and takes back what is held for longer than its lease. Its reads and settlements can fail.
type testSource struct {
	name     string
	traits   stage.SourceTraits
	salt     uint64
	chunk    int
	attempts int           // after as many failures an input is given up
	backoff  time.Duration // before a redelivery
	slow     time.Duration // the most that a read takes
	faulty   uint64        // percent of inputs that cannot be decoded, some of them only at first
	lossy    uint64        // percent of settlements that fail
	ledger   *ledger

	mu      sync.Mutex
	calls   uint64
	waiting []*input // in order of input
	out     []*lent
	keys    map[string]*lane // with inputs out
	wake    chan struct{}
}

// input is one value of a source.
type input struct {
	randpipe.Item
	failures, deliveries int
	ready                time.Time
	at                   *lent
}

// lane is a key with inputs out. After a failure it is blocked until they are back.
type lane struct {
	out     int
	blocked bool
}

// maxDeliveries is where a source gives an input up that is never finished, such as for its lease.
const maxDeliveries = 60

func (s *testSource) SourceTraits() stage.SourceTraits { return s.traits }

func (s *testSource) Open(context.Context) (stage.Reader[randpipe.Item], error) { return s, nil }

func (s *testSource) Close(context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, h := range s.out {
		for _, in := range h.inputs {
			if in.at == h {
				s.ledger.report("source %s is closed while %v is out", s.name, handoutOf(in.Item))
			}
		}
	}
	s.out = nil
	return nil
}

// finished tells whether each input is done or given up.
func (s *testSource) finished() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.waiting) == 0 && len(s.out) == 0
}

func (s *testSource) Read(ctx context.Context) (stage.Batch[randpipe.Item], error) {
	s.mu.Lock()
	s.calls++
	roll := randpipe.Mix(s.salt, s.calls)
	s.mu.Unlock()
	switch roll % 100 {
	case 0, 1, 2:
		return stage.Batch[randpipe.Item]{}, errors.New("injected read error")
	}
	if s.slow > 0 {
		sleep(time.Duration(roll % uint64(s.slow)))
	}
	for {
		b, again, end := s.take()
		switch {
		case end && roll>>8%2 == 0:
			return b, io.EOF // with the last values
		case b.Len() > 0:
			return b, nil
		case end:
			return b, io.EOF
		}
		var due <-chan time.Time
		if !again.IsZero() {
			due = time.After(time.Until(again))
		}
		select {
		case <-due:
		case <-s.wake:
		case <-ctx.Done():
			return stage.Batch[randpipe.Item]{}, ctx.Err()
		}
	}
}

// take hands out what may go; else it tells when more may go by itself, or that all is out or over.
func (s *testSource) take() (b stage.Batch[randpipe.Item], again time.Time, end bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	again = s.expireLocked(now)
	h := &lent{source: s, rolls: randpipe.Mix(s.salt, s.calls, 1)}
	passed := make(map[string]bool)
	stay := s.waiting[:0:0]
	for _, in := range s.waiting {
		held := passed[in.Key] || s.keys[in.Key] != nil && s.keys[in.Key].blocked
		if late := in.ready.After(now); !held && late {
			held = true
			if again.IsZero() || in.ready.Before(again) {
				again = in.ready
			}
		}
		if held || len(h.inputs) == s.chunk {
			stay = append(stay, in)
			passed[in.Key] = in.Key != ""
			continue
		}
		s.lendLocked(in, h)
	}
	s.waiting = stay
	if len(h.inputs) > 0 {
		s.out = append(s.out, h)
		b = h.batch(now)
	}
	return b, again, len(s.waiting) == 0
}

func (s *testSource) lendLocked(in *input, h *lent) {
	in.deliveries++
	in.Delivery, in.at = in.deliveries, h
	h.inputs, h.items = append(h.inputs, in), append(h.items, in.Item)
	s.ledger.read(handoutOf(in.Item))
	if in.Key != "" {
		if s.keys[in.Key] == nil {
			s.keys[in.Key] = &lane{}
		}
		s.keys[in.Key].out++
	}
}

// expireLocked takes back what was held too long, and tells when the next lease ends.
func (s *testSource) expireLocked(now time.Time) (next time.Time) {
	s.out = slices.DeleteFunc(s.out, func(h *lent) bool {
		return !slices.ContainsFunc(h.inputs, func(in *input) bool { return in.at == h })
	})
	if s.traits.Lease == 0 {
		return next
	}
	for _, h := range s.out {
		if now.Before(h.expires) {
			return h.expires
		}
		for _, in := range h.inputs {
			if in.at == h {
				s.ledger.expires(in.Src)
				s.backLocked(in, now)
			}
		}
	}
	return next
}

func (s *testSource) overLocked(in *input, failed bool) {
	in.at = nil
	if k := s.keys[in.Key]; in.Key != "" {
		k.blocked = k.blocked || failed
		if k.out--; k.out == 0 {
			delete(s.keys, in.Key)
		}
	}
}

// backLocked lines an input up for another delivery, unless it had its share of them.
func (s *testSource) backLocked(in *input, ready time.Time) {
	s.overLocked(in, true)
	if !s.traits.Redelivers || in.failures >= s.attempts || in.deliveries >= maxDeliveries {
		s.ledger.givesUp(in.Src)
		return
	}
	in.ready = ready
	i, _ := slices.BinarySearchFunc(s.waiting, in.Src, func(w *input, src int) int { return w.Src - src })
	s.waiting = slices.Insert(s.waiting, i, in)
}

// lent is what one read handed out.
type lent struct {
	source  *testSource
	rolls   uint64
	inputs  []*input
	items   []randpipe.Item
	expires time.Time
	calls   uint64
	calling bool
}

func (h *lent) batch(now time.Time) stage.Batch[randpipe.Item] {
	b := stage.Batch[randpipe.Item]{
		Values: h.items, Settler: h,
		Info: func(i int) stage.Info {
			return stage.Info{ID: "r" + string(rune('A'+h.items[i].Src)), Key: h.items[i].Key, Attempt: h.items[i].Delivery}
		},
	}
	if h.source.traits.Lease > 0 {
		h.expires = now.Add(h.source.traits.Lease)
		b.Expires = h.expires
	}
	for i, it := range h.items {
		roll := randpipe.Mix(h.source.salt, it.ID)
		if roll%100 >= h.source.faulty || roll>>8%3 > 0 && it.Delivery > 1 {
			continue
		}
		h.source.ledger.failed(h.source.name, true, it)
		b.Faults = append(b.Faults, stage.Fault{Index: i, Err: randpipe.ErrFault})
	}
	return b
}

// Settle takes outcomes; when it fails, they are lost, and the inputs come again.
func (h *lent) Settle(_ context.Context, outcomes []stage.Outcome) error {
	s := h.source
	s.mu.Lock()
	if h.calling {
		s.ledger.report("calls of Settle overlap for one batch")
	}
	h.calling = true
	h.calls++
	roll := randpipe.Mix(h.rolls, h.calls)
	s.mu.Unlock()
	if !s.traits.Immediate {
		sleep(time.Duration(roll % uint64(20*time.Millisecond)))
	}
	lost := s.traits.Redelivers && roll>>32%100 < s.lossy
	h.apply(outcomes, lost)
	select {
	case s.wake <- struct{}{}:
	default:
	}
	switch {
	case lost && roll>>40%3 == 0:
		panic("injected panic of Settle")
	case lost:
		return errors.New("injected loss of outcomes")
	}
	return nil
}

func (h *lent) apply(outcomes []stage.Outcome, lost bool) {
	s := h.source
	s.mu.Lock()
	defer s.mu.Unlock()
	h.calling = false
	now := time.Now()
	for _, o := range outcomes {
		in := h.inputs[o.Index]
		s.ledger.settles(handoutOf(h.items[o.Index]), o.Err)
		switch {
		case in.at != h: // it was taken back before
		case lost:
			s.backLocked(in, now)
		case o.Err == nil:
			s.overLocked(in, false)
		case errors.Is(o.Err, stage.ErrHandedBack):
			s.backLocked(in, now)
		default:
			in.failures++
			s.backLocked(in, now.Add(s.backoff))
		}
	}
}
