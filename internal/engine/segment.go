package engine

import (
	"context"
	"runtime/debug"

	"github.com/rocketflow-io/rocketflow/flow/stage"
)

// Segment is a run of stages that one goroutine at a time pushes records through.
//
// The lock is a channel and not a sync.Mutex, because it is held while a full sink blocks: in a
// testing/synctest bubble, who waits for a channel lets virtual time pass, who waits for a mutex
// does not.
type Segment struct {
	parent  *Segment // set when fused into another, by Plan; root follows it
	lock    chan struct{}
	stages  []*Stage
	flushes []func(ctx context.Context) // run at the end of each stretch of work
	ctx     context.Context             // the users' functions' context; set before the first stretch
	stop    func(err error)             // ends the run; for panics that no record is to blame for
}

func newSegment() *Segment { return &Segment{lock: make(chan struct{}, 1)} }

// root gives the segment that s was fused into.
func (s *Segment) root() *Segment {
	for s.parent != nil {
		s = s.parent
	}
	return s
}

// fuse makes one segment of two; both names then mean it.
func (s *Segment) fuse(other *Segment) {
	a, b := s.root(), other.root()
	if a == b {
		return
	}
	b.parent = a
	a.stages = append(a.stages, b.stages...)
	a.flushes = append(a.flushes, b.flushes...)
	b.stages, b.flushes = nil, nil
}

func (s *Segment) enter() { s.lock <- struct{}{} }

// leave ends a stretch of work: flushes what stages kept for its end, publishes the counters and
// opens the lock.
func (s *Segment) leave() {
	for _, flush := range s.flushes {
		flush(s.ctx)
	}
	for _, st := range s.stages {
		st.publish()
	}
	<-s.lock
}

// do runs f as a stretch of work. A panic that gets here is no stage's and no record's: it ends
// the run.
func (s *Segment) do(f func(ctx context.Context)) {
	s.enter()
	defer s.leave()
	defer func() {
		if p := recover(); p != nil {
			s.stop(&stage.PanicError{Value: p, Stack: debug.Stack()})
		}
	}()
	f(s.ctx)
}
