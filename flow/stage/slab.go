package stage

import (
	"errors"
	"math/bits"
	"sync/atomic"
	"time"
)

// Slab is the duties of the records of one read, in one allocation that can be used again. It is
// for engines and test kits; operators see Duty.
//
// A slab is opened with a hold of its own, so that it cannot end while records are still being
// taken from it; Release ends the hold.
type Slab struct {
	gen     atomic.Uint32    // the use it is in; a duty of another is stale
	left    atomic.Int32     // unsettled records, and 1 for the hold
	touched atomic.Bool      // a slot of this generation has been written to
	told    atomic.Bool      // the owner knows of outcomes that it has not collected
	word    [1]atomic.Uint64 // the room of done, if one word is enough
	done    []atomic.Uint64  // a bit for each record that is settled
	owner   SlabOwner

	n       int
	slots   atomic.Pointer[[]slot] // nil until a record is touched; at least n of them
	single  slot                   // takes their place if n is 1
	expires time.Time
	first   uint64
	quiet   bool
}

// slot is the state of a record that is not simply done by its one duty: generation (32 bits),
// failed (1), handed back (1), put off (1), duties outstanding (29). A state of an earlier generation stands
// for one duty.
type slot struct {
	state atomic.Uint64
	err   atomic.Pointer[error] // of who failed or handed back; counts only where a bit of those is set
}

const (
	failedBit = uint64(1) << 31
	backBit   = uint64(1) << 30
	putOffBit = uint64(1) << 29
	countMask = putOffBit - 1
	wordBits  = 64
)

// bitOf gives what a failure sets.
func bitOf(err error) uint64 {
	if errors.Is(err, ErrHandedBack) {
		return backBit
	}
	return failedBit
}

// SlabOwner is told when duties of its slab settle, and answers for its records. It is a pointer;
// a slab has the same owner each time it is opened.
type SlabOwner interface {
	// Settled is called when outcomes can be collected: with all true exactly once, when each
	// record is settled and the hold released, after which the slab may be opened again; with all
	// false when there are outcomes since Release or the last Rearm. A call with all false may
	// concern outcomes that were collected, but has returned before the slab can be opened again.
	Settled(s *Slab, all bool)
	Info(i int) Info
	Origin(i int) any
}

// Auditor is implemented by owners that want to know of duties that are settled although none is left
// to settle, which changes nothing (rule 1). That is noticed where a slab has one record.
type Auditor interface{ SettledAgain() }

// Bystander is implemented by owners of duties that stand for no record, such as those that an operator joins
// with the duties of records to learn of their outcome. What tells of a joint record by what was read for its
// members leaves them out: a [Failure] does.
type Bystander interface{ StandsBy() }

// SlabOptions is what the duties of a slab have in common.
type SlabOptions struct {
	// Expires is the end of their lease; zero if there is none.
	Expires time.Time
	// First is the sequence number of the first record (see [Duty.Sequence]); 0 if records are not numbered.
	First uint64
	// Quiet keeps the owner from being told of outcomes before Release. It saves work where all
	// outcomes come before Release, and delays them where Release is late.
	Quiet bool
}

// Open makes n unsettled duties. Each duty of an earlier use has been settled.
func (s *Slab) Open(n int, owner SlabOwner, opts SlabOptions) {
	if s.n != n { // of a duty that was settled before, it may be asked at this moment
		s.n = n
	}
	if s.done == nil {
		s.done = s.word[:]
	}
	if words := (n + wordBits - 1) / wordBits; words > len(s.done) {
		s.done = make([]atomic.Uint64, words)
	}
	if p := s.slots.Load(); p != nil && len(*p) < n {
		s.slots.Store(nil)
	}
	// Storing costs more than looking whether there is need to.
	for i := range s.done {
		if s.done[i].Load() != 0 {
			s.done[i].Store(0)
		}
	}
	if s.owner != owner { // likewise
		s.owner = owner
	}
	s.expires, s.first = opts.Expires, opts.First
	if s.touched.Load() {
		s.touched.Store(false)
	}
	s.left.Store(int32(n) + 1)
	if s.quiet = opts.Quiet; s.told.Load() != opts.Quiet {
		s.told.Store(opts.Quiet)
	}
	s.gen.Add(1)
}

