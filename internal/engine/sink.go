package engine

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/rocketflow-io/rocketflow/flow/stage"
)

// SinkOptions is how values are gathered for the writes of a sink. The zero value writes what is
// at hand, up to the sink's MaxBatch.
type SinkOptions struct {
	// Count and Age make batches of Count values, or of what came within Age of the first of
	// them. Count 0 means no batching; Age 0 means that only the count matters.
	Count int
	Age   time.Duration
}

// sink gathers values, writes them, and settles each by itself (rule 5).
type sink[T any] struct {
	stage  *Stage
	sink   stage.Sink[T]
	opts   SinkOptions
	traits stage.SinkTraits
	writer stage.Writer[T]
	ctx    context.Context // of writes: the run's, with the stage
	gate   gate[lane, func()]

	max     int  // values of one write
	ordered bool // the writer keeps the order of keys, so several values of one may share a write

	pend    *job[T] // being gathered; under the segment's lock
	stopAge func() bool

	draining bool // what comes is not to wait for more; under the segment's lock

	queue   *jobQueue[T] // nil if writes happen on the segment's goroutine
	taking  durableMutex // held by the writer that takes a job
	writers sync.WaitGroup
	free    sync.Pool // of *job[T]
}

var _ stage.Emitter[int] = (*sink[int])(nil)

func (s *sink[T]) base() *Stage { return s.stage }

// start opens the writer.
func (s *sink[T]) start(ctx context.Context) error {
	s.ctx = stage.WithScope(s.stage.run.userCtx, s.stage)
	err := s.stage.safely(func() (err error) {
		s.writer, err = s.sink.Open(ctx)
		return err
	})
	if err != nil {
		s.writer = nil
		return fmt.Errorf("flow: open sink %q: %w", s.stage.Name, err)
	}
	if d, ok := s.writer.(stage.SinkDescriber); ok {
		s.traits = d.SinkTraits()
	}
	concurrency := max(s.traits.Concurrency, 1)
	s.ordered = s.traits.OrderedKeys && concurrency == 1
	if disturb := s.stage.run.cfg.Probe.disturbance(s.stage.Name); disturb != nil {
		s.writer = disturbedWriter[T]{s.writer, disturb, s.ordered}
	}
	merge := s.traits.MaxBatch
	if merge < 1 {
		merge = stage.DefaultMaxBatch
	}
	s.max = merge
	if s.opts.Count > 0 {
		s.max, merge = s.opts.Count, 0
	}
	s.pend = s.newJob()
	if s.stage.immediate = s.traits.Immediate; s.stage.immediate {
		return nil
	}
	s.taking = newDurableMutex()
	s.queue = newJobQueue[T](concurrency+1, merge)
	s.stage.measured(func() EdgeStats {
		return EdgeStats{Records: s.queue.records(), MaxRecords: (concurrency + 1) * s.max}
	})
	for range concurrency {
		s.writers.Add(1)
		go s.write()
	}
	return nil
}

// Emit takes a record from the stage above. The segment's lock is held.
func (s *sink[T]) Emit(_ context.Context, r stage.Record[T]) {
	s.stage.in++
	s.begin()
	s.pend.add(r.Value, r.Duty)
	if s.pend.len() >= s.max {
		s.dispatch()
	}
}

// EmitAll takes records from the stage above. The segment's lock is held.
func (s *sink[T]) EmitAll(_ context.Context, rs []stage.Record[T]) {
	s.stage.in += int64(len(rs))
	for len(rs) > 0 {
		s.begin()
		n := min(len(rs), s.max-s.pend.len())
		s.pend.addAll(rs[:n])
		if rs = rs[n:]; s.pend.len() >= s.max {
			s.dispatch()
		}
	}
}

// bury takes a failure, as the writer of dead letters. It may be called under other locks.
func (s *sink[T]) bury(value T, d stage.Duty, again bool, then func(err error)) {
	s.stage.seg.do(func(context.Context) {
		s.stage.in++
		s.gather(entry[T]{value: value, duty: d, extra: extra{then: then, again: again}})
	})
}

// gather adds a value that is not an ordinary one.
func (s *sink[T]) gather(e entry[T]) {
	s.begin()
	s.pend.addEntry(e)
	if s.pend.len() >= s.max {
		s.dispatch()
	}
}

