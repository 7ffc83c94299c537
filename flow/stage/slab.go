package stage

import (
	"sync/atomic"
	"time"
)

// Duty is the duty to settle a record: to say, once, that all that came of it is safe or that
// something failed. The zero Duty settles nothing. Methods may be called from any goroutine.
type Duty struct {
	slab *Slab
	ref  uint64 // generation of the slab in the high half, index in the low one
}

// Done settles one duty as done. It reports false if the record was settled before.
func (d Duty) Done() bool {
	if d.slab == nil {
		return true
	}
	return d.slab.drop(d.ref)
}

// DoneAll settles duties as done, as Done does for each.
func DoneAll(duties []Duty) {
	for len(duties) > 0 {
		s := duties[0].slab
		n, ended := 0, 0
		for n < len(duties) && duties[n].slab == s {
			if s != nil {
				if _, last := s.release(duties[n].ref); last {
					ended++
				}
			}
			n++
		}
		if ended > 0 {
			s.settled(ended)
		}
		duties = duties[n:]
	}
}

// Fail settles one duty as failed. A failure wins over what was or will be done, and the first
// one stands (rule 4). It reports false if the record was settled before. A nil error is taken
// for [ErrHandedBack].
func (d Duty) Fail(err error) bool {
	if d.slab == nil {
		return true
	}
	if err == nil {
		err = ErrHandedBack
	}
	return d.slab.fail(d.ref, err)
}

// Retain takes n more duties for the record, which must be held at the time (rule 2): it then
// settles when all have been. With n below 1 it does nothing.
func (d Duty) Retain(n int) bool {
	if d.slab == nil || n < 1 {
		return true
	}
	return d.slab.retain(d.ref, n)
}

// Info gives what the source knows about the record.
func (d Duty) Info() Info {
	if d.slab == nil || !d.slab.live(d.ref) {
		return Info{}
	}
	return d.slab.owner.Info(int(uint32(d.ref)))
}

// Origin gives the value that was read from the source, of the source's type; nil if unknown.
func (d Duty) Origin() any {
	if d.slab == nil || !d.slab.live(d.ref) {
		return nil
	}
	return d.slab.owner.Origin(int(uint32(d.ref)))
}

// Expires gives the end of the record's lease; zero if it has none.
func (d Duty) Expires() time.Time {
	if d.slab == nil {
		return time.Time{}
	}
	return d.slab.expires
}

// Owner gives who opened the slab that the duty belongs to; nil for the zero Duty.
func (d Duty) Owner() SlabOwner {
	if d.slab == nil {
		return nil
	}
	return d.slab.owner
}

// Sequence gives the record's place in the order in which its source was read, from 1; 0 if it
// has none.
func (d Duty) Sequence() uint64 {
	if d.slab == nil || d.slab.first == 0 {
		return 0
	}
	return d.slab.first + uint64(uint32(d.ref))
}

// Slab is the duties of the records of one read, in one allocation that can be used again. It is
// for engines and test kits; operators see Duty.
//
// A slab is opened with a hold of its own, so that it cannot end while records are still being
// taken from it; Release ends the hold.
type Slab struct {
	slots   []slot
	owner   SlabOwner
	expires time.Time
	first   uint64
	gen     uint32
	left    atomic.Int32 // unsettled slots, and 1 for the hold
	told    atomic.Bool  // the owner knows of outcomes that it has not collected
}

// slot is a record's state: generation (32 bits), failed (1), duties outstanding (31). A state of
// an earlier generation stands for one duty, untouched, so that opening a slab writes to no slot.
type slot struct {
	state atomic.Uint64
	err   atomic.Pointer[error] // stored by who sets the failed bit; counts only where that is set
}

const (
	failedBit = uint64(1) << 31
	countMask = failedBit - 1
)

// SlabOwner is told when duties of its slab settle, and answers for its records.
type SlabOwner interface {
	// Settled is called when outcomes can be collected: with all true exactly once, when each
	// record is settled and the hold released, after which the slab may be opened again; with all
	// false when there are outcomes since Release or the last Rearm. A call with all false may
	// come late, and concern outcomes that were collected.
	Settled(s *Slab, all bool)
	Info(i int) Info
	Origin(i int) any
}

// SlabOptions is what the duties of a slab have in common: the end of their lease, if any, and
// the sequence number of the first record, from 1, if they are numbered.
type SlabOptions struct {
	Expires time.Time
	First   uint64
}

// Open makes n unsettled duties. Each duty of an earlier use has been settled.
func (s *Slab) Open(n int, owner SlabOwner, opts SlabOptions) {
	s.gen++
	if cap(s.slots) < n {
		s.slots = make([]slot, n)
	}
	if len(s.slots) != n {
		s.slots = s.slots[:n]
	}
	s.owner, s.expires, s.first = owner, opts.Expires, opts.First
	s.left.Store(int32(n) + 1)
	s.told.Store(true)
}

// Duty gives the duty of record i. It is to be given out once.
func (s *Slab) Duty(i int) Duty { return Duty{slab: s, ref: uint64(s.gen)<<32 | uint64(uint32(i))} }