// Duty gives the duty of record i. It is to be given out once.
func (s *Slab) Duty(i int) Duty {
	return Duty{slab: s, ref: uint64(s.gen.Load())<<32 | uint64(uint32(i))}
}

// Len gives the number of duties.
func (s *Slab) Len() int { return s.n }

// slot gives the slot of a record. Most records are done by their one duty and need none: they are made
// for the first that does.
func (s *Slab) slot(i int) *slot {
	if s.n == 1 {
		return &s.single
	}
	p := s.slots.Load()
	for p == nil {
		made := make([]slot, s.n)
		if s.slots.CompareAndSwap(nil, &made) {
			p = &made
		} else {
			p = s.slots.Load()
		}
	}
	return &(*p)[i]
}

// Release ends the hold of Open. From then on the slab belongs to its duties: it may be settled,
// and opened again, before Release returns.
func (s *Slab) Release() {
	owner := s.owner
	if s.quiet {
		s.told.Store(false)
		if s.left.Load() > 1 && s.outcomes() > 0 {
			s.tell()
		}
	}
	if s.left.Add(-1) == 0 {
		owner.Settled(s, true)
	}
}

// Rearm asks to be told of outcomes again, by an owner that has collected a number of them and
// has not been told of all; it tells at once if there are more. Who settles a record first sets
// its bit and then looks whether to tell: so one of the two sees the other.
func (s *Slab) Rearm(collected int) {
	s.told.Store(false)
	if s.outcomes() > collected {
		s.tell()
	}
}

// Outcome gives the error of record i, nil if it is done and [ErrPutOff] if it is put off, and whether it
// is settled.
func (s *Slab) Outcome(i int) (err error, settled bool) {
	if s.done[i/wordBits].Load()&(1<<(i%wordBits)) == 0 {
		return nil, false
	}
	if !s.touched.Load() {
		return nil, true
	}
	sl := s.slot(i)
	switch state := sl.state.Load(); {
	case state>>32 != uint64(s.gen.Load()) || state&(failedBit|backBit|putOffBit) == 0:
		return nil, true
	case state&(failedBit|backBit) == 0:
		return ErrPutOff, true
	}
	if p := sl.err.Load(); p != nil {
		return *p, true
	}
	// Abandoned between another's failure and its error: a failure all the same.
	return ErrHandedBack, true
}

// AllDone tells whether every record is settled and none of them failed, was put off or was forked:
// what Outcome would tell of each.
func (s *Slab) AllDone() bool {
	return s.left.Load() == 0 && !s.touched.Load()
}

// Abandon fails what is not settled, whoever holds it, and returns how many records that was.
func (s *Slab) Abandon(err error) int {
	n := 0
	for i := range s.n {
		ref := s.Duty(i).ref
		if s.live(ref) {
			s.mark(ref, bitOf(err), err)
			if s.end(i) {
				n++
			}
		}
	}
	return n
}

// live tells whether the duty is of this generation and its record not settled.
func (s *Slab) live(ref uint64) bool {
	i := int(uint32(ref))
	return ref>>32 == uint64(s.gen.Load()) && s.done[i/wordBits].Load()&(1<<(i%wordBits)) == 0
}

// at gives the slot of a live duty, its state as stored, and the state as it is to be read. It
// reports false for a second settlement, which must change nothing (rule 1).
func (s *Slab) at(ref uint64) (sl *slot, raw, state uint64, ok bool) {
	if !s.live(ref) {
		return nil, 0, 0, false
	}
	sl = s.slot(int(uint32(ref)))
	raw = sl.state.Load()
	if raw>>32 != ref>>32 {
		return sl, raw, ref>>32<<32 | 1, true
	}
	return sl, raw, raw, raw&countMask != 0
}

