package engine

import "github.com/rocketflow-io/rocketflow/flow/stage"

// trial is what goes with a record through a try: the tries before it, and the key that it holds.
// The key cannot be asked of the duty afterwards, which may have been settled by then.
type trial struct {
	tries *tries
	lane  lane
}

// passage stands in for the duty of a record while an asynchronous operator has it. The values
// that came of one source record share its duty; when one of them returns, the passage tells the
// engine which it was, so that each has tries of its own.
type passage struct {
	slab  stage.Slab
	stage *Stage
	duty  stage.Duty // what it stands in for
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
	p := &passage{stage: s, duty: d, trial: t}
	p.slab.Open(1, p, stage.SlabOptions{Expires: d.Expires(), First: d.Sequence()})
	defer p.slab.Release()
	return p.slab.Duty(0)
}

// returned gives what begin was given, for a duty that comes back from the operator.
func (s *Stage) returned(d stage.Duty) (stage.Duty, trial) {
	// A passage of a stage further up is this one's own duty.
	if p, ok := d.Owner().(*passage); ok && p.stage == s {
		return p.duty, p.trial
	}
	return d, trial{}
}

// Settled passes the outcome on.
func (p *passage) Settled(s *stage.Slab, all bool) {
	if !all {
		return
	}
	if err, _ := s.Outcome(0); err != nil {
		p.duty.Fail(err)
	} else {
		p.duty.Done()
	}
}

// Info gives what is known of the record.
func (p *passage) Info(int) stage.Info { return p.duty.Info() }

// Origin gives what was read.
func (p *passage) Origin(int) any { return p.duty.Origin() }

func (p *passage) ledgerAndRead() (*ledger, uint64) {
	if owner, ok := p.duty.Owner().(keyedOwner); ok {
		return owner.ledgerAndRead()
	}
	return nil, 0
}
