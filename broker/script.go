package broker

import (
	"errors"
	"fmt"
	"sync"
	"time"
)

// A Step is what happens to a broker at one time of a [Broker.Script]: any of the three.
type Step struct {
	At     time.Duration // from the beginning of the script
	Inject []Fault       // from then on
	Cut    bool          // all connections break
	Freeze time.Duration // for so long from then on; 0 for no frost
}

// Script lets steps happen, each at its time, whatever their order. Stop ends the script: what it has
// injected is removed, a frost ends, and what is still to come does not happen; it may be called
// again. If steps cannot be as described, Script does nothing and fails with all that is wrong,
// [*FaultError]s among it.
func (g *gate) Script(steps ...Step) (stop func(), err error) {
	if err := validateSteps(steps); err != nil {
		return nil, err
	}
	begin := time.Now()
	acts := make([]*act, len(steps))
	for i, s := range steps {
		acts[i] = &act{gate: g, step: s}
		acts[i].owner = acts[i]
		g.scheduler.set(&acts[i].deadline, begin.Add(s.At).UnixMilli())
	}
	return func() {
		for _, a := range acts {
			a.stop()
		}
	}, nil
}

func validateSteps(steps []Step) error {
	var errs []error
	for i, s := range steps {
		if s.At < 0 || s.Freeze < 0 {
			errs = append(errs, fmt.Errorf("broker: step %d of a script: At and Freeze must not be negative", i))
		}
		for _, f := range s.Inject {
			errs = append(errs, f.validate())
		}
	}
	return errors.Join(errs...)
}

// An act is a step of a script that runs.
type act struct {
	deadline // in the scheduler, until its time has come
	gate     *gate
	step     Step

	mu       sync.Mutex // guards what follows
	stopped  bool
	injected []*Injected
	frost    *thaw // nil for none
}

func (a *act) expire(int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.stopped {
		return
	}
	for _, f := range a.step.Inject {
		a.injected = append(a.injected, a.gate.faults.add(f))
	}
	if a.step.Cut {
		a.gate.Cut()
	}
	if a.step.Freeze > 0 {
		a.frost = a.gate.freezeFor(a.step.Freeze)
	}
}

func (a *act) stop() {
	a.gate.scheduler.remove(&a.deadline)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.stopped = true
	for _, r := range a.injected {
		r.Remove()
	}
	if a.frost != nil {
		a.frost.end()
	}
}
