package operators

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync"

	"github.com/rocketflow-io/rocketflow/flow/stage"
)

// ParMap turns each value into another on n goroutines, and emits the results in the order of
// the values.
//
//	in   --a-b-c-----------|
//	         f(a) is slow
//	out  ------------A-B-C-|
//
// What it promises:
//   - Emits: one value for each that did not fail.
//   - Order: kept, but a record that waits for a retry is overtaken, unless it has a key (rule 8).
//   - Holds: at most 4n records, while f works on them or on earlier ones.
//   - Settles: moves the duty to the result (rule 2).
//   - Drain: waits for f to return.
//   - Fails: when f does, by itself; others go on (rule 9). Fails to build if n < 1.
func ParMap[I, O any](n int, f func(context.Context, I) (O, error)) stage.Operator[I, O] {
	return parMapping[I, O]{n: n, f: f, ordered: true}
}

// ParMapUnordered turns each value into another on n goroutines, and emits each result as soon
// as it is there.
//
//	in   --a-b-c-----------|
//	         f(a) is slow
//	out  -----B-C----A-----|
//
// What it promises:
//   - Emits: one value for each that did not fail.
//   - Order: not kept, but for records of one key of a keyed source (rule 8).
//   - Holds: at most 4n records, while f works on them or they wait for their turn.
//   - Settles: moves the duty to the result (rule 2).
//   - Drain: waits for f to return.
//   - Fails: when f does, by itself; others go on (rule 9). Fails to build if n < 1.
func ParMapUnordered[I, O any](n int, f func(context.Context, I) (O, error)) stage.Operator[I, O] {
	return parMapping[I, O]{n: n, f: f}
}

type parMapping[I, O any] struct {
	n       int
	f       func(context.Context, I) (O, error)
	ordered bool
}

var _ stage.Operator[int, string] = parMapping[int, string]{}

func (m parMapping[I, O]) Describe() stage.Description {
	problem := missing(m.f == nil, "parallel map")
	if m.n < 1 {
		problem = fmt.Errorf("operators: parallel map: %d goroutines: at least 1 is needed", m.n)
	}
	return stage.Description{
		Name: "parallel map", Fallible: true, Async: true, Parallel: m.n,
		Unordered: !m.ordered, Problem: problem,
	}
}

func (m parMapping[I, O]) Start(rt stage.Runtime, next stage.Emitter[O]) (stage.Processor[I], error) {
	window := windowFactor * m.n
	p := &parMapper[I, O]{
		parMapping: m, rt: rt, next: next,
		slots: make(chan struct{}, window), jobs: make(chan *parJob[I, O], window),
		disturb: stage.Disturbance(rt),
	}
	for range m.n {
		rt.Go(p.work)
	}
	return p, nil
}

// windowFactor is how many records a goroutine may be ahead of the slowest: enough that one slow
// value does not idle the others at once.
const windowFactor = 4

// parMapper runs the function on its goroutines. Each job takes a slot from Process until what
// came of it is emitted; so jobs never fills up.
type parMapper[I, O any] struct {
	parMapping[I, O]
	rt    stage.Runtime
	next  stage.Emitter[O]
	slots chan struct{}
	jobs  chan *parJob[I, O]

	disturb func(context.Context, any, stage.Info) error // nil but in tests

	mu    sync.Mutex
	queue []*parJob[I, O] // in order of arrival; only if ordered
}

// parJob is one value on its way through the function.
type parJob[I, O any] struct {
	record stage.Record[I]
	out    O
	err    error
	done   bool // under the lock
}

// Process waits for a slot; that is the backpressure. When ctx ends meanwhile, the record is
// handed back.
func (p *parMapper[I, O]) Process(ctx context.Context, r stage.Record[I]) error {
	select {
	case p.slots <- struct{}{}:
	case <-ctx.Done():
		return stage.ErrHandedBack
	}
	j := &parJob[I, O]{record: r}
	if p.ordered {
		p.mu.Lock()
		p.queue = append(p.queue, j)
		p.mu.Unlock()
	}
	p.jobs <- j
	if ctx.Err() != nil {
		p.handBack(ctx) // the goroutines may have ended before they saw it
	}
	return nil
}

// work is one of the goroutines. When ctx ends, what has begun is finished, and what has not is
// handed back.
func (p *parMapper[I, O]) work(ctx context.Context) {
	for {
		select {
		case j := <-p.jobs:
			p.run(ctx, j)
		case <-ctx.Done():
			p.handBack(ctx)
			return
		}
	}
}

func (p *parMapper[I, O]) handBack(ctx context.Context) {
	for {
		select {
		case j := <-p.jobs:
			j.err = stage.ErrHandedBack
			p.publish(j)
		default:
			return
		}
	}
}

func (p *parMapper[I, O]) run(ctx context.Context, j *parJob[I, O]) {
	if ctx.Err() != nil {
		j.err = stage.ErrHandedBack
	} else {
		j.out, j.err = p.call(ctx, j.record)
	}
	p.publish(j)
}

func (p *parMapper[I, O]) call(ctx context.Context, r stage.Record[I]) (out O, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &stage.PanicError{Value: v, Stack: debug.Stack()}
		}
	}()
	if p.disturb != nil {
		if err := p.disturb(ctx, r.Value, r.Info()); err != nil {
			return out, err
		}
	}
	return p.f(ctx, r.Value)
}

// publish emits what is due now that a job is done: the job itself or, in order, those at the
// head of the queue. Whoever finds the head done emits it, and Do lets one at a time in.
func (p *parMapper[I, O]) publish(j *parJob[I, O]) {
	if !p.ordered {
		p.rt.Do(func(ctx context.Context) { p.emit(ctx, j) })
		return
	}
	p.mu.Lock()
	j.done = true
	p.mu.Unlock()
	if !p.headDone() {
		return
	}
	p.rt.Do(func(ctx context.Context) {
		for j := p.takeHead(); j != nil; j = p.takeHead() {
			p.emit(ctx, j)
		}
	})
}

func (p *parMapper[I, O]) headDone() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.queue) > 0 && p.queue[0].done
}

func (p *parMapper[I, O]) takeHead() *parJob[I, O] {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.queue) == 0 || !p.queue[0].done {
		return nil
	}
	j := p.queue[0]
	p.queue[0] = nil
	p.queue = p.queue[1:]
	return j
}

func (p *parMapper[I, O]) emit(ctx context.Context, j *parJob[I, O]) {
	if j.err == nil {
		p.next.Emit(ctx, j.record.With(j.out))
	}
	<-p.slots
	stage.Complete(ctx, p.rt, j.record, j.err)
}

// Drain waits for each job to be emitted: it takes all slots, and gives them back.
func (p *parMapper[I, O]) Drain(context.Context) error {
	for range cap(p.slots) {
		p.slots <- struct{}{}
	}
	for range cap(p.slots) {
		<-p.slots
	}
	return nil
}
