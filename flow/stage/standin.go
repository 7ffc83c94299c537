package stage

// StandIn gives a duty that stands in for d: for an operator that has something to do between the
// moment when all that came of a record is safe and that when its source hears of it, such as to note
// what was processed. When the stand-in is settled, settled is called, once, with nil, [ErrPutOff] or the
// failure, which [Duty.Settle] passes on to d. Who settles last calls it, so it must not wait; d is then to
// be settled in it or later. In all that is known of the record the stand-in is as d. If d settles nothing,
// settled is called all the same.
func (d Duty) StandIn(settled func(err error)) Duty {
	s := &standIn{duty: d, settled: settled}
	s.slab.Open(1, s, SlabOptions{Expires: d.Expires(), First: d.Sequence()})
	defer s.slab.Release()
	return s.slab.Duty(0)
}

// StandsFor gives the duty that d stands in for (see [Duty.StandIn]), also when d is settled; false if
// it stands for itself.
func (d Duty) StandsFor() (Duty, bool) {
	if s, ok := d.Owner().(*standIn); ok {
		return s.duty, true
	}
	return Duty{}, false
}

// standIn is the owner of a slab of one.
type standIn struct {
	slab    Slab
	duty    Duty
	settled func(err error)
}

// Settled tells of the outcome.
func (s *standIn) Settled(slab *Slab, all bool) {
	if all {
		err, _ := slab.Outcome(0)
		s.settled(err)
	}
}

// Info gives what is known of the record.
func (s *standIn) Info(int) Info { return s.duty.Info() }

// Origin gives what was read.
func (s *standIn) Origin(int) any { return s.duty.Origin() }
