package engine

// barrier tells when what waits now in stages, upstream ones first, has gone through all of them; nil if
// nothing does.
//
// A record that has come through one may wait again in the next. So it is asked what waits in a stage
// only when nothing is to be waited for in those above it, and a record is counted in the next before it
// is gone from the one above.
func barrier(stages []*Stage) func() bool {
	var until uint64 // the place in stages[0] to wait for; 0 if that is not known yet
	passed := func() bool {
		for len(stages) > 0 {
			queue := &stages[0].retrying
			if until == 0 {
				until = queue.last()
			}
			if until > 0 && !queue.passed(until) {
				return false
			}
			stages, until = stages[1:], 0
		}
		return true
	}
	if passed() {
		return nil
	}
	return passed
}

// delayBelow counts what has come to the next edges below with what waits for another try.
func (s *Stage) delayBelow() {
	for _, next := range s.next {
		if next.mark != nil {
			next.mark()
		} else {
			next.delayBelow()
		}
	}
}

// milestone is a place of an edge's retryQueue that ends when so many records have crossed.
type milestone struct {
	crossed uint64
	place   uint64
}

// markAll counts what is on the edge now with what waits for another try, until it has gone down it.
func (e *edge[T]) markAll() {
	e.mu.Lock()
	defer e.mu.Unlock()
	until := e.crossed + uint64(e.records)
	if n := len(e.milestones); e.records == 0 || n > 0 && e.milestones[n-1].crossed == until {
		return
	}
	e.milestones = append(e.milestones, milestone{until, e.stage.retrying.join()})
}

// reached ends the milestones that have been reached. What comes to another edge is counted there first.
func (e *edge[T]) reached() {
	e.mu.Lock()
	n := 0
	for n < len(e.milestones) && e.milestones[n].crossed <= e.crossed {
		n++
	}
	due := e.milestones[:n:n]
	e.milestones = e.milestones[n:]
	e.mu.Unlock()
	if n == 0 {
		return
	}
	e.stage.delayBelow()
	for _, m := range due {
		e.stage.retrying.leave(m.place)
	}
}
