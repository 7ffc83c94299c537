package engine

import (
	"context"
	"runtime/debug"
	"sync/atomic"

	"github.com/rocketflow-io/rocketflow/flow/stage"
)

// Segment is a run of stages that one goroutine at a time pushes records through.
type Segment struct {
	parent  *Segment // set when fused into another, by Plan; root follows it
	lock    durableMutex
	stages  []*Stage
	flushes []func(ctx context.Context) // run at the end of each stretch of work
	ctx     context.Context             // the users' functions' context; set before the first stretch
	stop    func(err error)             // ends the run; for panics that no record is to blame for
	reads   int                         // under the lock
	watched atomic.Bool
}

// durableMutex is a lock that may be held for long, such as while a full sink blocks. In a
// testing/synctest bubble, who waits for a channel lets virtual time pass and who waits for a
// sync.Mutex does not; so here one waits for a channel.
type durableMutex struct {
	wanted *atomic.Int32 // who holds the lock and who waits for it
	passed chan struct{} // the lock, on its way from one to the next
}

func newDurableMutex() durableMutex {
	return durableMutex{wanted: new(atomic.Int32), passed: make(chan struct{})}
}

func (m durableMutex) Lock() {
	if m.wanted.Add(1) > 1 {
		<-m.passed
	}
}

func (m durableMutex) TryLock() bool { return m.wanted.CompareAndSwap(0, 1) }

func (m durableMutex) Unlock() {
	if m.wanted.Add(-1) > 0 {
		m.passed <- struct{}{}
	}
}

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

func (s *Segment) enter() { s.lock.Lock() }

// leave ends a stretch of work: flushes what stages kept for its end, publishes the counters and
// opens the lock.
func (s *Segment) leave() {
	s.flush()
	s.lock.Unlock()
}

// leaveRead is leave for reads, which come in great numbers: where no one watches the counters,
// they are published with one of eight.
func (s *Segment) leaveRead() {
	s.sendOn()
	if s.reads++; s.reads%8 == 0 || s.watched.Load() {
		s.publish()
	}
	s.lock.Unlock()
}

// flush sends on what stages kept for the end of the stretch of work. A stage that takes its time
// calls it in between, so that what it has emitted does not wait for what it has yet to do.
func (s *Segment) flush() {
	s.sendOn()
	s.publish()
}

func (s *Segment) sendOn() {
	for _, flush := range s.flushes {
		flush(s.ctx)
	}
}

// publish makes the counters of the stages readable without the lock.
func (s *Segment) publish() {
	for _, st := range s.stages {
		st.publish()
	}
}

// watch has the counters published with every stretch of work from now on, and at once if none is
// under way.
func (s *Segment) watch() {
	s.watched.Store(true)
	if s.lock.TryLock() {
		s.publish()
		s.lock.Unlock()
	}
}

// do runs f as a stretch of work. A panic that gets here is no stage's and no record's: it ends
// the run.
func (s *Segment) do(f func(ctx context.Context)) {
	s.enter()
	defer s.leave()
	s.safely(f)
}

// doOften is do for work that comes in great numbers, as reads do.
func (s *Segment) doOften(f func(ctx context.Context)) {
	s.enter()
	defer s.leaveRead()
	s.safely(f)
}

func (s *Segment) safely(f func(ctx context.Context)) {
	defer func() {
		if p := recover(); p != nil {
			s.stop(&stage.PanicError{Value: p, Stack: debug.Stack()})
		}
	}()
	f(s.ctx)
}
