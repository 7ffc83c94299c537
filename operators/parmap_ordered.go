package operators

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rocketflow-io/rocketflow/flow/stage"
)

// orderedMapper runs the function on its goroutines, and emits in order. Records stand in a ring:
// Process, of which one call runs at a time, puts them in at tail, each goroutine takes the next one
// that none has taken, and one goroutine at a time emits those that are done from head on.
//
// A hand-over by channels or under a lock costs a record several times what a cheap function does, so
// all this goes by counters; who finds nothing to do waits for a condition.
type orderedMapper[I, O any] struct {
	worker[I, O]
	rt   stage.Runtime
	next stage.Emitter[O]

	jobs  []orderedJob[I, O] // a power of two of them, so that counters may run over
	n     int
	limit atomic.Int64 // of the records between head and tail

	tail  atomic.Uint64 // written by Process
	taken atomic.Uint64
	head  atomic.Uint64 // written by who emits

	emitting atomic.Bool
	out      []stage.Record[O] // who emits has it

	mu      sync.Mutex
	work    sync.Cond    // there is something to take
	room    sync.Cond    // something was emitted
	resting atomic.Int32 // goroutines that wait for work
	waiting atomic.Int32 // calls that wait for room
	ended   atomic.Bool  // nothing is taken in any more
}

// orderedJob is one record on its way through the function.
type orderedJob[I, O any] struct {
	record stage.Record[I]
	out    O
	err    error
	done   atomic.Bool
}

const (
	// wideFactor is windowFactor for a function that takes less than quick: then a goroutine that is
	// not scheduled for a moment counts for many records.
	wideFactor = 64
	quick      = 100 * time.Microsecond
	// trusted is after how many quick calls the next is taken to be one.
	trusted = 64
	// emitAfter is after how many quick calls a goroutine that has more to do emits what is due.
	emitAfter = 32
	// stretch bounds what is emitted in one stretch of work.
	stretch = 256
)

func startOrdered[I, O any](n int, rt stage.Runtime, next stage.Emitter[O], work worker[I, O]) stage.Processor[I] {
	size := 1
	for size < wideFactor*n {
		size *= 2
	}
	m := &orderedMapper[I, O]{worker: work, rt: rt, next: next, n: n, jobs: make([]orderedJob[I, O], size)}
	m.work.L, m.room.L = &m.mu, &m.mu
	m.limit.Store(int64(windowFactor * n))
	stage.Gauge(rt, roomGauge, m.limit.Load)
	for range n {
		rt.Go(m.run)
	}
	rt.Go(func(ctx context.Context) {
		<-ctx.Done()
		m.end()
	})
	return m
}

func (m *orderedMapper[I, O]) at(i uint64) *orderedJob[I, O] { return &m.jobs[i&uint64(len(m.jobs)-1)] }

// Process waits for room; that is the backpressure. When the run ends meanwhile, the record is handed
// back.
func (m *orderedMapper[I, O]) Process(_ context.Context, r stage.Record[I]) error {
	if m.held() >= m.limit.Load() {
		m.awaitRoom(func() bool { return m.held() <= m.limit.Load()*3/4 || m.ended.Load() })
	}
	if m.ended.Load() {
		return stage.ErrHandedBack
	}
	tail := m.tail.Load()
	m.at(tail).record = r
	m.tail.Store(tail + 1)
	if m.resting.Load() > 0 {
		m.mu.Lock()
		m.work.Signal()
		m.mu.Unlock()
	}
	if m.ended.Load() {
		m.sweep() // the goroutines may have ended before they saw it
	}
	return nil
}

// held is how many records were taken in and not emitted.
func (m *orderedMapper[I, O]) held() int64 { return int64(m.tail.Load() - m.head.Load()) }

// awaitRoom waits until something holds that only the emission of records can bring about.
func (m *orderedMapper[I, O]) awaitRoom(holds func() bool) {
	m.waiting.Add(1)
	defer m.waiting.Add(-1)
	m.mu.Lock()
	defer m.mu.Unlock()
	for !holds() {
		m.room.Wait()
	}
}

// run is one of the goroutines. When ctx ends, what has begun is finished, and what has not is handed
// back.
func (m *orderedMapper[I, O]) run(ctx context.Context) {
	p, start, now := pacer{}, time.Now(), time.Duration(0) // a time since is had for half of time.Now
	for {
		i, ok := m.take()
		if !ok {
			m.emitDue()
			if !m.rest() {
				return
			}
			now = time.Since(start)
			continue
		}
		j, begun := m.at(i), now
		j.out, j.err = m.call(ctx, j.record)
		j.done.Store(true)
		now = time.Since(start)
		if m.widen(p.called(now - begun)); p.due() {
			m.emitDue()
			m.giveWay()
			now = time.Since(start)
		}
	}
}

