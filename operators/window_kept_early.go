package operators

import (
	"context"

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
		t, err := p.commit(ctx, keysOf(wants), func(t *keptTurn[K, T, A]) {
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
