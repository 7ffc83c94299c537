package stage

import (
	"errors"
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

// DoneAll settles duties as done, as Done does for each, at a fraction of the cost.
func DoneAll(duties []Duty) {
	for len(duties) > 0 {
		s, n := duties[0].slab, 1
		for n < len(duties) && duties[n].slab == s {
			n++
		}
		if s != nil {
			s.dropAll(duties[:n])
		}
		duties = duties[n:]
	}
}

// Fail settles one duty as failed. A failure wins over what was or will be done or put off, and the
// first one stands (rule 4), but what was or will be handed back ([ErrHandedBack], by errors.Is) gives way to
// any other: a record that is to blame in one branch must not come again uncounted because another did not
// come to it. It reports false if the record was settled before. A nil error is taken for [ErrHandedBack],
// and so is [ErrPutOff], which is no failure: see [Duty.PutOff].
func (d Duty) Fail(err error) bool {
	if d.slab == nil {
		return true
	}
	if err == nil || errors.Is(err, ErrPutOff) {
		err = ErrHandedBack
	}
	return d.slab.settleAs(d.ref, bitOf(err), err)
}

// PutOff settles one duty as put off: what is to come of the record is not there yet, but something safe
// sees to it that the record comes again, such as a message in a retry topic. Its source takes it for done.
// What remembers records that are done must not remember this one: it learns of it by the outcome
// [ErrPutOff] (see [Duty.StandIn]). It wins over what was or will be done. It reports false if the record was
// settled before.
func (d Duty) PutOff() bool {
	if d.slab == nil {
		return true
	}
	return d.slab.settleAs(d.ref, putOffBit, nil)
}

// Settle settles one duty with the outcome of another: it is done if err is nil, put off if it is
// [ErrPutOff], and else failed. It reports false if the record was settled before.
func (d Duty) Settle(err error) bool {
	switch {
	case err == nil:
		return d.Done()
	case errors.Is(err, ErrPutOff):
		return d.PutOff()
	}
	return d.Fail(err)
}

// Retain takes n more duties for the record, which must be held at the time (rule 2): it then
// settles when all have been. With n below 1 it does nothing.
func (d Duty) Retain(n int) bool {
	if d.slab == nil || n < 1 {
		return true
	}
	return d.slab.retain(d.ref, n)
}

// Info gives what the source knows about the record: of a joint one, about its first member,
// without a key (see [Join]). It is the zero Info once the record is settled.
func (d Duty) Info() Info {
	if d.slab == nil || !d.slab.live(d.ref) {
		return Info{}
	}
	return d.slab.owner.Info(int(uint32(d.ref)))
}

// Origin gives the value that was read from the source, of the source's type: of a joint record,
// its first member's. It is nil if unknown, and once the record is settled.
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

// Owner gives who opened the slab that the duty belongs to, also when the record is settled; nil
// for the zero Duty.
func (d Duty) Owner() SlabOwner {
	if d.slab == nil {
		return nil
	}
	return d.slab.owner
}

// Sequence gives a number that rises in the order in which the record's source was read, and that no other
// record of the run has; 0 if it has none.
func (d Duty) Sequence() uint64 {
	if d.slab == nil || d.slab.first == 0 {
		return 0
	}
	return d.slab.first + uint64(uint32(d.ref))
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
