package operators

import (
	"context"
	"errors"
	"fmt"

	"github.com/rocketflow-io/rocketflow/flow/stage"
	"github.com/rocketflow-io/rocketflow/state"
)

// settled takes the outcome of what came of a value. If it is safe, it is to be marked; if not, the id
// is as if it had not come. What is to come again of a value that was put off stands for the others of its
// id, but for those that may be just that: it can have come while the rest of the value was still at work.
func (p *deduper) settled(ctx context.Context, e *dedupeID, err error) {
	if err == nil {
		e.first = p.ends.resume(e.first)
		p.toMark(ctx, e)
		return
	}
	others := p.over(e)
	e.first.Settle(err)
	if errors.Is(err, stage.ErrPutOff) {
		others = p.putOff(others)
	}
	p.handBack(ctx, others)
}

// putOff puts off the records that another of their id, which was put off, stands for, and gives the rest.
func (p *deduper) putOff(rs []stage.Record[any]) (rest []stage.Record[any]) {
	for _, r := range rs {
		if p.mayHaveComeAgain(r) {
			rest = append(rest, r)
		} else {
			r.PutOff()
		}
	}
	p.rt.Count("duplicates", int64(len(rs)-len(rest)))
	return rest
}

// mayHaveComeAgain tells whether a record may be what came again of another that was put off. How its attempts
// compare with those of the other says nothing, for each counts redeliveries of its own. What does not count
// may be it, too; where nothing is redelivered, a record handed back would be lost.
func (p *deduper) mayHaveComeAgain(r stage.Record[any]) bool {
	n := r.Info().Attempt
	return n > 1 || n < 1 && p.rt.Upstream().Redelivers
}

// handBack hands back records that were completed when another had their id.
func (p *deduper) handBack(ctx context.Context, rs []stage.Record[any]) {
	for _, r := range rs {
		p.ends.complete(ctx, p.ends.resume(r), stage.ErrHandedBack)
	}
}

func (p *deduper) toMark(ctx context.Context, e *dedupeID) {
	if !p.safe.put(e) {
		p.notMarked(ctx, e, stage.ErrHandedBack)
	}
}

// mark is the goroutine that has the store mark ids.
func (p *deduper) mark(ctx context.Context) {
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
func (p *deduper) commit(ctx context.Context, safe []*dedupeID) error {
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
func (p *deduper) marked(ctx context.Context, e *dedupeID) {
	p.duplicates(p.over(e))
	e.first.Done()
	p.ends.complete(ctx, e.first, nil)
}

// notMarked hands a value that is safe, but not its mark, to the stage's policy.
func (p *deduper) notMarked(ctx context.Context, e *dedupeID, err error) {
	p.mu.Lock()
	if len(p.unmarked) < maxUnmarked {
		p.unmarked[e.id] = p.rt.Now()
	}
	others := p.overLocked(e)
	p.mu.Unlock()
	p.handBack(ctx, others)
	p.ends.complete(ctx, e.first, err)
}
