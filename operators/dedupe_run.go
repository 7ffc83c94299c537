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

const (
	// maxLookups is how many records may wait for their ids to be looked up.
	maxLookups = 1024
	// maxUnmarked is how many values are remembered that are safe although their marks are not. They
	// are there while the store fails; those above are emitted again when they come again.
	maxUnmarked = 10_000
)

// deduper has a goroutine that looks ids up and one that marks them. Each takes at once what came while
// it was busy. A record has a slot from Process until its id was looked up.
type deduper struct {
	rt      stage.Runtime
	ends    dedupeStage
	store   state.Store
	marks   state.Marks
	disturb func(context.Context, any, stage.Info) error // nil but in tests
	slots   chan struct{}
	lookups *gathering[*dedupeID]
	safe    *gathering[*dedupeID] // to be marked

	// mu guards what follows. It is not held when a record is emitted, settled or completed, which
	// may settle others.
	mu       sync.Mutex
	ids      map[string]*dedupeID // those looked up, in flight or being marked
	unmarked map[string]time.Time // when each became safe without a mark
}

// dedupeStage is where a deduper's records come from and go to.
type dedupeStage interface {
	emit(ctx context.Context, rs []stage.Record[any])
	complete(ctx context.Context, r stage.Record[any], err error)
	resume(r stage.Record[any]) stage.Record[any]
}

// dedupeID is an id from the time when it comes until its record is settled.
type dedupeID struct {
	id     string
	first  stage.Record[any]
	looked bool                // under the lock: it is known that the id is new
	others []stage.Record[any] // under the lock: of the same id; completed if looked
}

func startDeduper(rt stage.Runtime, ends dedupeStage, store state.Store, marks state.Marks) *deduper {
	p := &deduper{
		rt: rt, ends: ends, store: store, marks: marks, disturb: stage.Disturbance(rt),
		slots: make(chan struct{}, maxLookups), lookups: newGathering[*dedupeID](), safe: newGathering[*dedupeID](),
		ids: make(map[string]*dedupeID), unmarked: make(map[string]time.Time),
	}
	rt.Go(p.lookUp)
	rt.Go(p.mark)
	return p
}

func (p *deduper) process(ctx context.Context, id string, r stage.Record[any]) error {
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
	e = &dedupeID{id: id, first: r}
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
func (p *deduper) completed(ctx context.Context, r stage.Record[any], err error) {
	<-p.slots
	p.ends.complete(ctx, r, err)
}

// over takes an id out, and gives the other records that came with it.
func (p *deduper) over(e *dedupeID) (others []stage.Record[any]) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.overLocked(e)
}

func (p *deduper) overLocked(e *dedupeID) (others []stage.Record[any]) {
	delete(p.ids, e.id)
	return e.others
}

// lookUp is the goroutine that asks the store for ids.
func (p *deduper) lookUp(ctx context.Context) {
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
func (p *deduper) undisturbed(ctx context.Context, asked []*dedupeID) []*dedupeID {
	if p.disturb == nil {
		return asked
	}
	var rest []*dedupeID
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
func (p *deduper) failed(ctx context.Context, e *dedupeID, err error) {
	for _, r := range append(p.over(e), e.first) {
		p.completed(ctx, r, err)
	}
}

// answered emits what is new, and settles what was processed before.
func (p *deduper) answered(asked []*dedupeID, seen []bool) {
	p.rt.Do(func(ctx context.Context) {
		var fresh []stage.Record[any]
		returned := make([]stage.Record[any], 0, len(asked))
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
			fresh = append(fresh, stage.Record[any]{
				Value: e.first.Value,
				Duty:  e.first.StandIn(func(err error) { p.settled(ctx, e, err) }),
			})
		}
		if len(fresh) > 0 {
			p.ends.emit(ctx, fresh)
		}
		for _, r := range returned {
			p.completed(ctx, r, nil)
		}
	})
}

// duplicates settles records of an id that was processed (rule 2).
func (p *deduper) duplicates(rs []stage.Record[any]) {
	for _, r := range rs {
		r.Done()
	}
	p.rt.Count("duplicates", int64(len(rs)))
}

// drain waits until each id was looked up: it takes all slots, and gives them back. For marks the
// engine waits.
func (p *deduper) drain() {
	for range cap(p.slots) {
		p.slots <- struct{}{}
	}
	for range cap(p.slots) {
		<-p.slots
	}
}
