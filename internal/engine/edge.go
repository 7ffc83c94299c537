package engine

import (
	"context"
	"sync"

	"github.com/rocketflow-io/rocketflow/flow/stage"
)

const (
	// DefaultEdgeRecords is how many records an edge has room for, unless its options say otherwise.
	DefaultEdgeRecords = 1024
	// parcelSize is the most records that cross an edge at once: a fraction of its room, so that one side
	// fills while the other empties.
	parcelSize = 256
)

// EdgeOptions bounds what is on an edge between two goroutines.
type EdgeOptions[T any] struct {
	// Records is how many records there is room for; 0 means DefaultEdgeRecords.
	Records int
	// Bytes is how many bytes, as Size measures a value; 0 means that only the records are bounded. A
	// value that is larger has the edge for itself.
	Bytes int
	Size  func(T) int
}

// EdgeStats is what is on an edge, or what a source has fetched, and what there is room for.
type EdgeStats struct {
	Records, MaxRecords int
	Bytes, MaxBytes     int // 0 if bytes are not bounded
}

// edge takes records from the segment above to the one below, on a goroutine of its own. They travel in
// parcels: what a stretch of work above has brought is sent on at its end, and added to the last parcel
// while that waits. So a consumer that is idle gets each record at once, and one that is busy many at a
// time.
type edge[T any] struct {
	stage *Stage
	opts  EdgeOptions[T]
	out   Outlet[T]

	gathered []stage.Record[T] // of the stretch of work above; under its segment's lock

	filled, spare chan struct{} // signals for who waits for parcels, and for room

	mu      sync.Mutex // guards what follows
	head    *parcel[T] // the first of the queue; nil if it is empty
	tail    *parcel[T]
	free    *parcel[T]
	records int // queued, and on their way into the segment below
	bytes   int
	starved bool // the carrier waits
	blocked bool // the segment above waits
	closed  bool // the run has ended

	crossed    uint64 // records that have gone down it
	milestones []milestone
}

// parcel is records that cross together.
type parcel[T any] struct {
	records []stage.Record[T]
	bytes   int
	next    *parcel[T]
}

var (
	_ stage.Emitter[int] = (*edge[int])(nil)
	_ part               = (*edge[int])(nil)
)

// AddEdge adds an edge that leads to out.
func AddEdge[T any](p *Plan, spec StageSpec, opts EdgeOptions[T], out Outlet[T]) Outlet[T] {
	if opts.Records == 0 {
		opts.Records = DefaultEdgeRecords
	}
	seg := p.newSegment()
	e := &edge[T]{
		stage: p.newStage(spec, KindOperator, seg), opts: opts, out: out,
		filled: make(chan struct{}, 1), spare: make(chan struct{}, 1),
	}
	e.stage.Desc, e.stage.next = stage.Description{Name: "async", Async: true}, out.stages
	e.stage.edgeStats, e.stage.mark = e.measure, e.markAll
	p.add(e)
	seg.flushes = append(seg.flushes, e.flush)
	return Outlet[T]{next: traced(p, e.stage, e), seg: seg, stages: []*Stage{e.stage}}
}

func (e *edge[T]) base() *Stage { return e.stage }

func (e *edge[T]) start(context.Context) error {
	e.stage.run.goes.Add(1)
	go e.carry()
	return nil
}

// Emit takes a record from the stage above. The segment's lock is held.
func (e *edge[T]) Emit(ctx context.Context, r stage.Record[T]) {
	e.stage.in++
	e.gathered = append(e.gathered, r)
	if len(e.gathered) >= parcelSize {
		e.flush(ctx)
	}
}

// EmitAll takes records from the stage above. The segment's lock is held.
func (e *edge[T]) EmitAll(ctx context.Context, rs []stage.Record[T]) {
	e.stage.in += int64(len(rs))
	e.flush(ctx)
	e.put(rs)
}

// flush sends on what was gathered, at the end of a stretch of work.
func (e *edge[T]) flush(context.Context) {
	if len(e.gathered) == 0 {
		return
	}
	e.put(e.gathered)
	clear(e.gathered)
	e.gathered = e.gathered[:0]
}

// put queues records, in parts if need be, and waits for room: that is the backpressure. What there is no
// way for any more is handed back.
func (e *edge[T]) put(rs []stage.Record[T]) {
	e.stage.hold(len(rs))
	for len(rs) > 0 {
		n, ok := e.enqueue(rs)
		if !ok {
			e.turnBack(rs)
			return
		}
		rs = rs[n:]
	}
}

