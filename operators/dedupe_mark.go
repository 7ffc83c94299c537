package operators

import (
	"context"
	"errors"
	"fmt"

	"github.com/rocketflow-io/rocketflow/flow/stage"
	"github.com/rocketflow-io/rocketflow/state"
)

// settled takes the outcome of what came of a value. If it is safe, it is to be marked; if not, the id
// is as if it had not come. What was put off stands for the others of its id, too.
func (p *deduper[T]) settled(ctx context.Context, e *dedupeID[T], err error) {
	if err == nil {
		e.first = stage.Resume(p.rt, e.first)
		p.toMark(ctx, e)
		return
	}
	others := p.over(e)
	e.first.Settle(err)
	if !errors.Is(err, stage.ErrPutOff) {
		p.handBack(ctx, others)
		return
	}
	for _, r := range others {
		r.PutOff()
	}
	p.rt.Count("duplicates", int64(len(others)))
}

// handBack hands back records that were completed when another had their id.
func (p *deduper[T]) handBack(ctx context.Context, rs []stage.Record[T]) {
	for _, r := range rs {
		stage.Complete(ctx, p.rt, stage.Resume(p.rt, r), stage.ErrHandedBack)
	}
}

func (p *deduper[T]) toMark(ctx context.Context, e *dedupeID[T]) {
	if !p.safe.put(e) {
		p.notMarked(ctx, e, stage.ErrHandedBack)
	}
}

// mark is the goroutine that has the store mark ids.
func (p *deduper[T]) mark(ctx context.Context) {
	for {
		safe, ok := p.safe.take(ctx)
		if err := p.commit(ctx, safe); err != nil {
			for _, e := range safe {
				p.notMarked(ctx, e, fmt.Errorf("operators: dedupe: mark ids: %w", err))
			}
		} else {
			for _, e := range safe {
				p.marked(ctx, e)
			}
		}
		if !ok {
			return
		}
	}
}

// commit marks ids. What has a mark already, by another process or by a commit whose answer was lost,
// needs none.
func (p *deduper[T]) commit(ctx context.Context, safe []*dedupeID[T]) error {
	var c state.Changes
	for _, e := range safe {
		p.marks.Add(&c, e.id)
	}
	for len(c.Writes) > 0 {
		_, err := p.store.Commit(ctx, &c)
		conflict, ok := errors.AsType[*state.ConflictError](err)
		if !ok || len(conflict.Writes) == 0 {
			return err
		}
		for n, i := range conflict.Writes {
			c.Writes = append(c.Writes[:i-n], c.Writes[i-n+1:]...)
		}
	}
	return nil
}

// marked settles what came with an id.
func (p *deduper[T]) marked(ctx context.Context, e *dedupeID[T]) {
	p.duplicates(p.over(e))
	e.first.Done()
	stage.Complete(ctx, p.rt, e.first, nil)
}

// notMarked hands a value that is safe, but not its mark, to the stage's policy.
func (p *deduper[T]) notMarked(ctx context.Context, e *dedupeID[T], err error) {
	p.mu.Lock()
	if len(p.unmarked) < maxUnmarked {
		p.unmarked[e.id] = p.rt.Now()
	}
	others := p.overLocked(e)
	p.mu.Unlock()
	p.handBack(ctx, others)
	stage.Complete(ctx, p.rt, e.first, err)
}
