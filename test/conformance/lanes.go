package conformance

// lanes bounds how many rows run at a time, and lets one run alone.
type lanes struct {
	taken chan struct{} // of capacity parallel: one for each row that runs
	alone chan struct{} // of capacity 1: the row that runs alone, or waits for the others to end
}

func newLanes() *lanes {
	return &lanes{taken: make(chan struct{}, parallel), alone: make(chan struct{}, 1)}
}

// enter waits for a lane and takes it.
func (l *lanes) enter() { l.taken <- struct{}{} }

// leave gives a lane back.
func (l *lanes) leave() { <-l.taken }

// clear lets a row that has a lane have all of them, when the rows in the others have ended.
func (l *lanes) clear() {
	l.leave() // two rows that each kept one would wait for each other
	l.alone <- struct{}{}
	for range parallel {
		l.enter()
	}
}

// restore gives back all lanes.
func (l *lanes) restore() {
	for range parallel {
		l.leave()
	}
	<-l.alone
}
