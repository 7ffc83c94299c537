package flow

import "github.com/rocketflow-io/rocketflow/internal/engine"

// Probe follows the records of one run from stage to stage, and lets stages fail, by their names.
// It is for test kits, such as package flowtest: tests use one of those.
type Probe = engine.Probe

// Disturbance is what a [Probe] does to a stage, before each try of a record there.
type Disturbance = engine.Disturbance

// Held is a record that a stage has and has not settled, as a [Probe] sees it.
type Held = engine.Held

// StageError is how a record failed, as its source is told in a run with a [Probe]: with the stage.
type StageError = engine.StageError

// ErrLost is the failure of a record that a stage has neither emitted nor settled, in a run with a
// [Probe]. Without one a source is told stage.ErrHandedBack, which it wraps.
var ErrLost = engine.ErrLost

// WithProbe lets a probe follow the run. It costs a few allocations for each record and stage; a run
// without one pays nothing.
func WithProbe(p *Probe) RunOption { return func(c *runConfig) { c.engine.Probe = p } }
