package stage

// Record is a value on its way through a pipeline, with the duty to settle it. It is passed by
// value. A Record made by hand has a duty that settles nothing.
type Record[T any] struct {
	Value T
	Duty
}

// With moves the duty to another value (rule 2).
func (r Record[T]) With[U any](value U) Record[U] {
	return Record[U]{Value: value, Duty: r.Duty}
}

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

// Joiner makes joint records in great numbers, at a lower cost for each. What it has made is let go
// together, by and by. It is for one goroutine at a time; the zero Joiner is ready.
type Joiner struct{ blank []joint }

// joinerBlock is how many joint records share an allocation.
const joinerBlock = 32

// Join does what [Join] does.
func (j *Joiner) Join[B any](value B, members []Duty) Record[B] {
	if len(members) == 1 {
		return Record[B]{Value: value, Duty: members[0]}
	}
	if len(j.blank) == 0 {
		j.blank = make([]joint, joinerBlock)
	}
	next := &j.blank[0]
	j.blank = j.blank[1:]
	return join(next, value, members)
}

func join[B any](j *joint, value B, members []Duty) Record[B] {
	j.members = members
	j.slab.Open(1, j, SlabOptions{Expires: earliest(members)})
	duty := j.slab.Duty(0)
	j.slab.Release()
	return Record[B]{Value: value, Duty: duty}
}

// Members gives the duties that a joint record gathers (see [Join]), also when it is settled; nil for
// any other.
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
}

// Settled passes the outcome on to the members.
func (j *joint) Settled(s *Slab, all bool) {
	if !all {
		return
	}
	err, _ := s.Outcome(0)
	for _, m := range j.members {
		if err != nil {
			m.Fail(err)
		} else {
			m.Done()
		}
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