// drop gives one duty up and reports whether it was held.
func (s *Slab) drop(ref uint64) bool {
	if !s.touched.Load() { // each record has one duty
		if s.live(ref) && s.end(int(uint32(ref))) {
			return true
		}
		s.audit()
		return false
	}
	for {
		sl, raw, state, ok := s.at(ref)
		switch {
		case !ok:
			s.audit()
			return false
		case state&countMask == 1 && raw != state:
			return s.end(int(uint32(ref))) // the one duty of an untouched record
		case sl.state.CompareAndSwap(raw, state-1):
			return state&countMask > 1 || s.end(int(uint32(ref)))
		}
	}
}

// dropAll drops duties of this slab. Where no record was touched, a word of bits takes them all.
func (s *Slab) dropAll(duties []Duty) {
	if s.touched.Load() {
		for i := range duties {
			s.drop(duties[i].ref)
		}
		return
	}
	gen := uint64(s.gen.Load())
	word, mask := 0, uint64(0)
	for i := range duties {
		ref := duties[i].ref
		if w := int(uint32(ref)) / wordBits; w != word {
			s.endWord(word, mask)
			word, mask = w, 0
		}
		if ref>>32 == gen {
			mask |= 1 << (ref % wordBits)
		}
	}
	s.endWord(word, mask)
}

// endWord settles the records of a word of bits, those that were not settled before.
func (s *Slab) endWord(word int, mask uint64) {
	if mask == 0 {
		return
	}
	if old := s.done[word].Or(mask); old&mask != mask {
		s.settled(bits.OnesCount64(mask &^ old))
	} else {
		s.audit()
	}
}

// audit tells an owner who wants to know that a duty was settled again.
func (s *Slab) audit() {
	if a, ok := s.owner.(Auditor); ok {
		a.SettledAgain()
	}
}

// end settles a record; false if it was settled before.
func (s *Slab) end(i int) bool {
	bit := uint64(1) << (i % wordBits)
	if s.done[i/wordBits].Or(bit)&bit != 0 {
		return false
	}
	s.settled(1)
	return true
}

func (s *Slab) retain(ref uint64, n int) bool {
	s.touched.Store(true)
	for {
		sl, raw, state, ok := s.at(ref)
		if !ok {
			return false
		}
		if sl.state.CompareAndSwap(raw, state+uint64(n)) {
			return true
		}
	}
}

// settleAs lets what is not done stand before this duty is dropped, so that no one can see the record
// settled without it (rule 4).
func (s *Slab) settleAs(ref, bit uint64, err error) bool {
	s.mark(ref, bit, err)
	return s.drop(ref)
}

// mark sets the bit of a record that failed, is handed back or put off, once: the first failure stands.
func (s *Slab) mark(ref, bit uint64, err error) {
	s.touched.Store(true)
	for {
		sl, raw, state, ok := s.at(ref)
		if !ok || state&(bit|failedBit) != 0 {
			return
		}
		before := sl.err.Load()
		if !sl.state.CompareAndSwap(raw, state|bit) {
			continue
		}
		switch bit {
		case failedBit:
			sl.err.Store(&err)
		case backBit: // a failure may have come since then
			sl.err.CompareAndSwap(before, &err)
		}
		return
	}
}

// settled counts n records that have no duty left. The owner is told of outcomes before they are
// counted: until then the slab cannot end and be opened again, so that it is not told of a use
// that is over.
func (s *Slab) settled(n int) {
	owner := s.owner
	if s.left.Load() > int32(n) {
		s.tell()
	}
	if s.left.Add(int32(-n)) == 0 {
		owner.Settled(s, true)
	}
}

// tell tells the owner that there are outcomes, unless it knows.
func (s *Slab) tell() {
	if !s.told.Load() && s.told.CompareAndSwap(false, true) {
		s.owner.Settled(s, false)
	}
}

// outcomes counts the records that are settled.
func (s *Slab) outcomes() int {
	n := 0
	for i := range s.done {
		n += bits.OnesCount64(s.done[i].Load())
	}
	return n
}
