package operators

import (
	"context"
	"time"

	"github.com/rocketflow-io/rocketflow/flow/stage"
	"github.com/rocketflow-io/rocketflow/state"
)

// Drain waits until each record is committed: it takes all slots, and gives them back. At the end of the
// input it has what is incomplete given as well; else no more is given, since nobody below would wait for it.
func (p *keeper[K, T, A, O]) Drain(ctx context.Context) error {
	for range cap(p.slots) {
		p.slots <- struct{}{}
	}
	for range cap(p.slots) {
		<-p.slots
	}
	asked := make(chan struct{})
	p.mu.Lock()
	closed := p.closed
	if !closed {
		p.asked = asked
	}
	p.mu.Unlock()
	if closed {
		return nil
	}
	p.stir()
	<-asked // the goroutine closes it also when it ends
	return nil
}

// Unfinished tells whether results are to be given again, or corrected, although there is no more input, or
// values have come since Drain: those that waited for another try.
func (p *keeper[K, T, A, O]) Unfinished() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return (p.pending > 0 || p.fresh) && !p.closed && p.rt.Ended()
}

// end gives what the end of the input leaves, unless other processes are at it: of those that end, the
// last has all that is left to give, but for keys whose results another has on their way, which gives the
// rest. One that is silent may have died: it is waited for until that is known.
func (p *keeper[K, T, A, O]) end(ctx context.Context) {
	p.at = keptEnded
	silent := make(map[string]keptMember)
	for first := true; ctx.Err() == nil; first = false {
		err := p.tell(ctx)
		if err == nil {
			err = p.sync(ctx)
		}
		if first {
			for name, m := range p.others {
				silent[name] = m
			}
		}
		p.given = p.given && len(p.others) == 0
		waits, blocked := false, false
		for name, m := range p.others {
			blocked = blocked || m.at != keptEnded
			waits = waits || m.at != keptEnded && m.version == silent[name].version
		}
		if err == nil && !waits {
			if err = p.endUpTo(ctx, blocked); err == nil && !p.leftTo(silent) {
				p.rested(nil)
				return
			}
		}
		wait := p.kept.Heartbeat / 10
		if err != nil {
			p.rested(err)
			wait = p.restFor
		}
		pause(ctx, wait)
	}
}

// leftTo tells whether keys were left to one of some processes that has said nothing since.
func (p *keeper[K, T, A, O]) leftTo(silent map[string]keptMember) bool {
	for owner := range p.owners {
		if m, lives := p.others[owner]; lives && m.version == silent[owner].version {
			return true
		}
	}
	return false
}

// endUpTo gives all that is left or, if others are at it, what is complete. What waits to be given again
// has its time first.
func (p *keeper[K, T, A, O]) endUpTo(ctx context.Context, blocked bool) error {
	horizon := always
	if blocked {
		horizon = p.high
	}
	var last time.Time
	for _, t := range p.todo {
		if t.at.After(last) {
			last = t.at
		}
	}
	if wait := last.Sub(p.rt.Now()); !last.IsZero() && wait > 0 {
		pause(ctx, min(wait, p.kept.Heartbeat/3))
		if wait > p.kept.Heartbeat/3 {
			return nil
		}
	}
	p.mu.Lock()
	p.fresh = false
	p.mu.Unlock()
	clear(p.owners)
	if !p.given { // else only what is listed can have come
		if err := p.due(ctx, never, horizon); err != nil {
			return err
		}
		p.given = len(p.others) == 0
	}
	p.nextDue, p.reached = soon, never // what is complete now may be again
	err := p.doTodo(ctx, horizon)
	p.publish()
	return err
}

// close hands back what was not committed. The process leaves the others, who may take over at once.
func (p *keeper[K, T, A, O]) close(ctx context.Context) {
	p.mu.Lock()
	p.closed = true
	values, over, asked := p.come, p.over, p.asked
	p.come, p.over, p.asked = nil, nil, nil
	p.mu.Unlock()
	for _, v := range values {
		p.failed(ctx, v, stage.ErrHandedBack)
	}
	for range over {
		p.noted(ctx)
	}
	if asked != nil {
		close(asked)
	}
	leave, cancel := context.WithTimeout(context.WithoutCancel(ctx), keptRest)
	defer cancel()
	c := &state.Changes{Writes: []state.Write{{Table: p.tables.members, Key: []byte(p.self), Delete: true}}}
	if _, err := p.kept.Store.Commit(leave, c); err != nil {
		p.rt.Logger().Warn("the others are not told that this process has left", "windows", p.kept.Name, "error", err)
	}
}
