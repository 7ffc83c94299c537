package flow

import "github.com/rocketflow-io/rocketflow/internal/engine"

// Snapshot is what a run has counted so far, stage by stage.
type Snapshot = engine.Snapshot

// StageStats is what one stage has counted so far.
type StageStats = engine.StageStats

// SourceStats is how the records of a source have ended so far.
type SourceStats = engine.SourceStats

// EdgeStats is what is on an edge between goroutines, and what there is room for.
type EdgeStats = engine.EdgeStats

// PolicyError tells that a stage whose policy is Stop ended the run.
type PolicyError = engine.PolicyError

// FailedError tells that records of a source that cannot redeliver failed for good.
type FailedError = engine.FailedError

// DrainError tells that a drain was cut short, and how many records were handed back.
type DrainError = engine.DrainError

// DroppedError tells that an operator lost records, against the contract of package stage.
type DroppedError = engine.DroppedError

// RouteError tells that the function of a [Stream.Split] gave a branch that there is not.
type RouteError = engine.RouteError

// Snapshot gives the counters of the current run, or of the last one: the zero Snapshot if there
// was none. It may be called at any time, from any goroutine.
func (p *Pipeline) Snapshot() Snapshot {
	p.mu.Lock()
	run := p.run
	p.mu.Unlock()
	if run == nil {
		return Snapshot{}
	}
	return run.Snapshot()
}