// Len gives the number of duties.
func (s *Slab) Len() int { return len(s.slots) }

// Release ends the hold of Open. From then on the slab belongs to its duties: it may be settled,
// and opened again, before Release returns.
func (s *Slab) Release() {
	owner, n := s.owner, int32(len(s.slots))
	s.told.Store(false)
	left := s.left.Add(-1)
	switch {
	case left == 0:
		owner.Settled(s, true)
	case left < n && s.told.CompareAndSwap(false, true):
		owner.Settled(s, false)
	}
}

// Rearm asks to be told of outcomes again, by an owner that has collected a number of them and
// has not been told of all; it tells at once if there are more.
func (s *Slab) Rearm(collected int) {
	s.told.Store(false)
	settled := len(s.slots) - int(s.left.Load())
	if settled > collected && s.told.CompareAndSwap(false, true) {
		s.owner.Settled(s, false)
	}
}

// Outcome gives the error of record i, nil if it is done, and whether it is settled.
func (s *Slab) Outcome(i int) (err error, settled bool) {
	sl := &s.slots[i]
	state := sl.state.Load()
	switch {
	case state>>32 != uint64(s.gen) || state&countMask != 0:
		return nil, false
	case state&failedBit == 0:
		return nil, true
	}
	if p := sl.err.Load(); p != nil {
		return *p, true
	}
	// Abandoned between another's failure and its error: a failure all the same.
	return ErrHandedBack, true
}

// Abandon fails what is not settled, whoever holds it, and returns how many records that was.
func (s *Slab) Abandon(err error) int {
	n := 0
	for i := range s.slots {
		d := s.Duty(i)
		if _, _, ok := s.at(d.ref); !ok {
			continue
		}
		// A duty of our own keeps the record open until the failure stands.
		if !s.retain(d.ref, 1) {
			continue
		}
		s.markFailed(d.ref, err)
		if s.end(d.ref) {
			n++
		}
	}
	return n
}

// end drops all duties at once.
func (s *Slab) end(ref uint64) bool {
	for {
		sl, old, ok := s.at(ref)
		if !ok {
			return false
		}
		if sl.state.CompareAndSwap(old.raw, old.word&^countMask) {
			s.settled(1)
			return true
		}
	}
}

// slotState is a slot's state as stored, and as it is to be read.
type slotState struct{ raw, word uint64 }

// at gives the slot and its state if the duty is outstanding. A stale generation or a count of 0
// is a second settlement, which must change nothing (rule 1).
func (s *Slab) at(ref uint64) (*slot, slotState, bool) {
	i := int(uint32(ref))
	if i >= len(s.slots) {
		return nil, slotState{}, false
	}
	sl := &s.slots[i]
	raw := sl.state.Load()
	word := raw
	if raw>>32 < ref>>32 {
		word = ref>>32<<32 | 1
	}
	return sl, slotState{raw, word}, word>>32 == ref>>32 && word&countMask != 0
}

func (s *Slab) live(ref uint64) bool {
	_, _, ok := s.at(ref)
	return ok
}

// drop gives one duty up and reports whether it was held.
func (s *Slab) drop(ref uint64) bool {
	held, last := s.release(ref)
	if last {
		s.settled(1)
	}
	return held
}

// release gives one duty up without counting the record, and reports whether the duty was held
// and whether it was the record's last.
func (s *Slab) release(ref uint64) (held, last bool) {
	for {
		sl, old, ok := s.at(ref)
		if !ok {
			return false, false
		}
		if sl.state.CompareAndSwap(old.raw, old.word-1) {
			return true, old.word&countMask == 1
		}
	}
}

func (s *Slab) retain(ref uint64, n int) bool {
	for {
		sl, old, ok := s.at(ref)
		if !ok {
			return false
		}
		if sl.state.CompareAndSwap(old.raw, old.word+uint64(n)) {
			return true
		}
	}
}

// fail lets the failure stand before this duty is dropped, so that no one can see the record
// settled without it (rule 4).
func (s *Slab) fail(ref uint64, err error) bool {
	s.markFailed(ref, err)
	return s.drop(ref)
}

// markFailed sets the failed bit, once: the first failure stands.
func (s *Slab) markFailed(ref uint64, err error) {
	for {
		sl, old, ok := s.at(ref)
		if !ok || old.word&failedBit != 0 {
			return
		}
		if sl.state.CompareAndSwap(old.raw, old.word|failedBit) {
			sl.err.Store(&err)
			return
		}
	}
}

// settled counts n records that have no duty left.
func (s *Slab) settled(n int) {
	owner := s.owner // after the count has dropped, the slab may be another read's
	left := s.left.Add(int32(-n))
	switch {
	case left == 0:
		owner.Settled(s, true)
	case !s.told.Load() && s.told.CompareAndSwap(false, true):
		owner.Settled(s, false)
	}
}

func earliest(duties []Duty) time.Time {
	var first time.Time
	for _, d := range duties {
		if t := d.Expires(); !t.IsZero() && (first.IsZero() || t.Before(first)) {
			first = t
		}
	}
	return first
}
