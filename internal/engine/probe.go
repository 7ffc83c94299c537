package engine

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/rocketflow-io/rocketflow/flow/stage"
)

// Probe follows the records of one run from stage to stage, and lets stages fail. It is for test
// kits: a run without one has nothing in it that a probe needs.
type Probe struct {
	// Disturb is asked for each stage by its name, and gives what is done to it; nil if nothing is.
	Disturb func(stage string) Disturbance

	mu    sync.Mutex
	steps map[*step]struct{} // those not settled
	taken int                // steps so far
	twice []Held
	marks []func(to time.Time) // move the watermarks of operators
}

// Disturbance is called before each try of a record at a stage: by an operator, by a sink for each
// value of a write, and by a source, without a value, for each read. What it returns is the failure
// of the try. It may panic, and it may take its time.
type Disturbance func(ctx context.Context, value any, info stage.Info) error

// Held is a record that a stage has and has not settled.
type Held struct {
	Stage  string
	Source string     // the name of the source's stage
	Info   stage.Info // what the source knows of the record

	root stage.Duty // as its source gave it out
}

// Held gives the records that are not settled, each with the stage that has it: where several pieces
// of a record are in several stages, with each of them. It may be called at any time.
func (p *Probe) Held() []Held {
	p.mu.Lock()
	defer p.mu.Unlock()
	left := make(map[*step]bool) // what came of the record has gone on to another stage
	for s := range p.steps {
		for _, up := range above(s.duty) {
			left[up] = true
		}
	}
	var last []*step
	for s := range p.steps {
		if !left[s] {
			last = append(last, s)
		}
	}
	slices.SortFunc(last, func(a, b *step) int { return cmp.Compare(a.number, b.number) })
	var all []Held
	for _, s := range last {
		all = append(all, s.held()...)
	}
	return all
}

// SettledTwice gives the records that a stage has settled more than once, against rule 1: another
// piece of the same record may have been settled by it.
func (p *Probe) SettledTwice() []Held {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.twice)
}

// disturbance gives what is done to a stage; nil without a probe.
func (p *Probe) disturbance(stage string) Disturbance {
	if p == nil || p.Disturb == nil {
		return nil
	}
	return p.Disturb(stage)
}

// steppers adds what moves an operator's watermark.
func (p *Probe) steppers(move func(to time.Time)) {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.marks = append(p.marks, move)
}

// Watermark moves the watermark of each operator that goes by event time to a time, whatever its
// records say, and tells how many there are. It never goes back. It may be called while the run lasts.
func (p *Probe) Watermark(to time.Time) int {
	p.mu.Lock()
	marks := slices.Clone(p.marks)
	p.mu.Unlock()
	for _, move := range marks {
		move(to)
	}
	return len(marks)
}

// blame lets what is held, and is about to be abandoned, fail by the stage that has it. It gives the
// names of those stages by source.
func (p *Probe) blame(why error) map[string][]string {
	if p == nil {
		return nil
	}
	stages := make(map[string][]string)
	for _, h := range p.Held() {
		// Fail gives one duty up; the record is not to be settled by that.
		if h.root.Retain(1) {
			h.root.Fail(&StageError{Stage: h.Stage, Err: why})
		}
		if !slices.Contains(stages[h.Source], h.Stage) {
			stages[h.Source] = append(stages[h.Source], h.Stage)
		}
	}
	return stages
}

// StageError is how a record failed, as its source is told in a run with a probe: with the stage
// that failed, or had it when it was handed back. It reads as the failure itself.
type StageError struct {
	Stage string
	Err   error
}

// Error is that of the failure.
func (e *StageError) Error() string { return e.Err.Error() }

// Unwrap gives the failure.
func (e *StageError) Unwrap() error { return e.Err }

// ErrLost is the failure of a record that a stage has neither emitted nor settled, in a run with a
// probe. Its source takes it for [stage.ErrHandedBack].
var ErrLost = fmt.Errorf("flow: lost: %w", stage.ErrHandedBack)
