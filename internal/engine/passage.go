package engine

import "github.com/rocketflow-io/rocketflow/flow/stage"

// trial is what goes with a record through a try: the tries before it, and the keys that it holds, its
// source's and the operator's. The former cannot be asked of the duty afterwards, which may have been
// settled by then.
type trial struct {
	tries *tries
	lane  lane
	turn  turn
}

// passage stands in for the duty of a record while an asynchronous operator has it. The values
// that came of one source record share its duty; when one of them returns, the passage tells the
// engine which it was, so that each has tries of its own.
type passage struct {
	standIn
	stage *Stage
	trial trial
}

var (
	_ stage.SlabOwner = (*passage)(nil)
	_ keyedOwner      = (*passage)(nil)
)

// begin gives the duty that a record has during a try of an asynchronous operator: its own, if
// there is nothing to remember.
func (s *Stage) begin(d stage.Duty, t trial) stage.Duty {
	if t == (trial{}) {
		return d
	}
	p := &passage{stage: s, trial: t}
	return p.open(p, d)
}

// returned gives what begin was given, for a duty that comes back from the operator.
func (s *Stage) returned(d stage.Duty) (stage.Duty, trial) {
	// A passage of a stage further up is this one's own duty.
	if p, ok := d.Owner().(*passage); ok && p.stage == s {
		return p.duty, p.trial
	}
	return d, trial{}
}

// standIn is a duty that stands in for another, and passes its outcome on.
type standIn struct {
	slab stage.Slab
	duty stage.Duty // what it stands in for
}

// open gives the duty that stands in for d. The owner is who the stand-in is part of.
func (s *standIn) open(owner stage.SlabOwner, d stage.Duty) stage.Duty {
	s.duty = d
	s.slab.Open(1, owner, stage.SlabOptions{Expires: d.Expires(), First: d.Sequence()})
	defer s.slab.Release()
	return s.slab.Duty(0)
}

// Settled passes the outcome on.
func (s *standIn) Settled(slab *stage.Slab, all bool) {
	if !all {
		return
	}
	err, _ := slab.Outcome(0)
	s.duty.Settle(err)
}

// Info gives what is known of the record.
func (s *standIn) Info(int) stage.Info { return s.duty.Info() }

// Origin gives what was read.
func (s *standIn) Origin(int) any { return s.duty.Origin() }

func (s *standIn) ledgerAndRead() (*ledger, uint64) {
	return ledgerOf(s.duty)
}
