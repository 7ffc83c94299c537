package engine

// Snapshot is the counters of a run at one time, upstream stages first.
type Snapshot struct {
	Name   string
	Stages []StageStats
}

// Stage gives the counters of a stage by its name, and whether there is one.
func (s Snapshot) Stage(name string) (StageStats, bool) {
	for _, st := range s.Stages {
		if st.Name == name {
			return st, true
		}
	}
	return StageStats{}, false
}

// StageStats is the counters of one stage since the run began.
type StageStats struct {
	Name string
	Kind Kind
	// In is how many records came in: read by a source, taken by an operator or a sink.
	In int64
	// Errors is how many tries failed, panics among them; Retries how many were tried again.
	Errors, Panics, Retries int64
	// What became of records that failed for good: handed back, dead-lettered, skipped, or sent to a retry
	// topic, from where they come again later.
	Nacked, DeadLettered, Skipped, RetriedLater int64
	// HandedBack is how many were handed back unprocessed, LeaseExpired how many of those for
	// want of time.
	HandedBack, LeaseExpired int64
	// Waiting is how many records wait in the stage: for a retry, their key, a write, or an
	// asynchronous function.
	Waiting int
	// Written is how many values a sink has written.
	Written int64
	// Counters are those that an operator counts by itself.
	Counters map[string]int64
	// Gauges are what an operator tells of itself at the time of the snapshot.
	Gauges map[string]int64
	// Source is set for sources, and Edge for edges between goroutines: those of Async, of optional branches,
	// and those to the writers of a sink, which is bounded in records.
	Source *SourceStats
	Edge   *EdgeStats
}

// SourceStats is how the records of a source have ended.
type SourceStats struct {
	// InFlight is how many records have no outcome that was given back to the source: all that came of
	// them is in the pipeline. While they are MaxInFlight or more, nothing is read.
	InFlight, MaxInFlight int
	// Bytes is what they weigh, and MaxBytes the bound on that: both 0 if the source does not know. The
	// bound gives way to what stages hold until they have enough, such as a batch.
	Bytes, MaxBytes int
	// Ahead is what the source has fetched and was not read; nil if it does not tell.
	Ahead *EdgeStats
	// Done, Failed and HandedBack are the outcomes that were given back; of those done, the ones that
	// the source took.
	Done, Failed, HandedBack int
	// Lost is how many outcomes the source failed to take; their records may come again.
	Lost int
}

// Snapshot gives the counters as of the last stretch of work of each stage; the first time, and
// where one is under way, as of one of the last few.
func (r *Run) Snapshot() Snapshot {
	s := Snapshot{Name: r.cfg.Name}
	for _, seg := range r.segments {
		seg.watch()
	}
	for i := len(r.parts) - 1; i >= 0; i-- {
		s.Stages = append(s.Stages, r.parts[i].base().stats())
	}
	for _, src := range r.sources {
		stats := src.sourceStats()
		for i := range s.Stages {
			if s.Stages[i].Name == src.base().Name {
				s.Stages[i].Source = &stats
			}
		}
	}
	return s
}

func (s *Stage) stats() StageStats {
	st := StageStats{
		Name: s.Name, Kind: s.Kind, In: s.inSeen.Load(),
		Errors: s.errors.Load(), Panics: s.panics.Load(), Retries: s.retries.Load(),
		Nacked: s.nacked.Load(), DeadLettered: s.dead.Load(), Skipped: s.skipped.Load(), RetriedLater: s.later.Load(),
		HandedBack: s.back.Load(), LeaseExpired: s.expired.Load(), Written: s.settled.Load(),
	}
	s.mu.Lock()
	st.Waiting = s.waiting
	edgeStats := s.edgeStats
	s.mu.Unlock()
	st.Counters = s.counters.copy()
	st.Gauges = s.gauges.read()
	if edgeStats != nil {
		edge := edgeStats()
		st.Edge = &edge
	}
	return st
}

func (s *settler) stats() SourceStats {
	s.mu.Lock()
	defer s.mu.Unlock()
	return SourceStats{
		InFlight: s.inflight, Done: s.report.done, Failed: s.report.failed,
		HandedBack: s.report.handedBack, Lost: s.report.lost,
		Bytes: s.bytes,
	}
}