// begin starts the age of a batch, if it has one, with its first value.
func (s *sink[T]) begin() {
	if s.opts.Age > 0 && s.pend.len() == 0 {
		s.pend.begun = time.Now()
	}
}

// flush ends a stretch of work: without batching what is at hand goes out. With it the batch gets
// a timer, if it is to wait for more; one that ends within the stretch could not have had the lock.
func (s *sink[T]) flush(context.Context) {
	switch {
	case s.pend.len() == 0:
	case s.opts.Count == 0 || s.draining:
		s.dispatch()
	case s.opts.Age > 0 && s.stopAge == nil:
		left := s.opts.Age - time.Since(s.pend.begun)
		if left <= 0 {
			s.dispatch()
			return
		}
		s.stopAge = s.stage.run.after(left, func() { s.stage.seg.do(s.aged) })
	}
}

// aged dispatches the batch whose age it is. The timer of an earlier one may come late.
func (s *sink[T]) aged(context.Context) {
	if s.pend.len() > 0 && time.Since(s.pend.begun) >= s.opts.Age {
		s.dispatch()
	}
}

// dispatch sends the gathered values on their way.
func (s *sink[T]) dispatch() {
	if s.stopAge != nil {
		s.stopAge()
		s.stopAge = nil
	}
	j := s.pend
	s.pend = s.newJob()
	if s.queue == nil {
		s.process(s.due(j))
		s.recycle(j)
		return
	}
	s.stage.hold(j.len())
	s.queue.put(j)
}

// write takes jobs from the queue until it is closed.
func (s *sink[T]) write() {
	defer s.writers.Done()
	for {
		j, due, ok := s.next()
		if !ok {
			return
		}
		n := j.len()
		s.process(due)
		s.recycle(j)
		s.stage.hold(-n)
	}
}

// next takes a job and tells what of it is to be written. One writer at a time does: were a later
// job sifted before an earlier one, its values would take their keys first (rule 8).
func (s *sink[T]) next() (j, due *job[T], ok bool) {
	s.taking.Lock()
	defer s.taking.Unlock()
	if j, ok = s.queue.take(); ok {
		due = s.due(j)
	}
	return j, due, ok
}

// due gives what of a job may be written now.
func (s *sink[T]) due(j *job[T]) *job[T] {
	if s.stage.leased || s.stage.detour.Load() {
		return s.sift(j)
	}
	return j
}

func (s *sink[T]) recycle(j *job[T]) {
	j.reset()
	s.free.Put(j)
}

// process writes a job and sees to the outcome of each value.
func (s *sink[T]) process(j *job[T]) {
	if j.len() == 0 {
		return
	}
	if err := s.call(j); err != nil {
		s.outcome(j, err, newBudget(j.len()))
		return
	}
	s.allWritten(j)
}

// call calls the writer. A panic is an error of unknown outcome.
func (s *sink[T]) call(j *job[T]) error {
	return s.stage.safely(func() error { return s.writer.Write(s.ctx, stage.Batch[T]{Values: j.values, Info: j.info}) })
}

// outcome settles what a write told about each value.
func (s *sink[T]) outcome(j *job[T], err error, b *budget) {
	var failed *stage.BatchError
	switch {
	case err == nil:
		b.succeeded()
		s.allWritten(j)
	case errors.As(err, &failed) && names(failed, j.len()):
		broken := make(brokenKeys)
		blamed := blames(failed)
		for i := range j.duties {
			e, ok := failed.Failed[i]
			switch {
			case !ok:
				s.stage.settled.Add(1)
				s.written(j, i)
			case blamed && errors.Is(e, stage.ErrHandedBack):
				s.leftOut(j.at(i), broken)
			default:
				s.unwritten(j.at(i), e, broken)
			}
		}
	default:
		s.isolate(j, err, b)
	}
}

func (s *sink[T]) allWritten(j *job[T]) {
	s.stage.settled.Add(int64(j.len()))
	if !s.stage.keyed && len(j.extras) == 0 {
		stage.DoneAll(j.duties)
		return
	}
	for i := range j.duties {
		s.written(j, i)
	}
}

