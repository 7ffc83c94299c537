package engine

import (
	"context"
	"errors"
	"sync"

	"github.com/rocketflow-io/rocketflow/flow/stage"
)

// AddOptional adds the begin of a branch that does not answer for its records: they are done, as far
// as their source is told, when they enter it. At most so many are in the branch at once, and the others
// pass it by, so that it never holds up who feeds it. What fails there, or is handed back, is counted.
func AddOptional[T any](p *Plan, spec StageSpec, most int, out Outlet[T]) Outlet[T] {
	op := &freeing[T]{most: most}
	in := AddOperator(p, spec, op, out)
	op.at = in.stages[0]
	op.at.frees = most
	return in
}

// Names of the counters of an optional branch.
const (
	countPassedBy   = "passed_by"   // did not enter, since the branch was full
	countFailed     = "failed"      // failed for good in the branch
	countHandedBack = "handed_back" // did not come to their end
	countDropped    = "dropped"     // were lost by an operator in the branch, against its contract
)

// freeing is the operator at the begin of an optional branch. It is an edge: the branch has a goroutine
// of its own.
type freeing[T any] struct {
	most int
	at   *Stage
}

var _ stage.Operator[int, int] = (*freeing[int])(nil)

func (o *freeing[T]) Describe() stage.Description {
	return stage.Description{Name: "optional", Async: true}
}

func (o *freeing[T]) Start(rt stage.Runtime, next stage.Emitter[T]) (stage.Processor[T], error) {
	e := &entrance[T]{branch: &branch{rt: rt}, most: o.most, next: next, wake: make(chan struct{}, 1)}
	o.at.measured(func() EdgeStats { return EdgeStats{Records: e.left(), MaxRecords: o.most} })
	stage.Disturbance(rt) // there is nothing here that could fail: it is the stages behind that a test disturbs
	rt.Go(e.work)
	return e, nil
}

// branch counts the records of an optional branch.
type branch struct {
	rt stage.Runtime

	mu   sync.Mutex
	open int // not settled
}

// enter lets a record in, if fewer than most are.
func (b *branch) enter(most int) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.open >= most {
		return false
	}
	b.open++
	return true
}

func (b *branch) left() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.open
}

func (b *branch) settled(err error) {
	b.mu.Lock()
	b.open--
	b.mu.Unlock()
	switch {
	case err == nil, errors.Is(err, stage.ErrPutOff):
	case errors.Is(err, stage.ErrHandedBack):
		b.rt.Count(countHandedBack, 1)
	default:
		b.rt.Count(countFailed, 1)
	}
}

// freed is the duty of a record in an optional branch. It outlives what its source knows of the record,
// and so keeps that.
type freed struct {
	slab   stage.Slab
	branch *branch
	info   stage.Info
	origin any
}

var _ stage.SlabOwner = (*freed)(nil)

func (f *freed) Settled(s *stage.Slab, all bool) {
	if all {
		err, _ := s.Outcome(0)
		f.branch.settled(err)
	}
}

func (f *freed) Info(int) stage.Info { return f.info }
func (f *freed) Origin(int) any      { return f.origin }

// entrance takes records over into the branch.
type entrance[T any] struct {
	*branch
	most int
	next stage.Emitter[T]
	wake chan struct{}

	queueMu sync.Mutex
	queue   []stage.Record[T]
	spare   []stage.Record[T]
	busy    bool
	idle    chan struct{} // closed when nothing is on its way into the branch; nil if no one waits
}

func (e *entrance[T]) Process(ctx context.Context, r stage.Record[T]) error {
	if e.enter(e.most) {
		f := &freed{branch: e.branch, info: r.Info(), origin: r.Origin()}
		f.slab.Open(1, f, stage.SlabOptions{})
		e.queueMu.Lock()
		e.queue = append(e.queue, stage.Record[T]{Value: r.Value, Duty: f.slab.Duty(0)})
		e.queueMu.Unlock()
		f.slab.Release()
		signal(e.wake)
		if ctx.Err() != nil {
			e.turnBack() // the goroutine may have ended before it saw the record
		}
	} else {
		e.rt.Count(countPassedBy, 1)
	}
	r.Done()
	stage.Complete(ctx, e.rt, r, nil)
	return nil
}

// work sends on what has come. When ctx ends, the rest is handed back.
func (e *entrance[T]) work(ctx context.Context) {
	for {
		select {
		case <-e.wake:
			if rs := e.take(); len(rs) > 0 {
				e.rt.Do(func(ctx context.Context) { e.next.EmitAll(ctx, rs) })
				e.sent(rs)
			}
		case <-ctx.Done():
			e.turnBack()
			return
		}
	}
}

func (e *entrance[T]) take() []stage.Record[T] {
	e.queueMu.Lock()
	defer e.queueMu.Unlock()
	rs := e.queue
	e.queue, e.spare, e.busy = e.spare, nil, len(rs) > 0
	return rs
}

// sent ends the way of records into the branch.
func (e *entrance[T]) sent(rs []stage.Record[T]) {
	clear(rs)
	e.queueMu.Lock()
	defer e.queueMu.Unlock()
	e.spare, e.busy = rs[:0], false
	if e.idle != nil && len(e.queue) == 0 {
		close(e.idle)
		e.idle = nil
	}
}

func (e *entrance[T]) turnBack() {
	rs := e.take()
	for _, r := range rs {
		r.Fail(stage.ErrHandedBack)
	}
	e.sent(rs)
}

// Drain waits until all that has come is in the branch, whose stages are drained next.
func (e *entrance[T]) Drain(ctx context.Context) error {
	e.queueMu.Lock()
	if len(e.queue) == 0 && !e.busy {
		e.queueMu.Unlock()
		return nil
	}
	if e.idle == nil {
		e.idle = make(chan struct{})
	}
	idle := e.idle
	e.queueMu.Unlock()
	select {
	case <-idle:
	case <-ctx.Done():
	}
	return nil
}

// end counts what is not settled although no stage has it any more.
func (e *entrance[T]) end() {
	if n := e.left(); n > 0 {
		e.rt.Count(countDropped, int64(n))
		e.rt.Logger().Warn("records of an optional branch were dropped by an operator", "records", n)
	}
}