// giveWay lets Process go on that waits for room and has some. Where each processor has a goroutine that
// calls the function, it would else have to wait until one finds nothing to do, and the others soon after.
func (m *orderedMapper[I, O]) giveWay() {
	if m.waiting.Load() > 0 && m.held() <= m.limit.Load()*3/4 {
		runtime.Gosched()
	}
}

// pacer is how a goroutine sees the function.
type pacer struct {
	quick     int // calls that were, one after another
	unemitted int // calls since what was due was emitted
}

// called notes a call, and tells whether the function is quick.
func (p *pacer) called(took time.Duration) bool {
	p.unemitted++
	p.quick++
	if took > quick {
		p.quick = 0
	}
	return p.quick > trusted
}

// due tells whether to emit, also if there is more to do: at once, unless the next call will be quick.
func (p *pacer) due() bool {
	if p.quick > trusted && p.unemitted < emitAfter {
		return false
	}
	p.unemitted = 0
	return true
}

// widen sets how far the goroutines may be ahead.
func (m *orderedMapper[I, O]) widen(wide bool) {
	factor := windowFactor
	if wide {
		factor = wideFactor
	}
	if limit := int64(factor * m.n); m.limit.Load() != limit {
		m.limit.Store(limit)
	}
}

// take gives the next record that none has taken.
func (m *orderedMapper[I, O]) take() (i uint64, ok bool) {
	for {
		i = m.taken.Load()
		if i == m.tail.Load() {
			return 0, false
		}
		if m.taken.CompareAndSwap(i, i+1) {
			return i, true
		}
	}
}

// rest waits for work; false if none will come. Process stores tail before it looks at resting, and
// here it is the other way round: so one of the two sees the other.
func (m *orderedMapper[I, O]) rest() bool {
	m.resting.Add(1)
	defer m.resting.Add(-1)
	m.mu.Lock()
	defer m.mu.Unlock()
	for m.taken.Load() == m.tail.Load() {
		if m.ended.Load() {
			return false
		}
		m.work.Wait()
	}
	return true
}

// emitDue emits what is done from head on, unless another does. Who gives that up looks once more: a
// record that is done then is either seen, or whose it is finds that no one emits.
func (m *orderedMapper[I, O]) emitDue() {
	for m.headDone() && m.emitting.CompareAndSwap(false, true) {
		m.rt.Do(m.emit)
		m.emitting.Store(false)
	}
}

func (m *orderedMapper[I, O]) headDone() bool {
	head := m.head.Load()
	return head != m.tail.Load() && m.at(head).done.Load()
}

func (m *orderedMapper[I, O]) emit(ctx context.Context) {
	for n := 0; n < stretch; {
		k := m.emitSome(ctx)
		if k == 0 {
			return
		}
		n += k
	}
}

// emitSome emits a number of records that are done, and tells how many.
func (m *orderedMapper[I, O]) emitSome(ctx context.Context) int {
	head, tail, out := m.head.Load(), m.tail.Load(), m.out[:0]
	end := head
	for ; end != tail && end-head < emitAfter && m.at(end).done.Load(); end++ {
		if j := m.at(end); j.err == nil {
			out = append(out, j.record.With(j.out))
		}
	}
	if end == head {
		return 0
	}
	defer m.complete(ctx, head, end) // whatever happens below
	if len(out) > 0 {
		m.next.EmitAll(ctx, out)
	}
	clear(out)
	m.out = out
	return int(end - head)
}

// complete takes records that were emitted, or have failed, out of the ring.
func (m *orderedMapper[I, O]) complete(ctx context.Context, head, end uint64) {
	var zero O
	for ; head != end; head++ {
		j := m.at(head)
		r, err := j.record, j.err
		j.record, j.out, j.err = stage.Record[I]{}, zero, nil
		j.done.Store(false)
		m.head.Store(head + 1)
		stage.Complete(ctx, m.rt, r, err)
	}
	if m.waiting.Load() > 0 {
		m.mu.Lock()
		m.room.Broadcast()
		m.mu.Unlock()
	}
}

// end lets everything that waits go on, to end.
func (m *orderedMapper[I, O]) end() {
	m.ended.Store(true)
	m.mu.Lock()
	m.work.Broadcast()
	m.room.Broadcast()
	m.mu.Unlock()
}

// sweep hands back what no goroutine has taken.
func (m *orderedMapper[I, O]) sweep() {
	for i, ok := m.take(); ok; i, ok = m.take() {
		j := m.at(i)
		j.err = stage.ErrHandedBack
		j.done.Store(true)
	}
	m.emitDue()
}

// Drain waits until nothing is held.
func (m *orderedMapper[I, O]) Drain(context.Context) error {
	if m.ended.Load() {
		m.sweep()
	}
	m.awaitRoom(func() bool { return m.held() == 0 })
	return nil
}
