package operators

import (
	"context"
	"time"

	"github.com/rocketflow-io/rocketflow/flow/stage"
)

// keptChanged is a key with the panes that have changed since their last result, by start.
type keptChanged[K comparable] struct {
	key    K
	starts map[instant]bool
}

// announce lists panes that a turn has changed for early results.
func (p *keeper[K, T, A, O]) announce(t *keptTurn[K, T, A], changed []keptChange) {
	if len(changed) > 0 && len(p.changed) == 0 {
		p.earlyAt = p.rt.Now().Add(p.Early)
	}
	for _, c := range changed {
		at := p.changed[c.key]
		if at == nil {
			at = &keptChanged[K]{t.keys[c.key].key, make(map[instant]bool)}
			p.changed[c.key] = at
		}
		at.starts[c.start] = true
	}
}

// giveEarly gives early results of what has changed and is not complete. They have no duty: the result
// that follows does. A commit counts them, so that revisions tell values apart.
func (p *keeper[K, T, A, O]) giveEarly(ctx context.Context) error {
	if len(p.changed) == 0 || p.rt.Now().Before(p.earlyAt) {
		return nil
	}
	defer func() { p.earlyAt = p.rt.Now().Add(p.Early) }()
	var wants []keptWant[K]
	commit := func() error {
		var out []stage.Record[O]
		t, err := p.commit(ctx, wants, func(t *keptTurn[K, T, A]) {
			for _, k := range t.order {
				p.countEarly(k)
			}
		})
		if err != nil {
			return err
		}
		for _, k := range t.order {
			for _, i := range k.early {
				pane := &k.row.panes[i]
				out = append(out, stage.Record[O]{Value: p.resultKept(k.key, pane, pane.results-1, true)})
			}
			delete(p.changed, k.encoded)
		}
		wants = wants[:0]
		p.emitKept(out)
		return nil
	}
	for encoded, c := range p.changed {
		if wants = append(wants, keptWant[K]{key: c.key, encoded: encoded}); len(wants) == keptChunk {
			if err := commit(); err != nil {
				return err
			}
		}
	}
	return commit()
}

// countEarly has a turn count the early results of a key.
func (p *keeper[K, T, A, O]) countEarly(k *keptKey[K, A]) {
	for i := range k.row.panes {
		pane := &k.row.panes[i]
		if !pane.dirty || pane.out || p.turns(pane) <= p.high || !p.changed[k.encoded].starts[pane.start] {
			continue
		}
		pane.results++
		k.touched = true
		k.early = append(k.early, i)
	}
}

// end gives what the end of the input leaves, unless other processes are at it: of those that end, the
// last has all that is left to give. One that is silent may have died: it is waited for until that is known.
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
		waits, blocked := false, false
		for name, m := range p.others {
			blocked = blocked || m.at != keptEnded
			waits = waits || m.at != keptEnded && m.version == silent[name].version
		}
		if err == nil && !waits {
			if err = p.endUpTo(ctx, blocked); err == nil {
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
	if err := p.due(ctx, never, horizon); err != nil {
		return err
	}
	p.nextDue, p.reached = soon, never // what is complete now may be again
	err := p.doTodo(ctx, horizon)
	p.publish()
	return err
}
