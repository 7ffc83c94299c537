package stage

import "sync/atomic"

// Join gathers duties under one value: when the joint record is settled, each member is, with the
// same outcome (rule 3). The members' duties pass to the joint record, and the slice with them. Its
// lease ends with the first of theirs; its Info, but for the key, and its Origin are those of the
// first member.
func Join[B any](value B, members []Duty) Record[B] {
	if len(members) == 1 {
		return Record[B]{Value: value, Duty: members[0]}
	}
	return join(&joint{}, value, members)
}

// Joiner makes joint records in great numbers, at a lower cost for each. It is for one goroutine at a
// time; the zero Joiner is ready.
type Joiner struct {
	// Reuse has joint records used again when they are settled. What holds such a duty then learns nothing
	// of it by Members: see [Followed].
	Reuse bool

	blank  []joint       // of the last block
	blocks []*jointBlock // those to be used again, the oldest first
}

const (
	// joinerSize is how many joint records share an allocation.
	joinerSize = 32
	// joinerMost is how many blocks a Joiner waits for. A sink that takes longer to settle is one for which
	// an allocation counts for little.
	joinerMost = 32
)

// jointBlock is joint records that are made, and used again, together.
type jointBlock struct {
	joints [joinerSize]joint
	left   atomic.Int32 // those not settled
}

// Join does what [Join] does.
func (j *Joiner) Join[B any](value B, members []Duty) Record[B] {
	if len(members) == 1 {
		return Record[B]{Value: value, Duty: members[0]}
	}
	if len(j.blank) == 0 {
		j.blank = j.block().joints[:]
	}
	next := &j.blank[0]
	j.blank = j.blank[1:]
	return join(next, value, members)
}

// block gives a block of which nothing is in use.
func (j *Joiner) block() *jointBlock {
	var b *jointBlock
	if len(j.blocks) > 0 && j.blocks[0].left.Load() == 0 {
		b, j.blocks = j.blocks[0], j.blocks[1:]
	} else {
		b = &jointBlock{}
		if len(j.blocks) == joinerMost {
			j.blocks[0] = nil
			j.blocks = j.blocks[1:]
		}
	}
	if j.Reuse {
		for i := range b.joints {
			b.joints[i].block = b
		}
		b.left.Store(joinerSize)
		j.blocks = append(j.blocks, b)
	}
	return b
}

func join[B any](j *joint, value B, members []Duty) Record[B] {
	j.members = members
	j.slab.Open(1, j, SlabOptions{Expires: earliest(members)})
	duty := j.slab.Duty(0)
	j.slab.Release()
	return Record[B]{Value: value, Duty: duty}
}

// Members gives the duties that a joint record gathers (see [Join]), also when it is settled, but for
// one of a [Joiner] that uses records again; nil for any other.
func (d Duty) Members() []Duty {
	if j, ok := d.Owner().(*joint); ok {
		return j.members
	}
	return nil
}

// joint is the owner of a slab of one: the duty of several records together.
type joint struct {
	slab    Slab
	members []Duty
	block   *jointBlock // nil if it is not used again
}

// Settled passes the outcome on to the members.
func (j *joint) Settled(s *Slab, all bool) {
	if !all {
		return
	}
	if err, _ := s.Outcome(0); err == nil {
		DoneAll(j.members)
	} else {
		for _, m := range j.members {
			m.Settle(err)
		}
	}
	if j.block != nil {
		j.block.left.Add(-1)
	}
}

// Info gives what is known of the first member, without a key: a joint record has many.
func (j *joint) Info(int) Info {
	if len(j.members) == 0 {
		return Info{}
	}
	info := j.members[0].Info()
	info.Key = ""
	return info
}

// Origin gives the source value of the first member.
func (j *joint) Origin(int) any {
	if len(j.members) == 0 {
		return nil
	}
	return j.members[0].Origin()
}