// enqueue queues as many of the records as there is room for, or waits until there is some. It reports
// false when the run has ended.
func (e *edge[T]) enqueue(rs []stage.Record[T]) (n int, ok bool) {
	e.mu.Lock()
	if e.closed {
		e.mu.Unlock()
		return 0, false
	}
	n, bytes := e.fitting(rs)
	if n == 0 {
		e.blocked = true
		e.mu.Unlock()
		select {
		case <-e.spare:
			return 0, true
		case <-e.stage.run.userCtx.Done():
			return 0, false
		}
	}
	p := e.tailFor(n)
	p.records = append(p.records, rs[:n]...)
	p.bytes += bytes
	e.records += n
	e.bytes += bytes
	wake := e.starved
	e.starved = false
	e.mu.Unlock()
	if wake {
		signal(e.filled)
	}
	return n, true
}

// fitting tells how many of the records there is room for, and their bytes. An edge with nothing on it
// has room for one.
func (e *edge[T]) fitting(rs []stage.Record[T]) (n, bytes int) {
	n = min(len(rs), parcelSize, max(e.opts.Records-e.records, 0))
	if e.opts.Size == nil {
		return n, 0
	}
	for i := range n {
		size := e.sizeOf(rs[i].Value)
		if e.opts.Bytes > 0 && e.bytes+bytes+size > e.opts.Bytes && e.records+i > 0 {
			return i, bytes
		}
		bytes += size
	}
	return n, bytes
}

// sizeOf measures a value. One that cannot be measured weighs nothing: the records bound it still.
func (e *edge[T]) sizeOf(v T) (size int) {
	err := e.stage.safely(func() error {
		size = max(e.opts.Size(v), 0)
		return nil
	})
	if err != nil {
		e.stage.errors.Add(1)
		e.stage.log.Error("the size of a value is unknown", "error", err)
	}
	return size
}

// tailFor gives the parcel that the next n records go into.
func (e *edge[T]) tailFor(n int) *parcel[T] {
	if e.head != nil && len(e.tail.records)+n <= parcelSize {
		return e.tail
	}
	p := e.free
	if p == nil {
		p = &parcel[T]{}
	} else {
		e.free, p.next = p.next, nil
	}
	if e.head == nil {
		e.head = p
	} else {
		e.tail.next = p
	}
	e.tail = p
	return p
}

// carry is the goroutine below the edge: it pushes parcel after parcel down.
func (e *edge[T]) carry() {
	defer e.stage.run.goes.Done()
	seg := e.out.seg.root()
	for {
		p, ok := e.take()
		if !ok {
			return
		}
		seg.doOften(func(ctx context.Context) { e.out.next.EmitAll(ctx, p.records) })
		e.stage.hold(-len(p.records))
		if e.arrived(p) {
			e.reached()
		}
	}
}

// take waits for a parcel. It reports false when the run has ended.
func (e *edge[T]) take() (*parcel[T], bool) {
	for {
		e.mu.Lock()
		if p := e.head; p != nil {
			e.head, p.next = p.next, nil
			e.mu.Unlock()
			return p, true
		}
		e.starved = true
		e.mu.Unlock()
		select {
		case <-e.filled:
		case <-e.stage.run.userCtx.Done():
			e.shut()
			return nil, false
		}
	}
}

// arrived makes room, and tells whether a milestone may be reached.
func (e *edge[T]) arrived(p *parcel[T]) bool {
	n, bytes := len(p.records), p.bytes
	clear(p.records)
	p.records, p.bytes = p.records[:0], 0
	e.mu.Lock()
	e.records -= n
	e.bytes -= bytes
	e.crossed += uint64(n)
	marked := len(e.milestones) > 0
	p.next, e.free = e.free, p
	wake := e.blocked
	e.blocked = false
	e.mu.Unlock()
	if wake {
		signal(e.spare)
	}
	return marked
}

// shut lets nothing onto the edge any more, and hands back what came at the last moment.
func (e *edge[T]) shut() {
	e.mu.Lock()
	e.closed = true
	p := e.head
	e.head = nil
	e.mu.Unlock()
	for ; p != nil; p = p.next {
		e.turnBack(p.records)
	}
}

// turnBack hands back records that the run ended for.
func (e *edge[T]) turnBack(rs []stage.Record[T]) {
	for _, r := range rs {
		e.stage.handBack(r.Duty)
	}
	e.stage.hold(-len(rs))
}

// drain waits until what is on the edge has gone down it.
func (e *edge[T]) drain(context.Context) error {
	if idle := e.stage.untilIdle(); idle != nil {
		<-idle
	}
	return nil
}

func (e *edge[T]) close(context.Context) error { return nil }

// measure tells what is on the edge.
func (e *edge[T]) measure() EdgeStats {
	e.mu.Lock()
	defer e.mu.Unlock()
	return EdgeStats{Records: e.records, MaxRecords: e.opts.Records, Bytes: e.bytes, MaxBytes: e.opts.Bytes}
}
