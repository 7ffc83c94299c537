package operators

import (
	"context"
	"errors"
	"fmt"
	"sync"
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
//     both; else handed back, to be tried in turn. One that comes while the first waits in a retry topic
//     passes, as a try ahead of its time: if it succeeds, what waits is a duplicate.
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
	return stage.Description{Name: "dedupe", Fallible: true, Async: true, Settles: "when its mark is safe, or as done if it has one", Problem: problem}
}

const (
	// maxLookups is how many records may wait for their ids to be looked up.
	maxLookups = 1024
	// maxUnmarked is how many values are remembered that are safe although their marks are not. They
	// are there while the store fails; those above are emitted again when they come again.
	maxUnmarked = 10_000
)

func (d deduping[T]) Start(rt stage.Runtime, next stage.Emitter[T]) (stage.Processor[T], error) {
	p := &deduper[T]{
		deduping: d, rt: rt, next: next, disturb: stage.Disturbance(rt),
		slots: make(chan struct{}, maxLookups), lookups: newGathering[*dedupeID[T]](), safe: newGathering[*dedupeID[T]](),
		ids: make(map[string]*dedupeID[T]), unmarked: make(map[string]time.Time),
	}
	rt.Go(p.lookUp)
	rt.Go(p.mark)
	return p, nil
}

// deduper has a goroutine that looks ids up and one that marks them. Each takes at once what came while
// it was busy. A record has a slot from Process until its id was looked up.
type deduper[T any] struct {
	deduping[T]
	rt      stage.Runtime
	next    stage.Emitter[T]
	disturb func(context.Context, any, stage.Info) error // nil but in tests
	slots   chan struct{}
	lookups *gathering[*dedupeID[T]]
	safe    *gathering[*dedupeID[T]] // to be marked

	// mu guards what follows. It is not held when a record is emitted, settled or completed, which
	// may settle others.
	mu       sync.Mutex
	ids      map[string]*dedupeID[T] // those looked up, in flight or being marked
	unmarked map[string]time.Time    // when each became safe without a mark
}

// dedupeID is an id from the time when it comes until its record is settled.
type dedupeID[T any] struct {
	id     string
	first  stage.Record[T]
	looked bool              // under the lock: it is known that the id is new
	others []stage.Record[T] // under the lock: of the same id; completed if looked
}

// Process waits for a slot; that is the backpressure. When ctx ends meanwhile, the record is handed
// back.
func (p *deduper[T]) Process(ctx context.Context, r stage.Record[T]) error {
	id := p.id(r.Value)
	if id == "" {
		return stage.Permanent(errors.New("operators: dedupe: the id is empty: give each value an id, or filter out what has none"))
	}
	select {
	case p.slots <- struct{}{}:
	case <-ctx.Done():
		return stage.ErrHandedBack
	}
	p.mu.Lock()
	e, known := p.ids[id]
	if known {
		e.others = append(e.others, r)
		looked := e.looked
		p.mu.Unlock()
		if looked {
			p.completed(ctx, r, nil)
		}
		return nil
	}
	e = &dedupeID[T]{id: id, first: r}
	p.ids[id] = e
	since, unmarked := p.unmarked[id]
	delete(p.unmarked, id)
	e.looked = unmarked && (p.marks.Keep == 0 || p.rt.Now().Sub(since) < p.marks.Keep)
	p.mu.Unlock()
	if e.looked {
		<-p.slots
		p.toMark(ctx, e)
	} else if !p.lookups.put(e) {
		p.failed(ctx, e, stage.ErrHandedBack)
	}
	return nil
}

// completed returns a record that has a slot.
func (p *deduper[T]) completed(ctx context.Context, r stage.Record[T], err error) {
	<-p.slots
	stage.Complete(ctx, p.rt, r, err)
}

// over takes an id out, and gives the other records that came with it.
func (p *deduper[T]) over(e *dedupeID[T]) (others []stage.Record[T]) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.overLocked(e)
}

func (p *deduper[T]) overLocked(e *dedupeID[T]) (others []stage.Record[T]) {
	delete(p.ids, e.id)
	return e.others
}

// lookUp is the goroutine that asks the store for ids.
func (p *deduper[T]) lookUp(ctx context.Context) {
	for {
		asked, ok := p.lookups.take(ctx)
		if asked = p.undisturbed(ctx, asked); len(asked) > 0 {
			ids := make([]string, len(asked))
			for i, e := range asked {
				ids[i] = e.id
			}
			seen, err := p.marks.Seen(ctx, p.store, ids...)
			if err != nil {
				for _, e := range asked {
					p.failed(ctx, e, fmt.Errorf("operators: dedupe: look up ids: %w", err))
				}
			} else {
				p.answered(asked, seen)
			}
		}
		if !ok {
			return
		}
	}
}

// undisturbed gives the ids of the records that a test does not let fail.
func (p *deduper[T]) undisturbed(ctx context.Context, asked []*dedupeID[T]) []*dedupeID[T] {
	if p.disturb == nil {
		return asked
	}
	var rest []*dedupeID[T]
	for _, e := range asked {
		if err := p.disturb(ctx, e.first.Value, e.first.Info()); err != nil {
			p.failed(ctx, e, err)
		} else {
			rest = append(rest, e)
		}
	}
	return rest
}

// failed hands an id that could not be looked up to the stage's policy, with each record of it.
func (p *deduper[T]) failed(ctx context.Context, e *dedupeID[T], err error) {
	for _, r := range append(p.over(e), e.first) {
		p.completed(ctx, r, err)
	}
}

// answered emits what is new, and settles what was processed before.
func (p *deduper[T]) answered(asked []*dedupeID[T], seen []bool) {
	p.rt.Do(func(ctx context.Context) {
		var fresh []stage.Record[T]
		returned := make([]stage.Record[T], 0, len(asked))
		for i, e := range asked {
			returned = append(returned, e.first)
			if seen[i] {
				others := p.over(e)
				p.duplicates(append(others, e.first))
				returned = append(returned, others...)
				continue
			}
			p.mu.Lock()
			e.looked = true
			returned = append(returned, e.others...)
			p.mu.Unlock()
			fresh = append(fresh, stage.Record[T]{
				Value: e.first.Value,
				Duty:  e.first.StandIn(func(err error) { p.settled(ctx, e, err) }),
			})
		}
		if len(fresh) > 0 {
			p.next.EmitAll(ctx, fresh)
		}
		for _, r := range returned {
			p.completed(ctx, r, nil)
		}
	})
}

// duplicates settles records of an id that was processed (rule 2).
func (p *deduper[T]) duplicates(rs []stage.Record[T]) {
	for _, r := range rs {
		r.Done()
	}
	p.rt.Count("duplicates", int64(len(rs)))
}

// Drain waits until each id was looked up: it takes all slots, and gives them back. For marks the
// engine waits.
func (p *deduper[T]) Drain(context.Context) error {
	for range cap(p.slots) {
		p.slots <- struct{}{}
	}
	for range cap(p.slots) {
		<-p.slots
	}
	return nil
}
