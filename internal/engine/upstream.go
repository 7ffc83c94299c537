package engine

import (
	"slices"
	"sync"

	"github.com/rocketflow-io/rocketflow/flow/stage"
)

// learn prepares what an operator is told of the stages above it, for one way down from a source.
func (s *Stage) learn(traits stage.SourceTraits, path []*Stage) {
	u, source := &s.upstream, path[0].Name
	if traits.Partitioned || s.learned && u.Partition != source {
		source = ""
	}
	u.Partition, s.learned = source, true
	if traits.Redelivers {
		u.Redelivers = true
		u.Redelivery = max(u.Redelivery, traits.Redelivery)
	}
	switch left := leftFor(traits, path); {
	case s.holdsFor > 0:
		u.HoldFor = s.holdsFor
	case s.Desc.HoldsLeft && left > 0 && (u.HoldFor == 0 || left < u.HoldFor):
		u.HoldFor = left
	}
}

// above gives the stages that records may pass on their way to one, upstream ones first.
func (r *Run) above(st *Stage) []*Stage {
	found := make(map[*Stage]bool)
	for _, s := range r.sources {
		s.base().paths(nil, func(path []*Stage) {
			for _, up := range path[:max(0, slices.Index(path, st))] {
				found[up] = true
			}
		})
	}
	var all []*Stage
	for i := len(r.parts) - 1; i >= 0; i-- { // what is below was added first
		if up := r.parts[i].base(); found[up] {
			all = append(all, up)
		}
	}
	return all
}

// inputEnded tells whether nothing more can come to a stage, and what has come is all there is: each
// way down to it begins at a source without more, or passes a stage that ended the run.
func (r *Run) inputEnded(st *Stage) bool {
	r.mu.Lock()
	enders, stopped := slices.Clone(r.enders), r.stopErr != nil
	r.mu.Unlock()
	if stopped || r.hard.Load() {
		return false
	}
	ended := true
	for _, s := range r.sources {
		s.base().paths(nil, func(path []*Stage) {
			at := slices.Index(path, st)
			by := func(up *Stage) bool { return slices.Contains(enders, up) }
			if at >= 0 && !s.atEnd() && !slices.ContainsFunc(path[:at], by) {
				ended = false
			}
		})
	}
	return ended
}

// endedBelow tells whether a stage below another has ended the run.
func (r *Run) endedBelow(st *Stage) bool {
	r.mu.Lock()
	enders := slices.Clone(r.enders)
	r.mu.Unlock()
	below := false
	for _, s := range r.sources {
		s.base().paths(nil, func(path []*Stage) {
			if at := slices.Index(path, st); at >= 0 {
				below = below || slices.ContainsFunc(path[at+1:], func(down *Stage) bool { return slices.Contains(enders, down) })
			}
		})
	}
	return below
}

// retryQueue is the records that wait in a stage for another try, or behind one that does, in the order
// in which they began to. One that fails again keeps its place. On an edge it is what records have come
// to that had waited in a stage above.
type retryQueue struct {
	mu    sync.Mutex
	gone  []bool // of the records from first on: those that wait no more
	first uint64
}

// join gives the place of a record that begins to wait, from 1.
func (q *retryQueue) join() uint64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.gone = append(q.gone, false)
	return q.first + uint64(len(q.gone))
}

// leave ends the wait of the record at a place.
func (q *retryQueue) leave(place uint64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.gone[place-q.first-1] = true
	for len(q.gone) > 0 && q.gone[0] {
		q.gone = q.gone[1:]
		q.first++
	}
}

// last gives the place of the record that began to wait last; 0 if none waits.
func (q *retryQueue) last() uint64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.gone) == 0 {
		return 0
	}
	return q.first + uint64(len(q.gone))
}

// passed tells whether nothing waits any more up to a place.
func (q *retryQueue) passed(place uint64) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.first >= place
}
