package operators

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/rocketflow-io/rocketflow/flow/stage"
	"github.com/rocketflow-io/rocketflow/state"
)

// Dedupe drops values whose id was processed before: by this run, by an earlier one or, with a store
// that processes share, by another process. It marks an id when all that came of its value is safe,
// never before, so that a value that failed is not taken for a duplicate when it comes again; and the
// record is acknowledged when the mark is safe. A value that a policy below puts off, by sinks.RetryTopic,
// is acknowledged without a mark, and passes when it comes again; one that is dead in the end is marked.
//
//	in   --a-----a-----b--|
//	out  --a-----------b--|
//	        written, marked a, acknowledged
//
// The marks are in the store's table name, a mark for each id; each Dedupe needs a name of its own.
// They stay for keep, 0 for ever: longer than a message can come again, with all its retries, or than
// the producer may send it twice. What is written when the process crashes before the mark is safe
// is written again: Dedupe makes duplicates rare, not impossible.
//
// What it promises:
//   - Emits: the first value of each id.
//   - Order: kept, but a record that waits for a retry is overtaken, unless it has a key (rule 8).
//   - Holds: up to 1024 records while their ids are looked up, many at a time.
//   - Settles: a value when its mark is safe, and a duplicate done. One that comes while the first of
//     its id is in flight is settled with it: done if that is or is put off, for what comes again stands for
//     both; else handed back, to be tried in turn. So is another attempt if the first is put off, for it may
//     be what comes again. One that comes while the first waits in a retry topic passes, as a try ahead of
//     its time: if it succeeds, what waits is a duplicate.
//   - Drain: waits for the store.
//   - Fails: when the store does, or an id is empty. If the mark failed, another try, or a redelivery to
//     the same run, does no more than to mark. Fails to build without id or store, with a name that no
//     table can have, or if keep < 0.
func Dedupe[T any](id func(T) string, store state.Store, name string, keep time.Duration) stage.Operator[T, T] {
	return deduping[T]{id, store, state.Marks{Table: name, Keep: keep}}
}

type deduping[T any] struct {
	id    func(T) string
	store state.Store
	marks state.Marks
}

var _ stage.Operator[int, int] = deduping[int]{}

func (d deduping[T]) Describe() stage.Description {
	problem := missing(d.id == nil, "dedupe")
	switch {
	case problem != nil:
	case d.store == nil:
		problem = errors.New("operators: dedupe: no store: give it one, such as state.NewMemory()")
	case !state.ValidTable(d.marks.Table):
		problem = fmt.Errorf("operators: dedupe: %q cannot be the name of a table: give the marks a table of their own", d.marks.Table)
	case d.marks.Keep < 0:
		problem = fmt.Errorf("operators: dedupe: marks kept for %v: 0 keeps them for ever", d.marks.Keep)
	}
	return stage.Description{Name: "dedupe", Fallible: true, Async: true, DropsDone: true, Settles: "when its mark is safe, or as done if it has one", Problem: problem}
}

func (d deduping[T]) Start(rt stage.Runtime, next stage.Emitter[T]) (stage.Processor[T], error) {
	p := &dedupeEnds[T]{id: d.id, rt: rt, next: next}
	p.deduper = startDeduper(rt, p, d.store, d.marks)
	return p, nil
}

// dedupeEnds is what of a Dedupe depends on the type of its values. All else is compiled once.
type dedupeEnds[T any] struct {
	deduper *deduper
	id      func(T) string
	rt      stage.Runtime
	next    stage.Emitter[T]
}

// Process waits for a slot; that is the backpressure. When ctx ends meanwhile, the record is handed
// back.
func (p *dedupeEnds[T]) Process(ctx context.Context, r stage.Record[T]) error {
	return p.deduper.process(ctx, p.id(r.Value), stage.Record[any]{Value: r.Value, Duty: r.Duty})
}

func (p *dedupeEnds[T]) Drain(context.Context) error {
	p.deduper.drain()
	return nil
}

func (p *dedupeEnds[T]) emit(ctx context.Context, rs []stage.Record[any]) {
	typed := make([]stage.Record[T], len(rs))
	for i, r := range rs {
		typed[i] = p.typed(r)
	}
	p.next.EmitAll(ctx, typed)
}

func (p *dedupeEnds[T]) complete(ctx context.Context, r stage.Record[any], err error) {
	stage.Complete(ctx, p.rt, p.typed(r), err)
}

func (p *dedupeEnds[T]) resume(r stage.Record[any]) stage.Record[any] {
	return stage.Record[any]{Value: r.Value, Duty: stage.Resume(p.rt, p.typed(r)).Duty}
}

// typed gives a record as it came. A value of an interface type may be nil.
func (p *dedupeEnds[T]) typed(r stage.Record[any]) stage.Record[T] {
	v, _ := r.Value.(T)
	return stage.Record[T]{Value: v, Duty: r.Duty}
}