// names tells whether the error says of which values of a batch of n it speaks. One that names none,
// or others, is taken for one of unknown outcome, so that nothing is lost by its maker's mistake.
func names(e *stage.BatchError, n int) bool {
	for i, err := range e.Failed {
		if i < 0 || i >= n || err == nil {
			return false
		}
	}
	return len(e.Failed) > 0
}

func (s *sink[T]) written(j *job[T], i int) {
	x, special := j.extras[i]
	if !special {
		j.duties[i].Done()
		return
	}
	if x.again {
		j.duties[i].PutOff()
	} else {
		j.duties[i].Done()
	}
	s.freed(x.lane)
	if x.then != nil {
		x.then(nil)
	}
}

// blames tells whether one of the failures is more than that a value was left out.
func blames(e *stage.BatchError) bool {
	for _, err := range e.Failed {
		if !errors.Is(err, stage.ErrHandedBack) {
			return true
		}
	}
	return false
}

// leftOut has a value written again that the writer left out behind another's failure. It has not
// failed, so no policy is for it. Its key waits for it, even if the failure is of another: both may have one
// message group in the topic that is written.
func (s *sink[T]) leftOut(e entry[T], broken brokenKeys) {
	if k, ok := s.takes(e); ok {
		broken[k] = true
		s.unwritten(e, stage.ErrHandedBack, broken)
		return
	}
	s.stage.hold(1)
	s.letIn(e)
}

// brokenKeys are those with a failure in one write.
type brokenKeys map[lane]bool

// takes gives the key that a value takes when it is not written: none if it has one already.
func (s *sink[T]) takes(e entry[T]) (lane, bool) {
	k, ok := keyOf(e.duty)
	if !ok || !s.stage.keyed || !s.ordered || e.extra.lane != (lane{}) || e.extra.then != nil {
		return lane{}, false
	}
	return k.lane(), true
}

// unwritten hands a value's failure to the policy.
func (s *sink[T]) unwritten(e entry[T], err error, broken brokenKeys) {
	if k, ok := s.takes(e); ok {
		// The first failure of a key takes the key. What the writer left out behind it has not
		// failed: it waits for the key, and if that is free already, is to be written again.
		behind := broken[k]
		broken[k] = true
		for !s.gate.enter(k) {
			if s.gate.wait(k, s.inLane(e, k)) {
				s.stage.hold(1)
				return
			}
		}
		e.extra.lane = k
		if behind {
			s.stage.hold(1)
			s.letIn(e)
			return
		}
	}
	s.stage.failed(attempt{
		duty:  e.duty,
		value: func() any { return e.value },
		tries: e.extra.tries,
		again: func(t *tries) { s.again(e, t) },
		settled: func() {
			s.freed(e.extra.lane)
			if e.extra.then != nil {
				e.extra.then(err)
			}
		},
	}, err)
}

// again gathers a value for another write.
func (s *sink[T]) again(e entry[T], t *tries) {
	if s.stage.refuse(e.duty, t) {
		s.freed(e.extra.lane)
		if e.extra.then != nil {
			e.extra.then(t.err)
		}
		return
	}
	s.stage.retries.Add(1)
	e.extra.tries = t
	s.stage.seg.do(func(context.Context) { s.gather(e) })
}

// drain writes what was gathered, and what comes back from retries or waits for its key, until
// nothing is left.
func (s *sink[T]) drain(context.Context) error {
	s.stage.seg.do(func(context.Context) { s.draining = true })
	defer s.stage.seg.do(func(context.Context) { s.draining = false })
	for {
		// The end of each stretch of work has dispatched what there is, of this one too.
		idle := s.stage.untilIdle()
		if idle == nil {
			return nil
		}
		<-idle
	}
}

// close ends the writers and the writer.
func (s *sink[T]) close(ctx context.Context) error {
	if s.writer == nil {
		return nil
	}
	if s.queue != nil {
		s.queue.close()
		s.writers.Wait()
	}
	if err := s.stage.safely(func() error { return s.writer.Close(ctx) }); err != nil {
		return fmt.Errorf("flow: close sink %q: %w", s.stage.Name, err)
	}
	return nil
}

func (s *sink[T]) unblock() {
	if s.queue != nil {
		s.queue.unblock()
	}
}

func (s *sink[T]) newJob() *job[T] {
	if j, ok := s.free.Get().(*job[T]); ok {
		return j
	}
	return newJob[T](min(s.max, 64))
}
