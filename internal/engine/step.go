package engine

import (
	"context"
	"errors"

	"github.com/rocketflow-io/rocketflow/flow/stage"
)

// step is the way of a record through one stage, for a probe. It stands in for the record's duty
// from there on, so that steps form a chain up to the source: those that no other step hangs on are
// in the stage that has the record.
type step struct {
	standIn
	probe  *Probe
	stage  *Stage
	number int
	info   stage.Info // what its source knows of the record; of a batch, of its first member
}

var (
	_ stage.SlabOwner = (*step)(nil)
	_ stage.Auditor   = (*step)(nil)
	_ keyedOwner      = (*step)(nil)
)

// tracer stands before a stage and begins the steps of its records.
type tracer[T any] struct {
	probe *Probe
	stage *Stage
	next  stage.Emitter[T]
}

// traced puts a tracer before a stage, if the run has a probe.
func traced[T any](p *Plan, st *Stage, next stage.Emitter[T]) stage.Emitter[T] {
	if p.run.cfg.Probe == nil {
		return next
	}
	return &tracer[T]{p.run.cfg.Probe, st, next}
}

func (t *tracer[T]) Emit(ctx context.Context, r stage.Record[T]) { t.next.Emit(ctx, t.begin(r)) }

func (t *tracer[T]) EmitAll(ctx context.Context, rs []stage.Record[T]) {
	steps := make([]stage.Record[T], len(rs))
	for i, r := range rs {
		steps[i] = t.begin(r)
	}
	t.next.EmitAll(ctx, steps)
}

func (t *tracer[T]) begin(r stage.Record[T]) stage.Record[T] {
	s := &step{probe: t.probe, stage: t.stage, info: r.Info()}
	d := s.open(s, r.Duty)
	t.probe.add(s)
	return stage.Record[T]{Value: r.Value, Duty: d}
}

func (p *Probe) add(s *step) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.steps == nil {
		p.steps = make(map[*step]struct{})
	}
	p.taken++
	s.number = p.taken
	p.steps[s] = struct{}{}
}

// Settled passes the outcome on: of a failure with the stage that it is from, which is the last one.
func (s *step) Settled(slab *stage.Slab, all bool) {
	if !all {
		return
	}
	s.probe.mu.Lock()
	delete(s.probe.steps, s)
	s.probe.mu.Unlock()
	err, _ := slab.Outcome(0)
	_, told := errors.AsType[*StageError](err)
	if err != nil && !errors.Is(err, stage.ErrPutOff) && !told {
		err = &StageError{Stage: s.stage.Name, Err: err}
	}
	s.duty.Settle(err)
}

// SettledAgain notes a breach of rule 1. What is cut off may be settled late: that is none.
func (s *step) SettledAgain() {
	if s.stage.run.hard.Load() {
		return
	}
	s.probe.mu.Lock()
	defer s.probe.mu.Unlock()
	s.probe.twice = append(s.probe.twice, s.held()...)
}

// held gives the records that the step is of: those of a batch are many.
func (s *step) held() []Held {
	if ups := above(s.duty); len(ups) > 0 {
		var all []Held
		for _, up := range ups {
			all = append(all, up.held()...)
		}
		for i := range all {
			all[i].Stage = s.stage.Name
		}
		return all
	}
	r, ok := s.duty.Owner().(interface{ sourceStage() *Stage })
	if !ok {
		return nil // no source has given it out
	}
	return []Held{{Stage: s.stage.Name, Source: r.sourceStage().Name, Info: s.info, root: s.duty}}
}

// above gives the steps that a duty hangs on, the nearest ones.
func above(d stage.Duty) []*step {
	switch owner := d.Owner().(type) {
	case *step:
		return []*step{owner}
	case *passage:
		return above(owner.duty)
	}
	if inner, ok := d.StandsFor(); ok {
		return above(inner)
	}
	var all []*step
	for _, m := range d.Members() {
		all = append(all, above(m)...)
	}
	return all
}
