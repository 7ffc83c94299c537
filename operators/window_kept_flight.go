package operators

import (
	"context"
	"fmt"
	"time"

	"github.com/rocketflow-io/rocketflow/flow/stage"
)

// keptFlight is the results of a key that are on their way. It owns their duties: when all are settled,
// their outcome is noted.
type keptFlight[K comparable, A any] struct {
	key     K
	encoded string
	given   []keptGiven[A]
	tries   int  // of the key, before this one
	again   bool // the key is to be looked at when it is over
	slab    stage.Slab
	settled func(f *keptFlight[K, A])
}

// keptGiven is a result.
type keptGiven[A any] struct {
	pane     keptPane[A] // as it was
	revision int
}

var _ stage.SlabOwner = (*keptFlight[int, int])(nil)

// Settled takes the outcome.
func (f *keptFlight[K, A]) Settled(_ *stage.Slab, all bool) {
	if all {
		f.settled(f)
	}
}

// Info names the result: one that is given again has the same name.
func (f *keptFlight[K, A]) Info(i int) stage.Info {
	g := &f.given[i]
	w := Window[K, A]{Key: f.key, Start: g.pane.start.time(), First: g.pane.first}
	return stage.Info{ID: fmt.Sprintf("%s#%d", w.Pane(), g.revision), Attempt: f.tries + 1, EventTime: g.pane.end.time()}
}

// Origin gives nothing: many records made the result.
func (f *keptFlight[K, A]) Origin(int) any { return nil }

// landing takes a flight whose results are all settled, from whoever settled the last.
func (p *keeper[K, T, A, O]) landing(f *keptFlight[K, A]) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return // the store has them as given out, and they are given again by who takes over
	}
	stage.Resume(p.rt, stage.Record[T]{}) // the engine waits until it is noted
	p.over = append(p.over, f)
	p.stirred()
}

// noted ends the wait that landing began.
func (p *keeper[K, T, A, O]) noted(ctx context.Context) {
	stage.Complete(ctx, p.rt, stage.Record[T]{}, nil)
}

// later puts flights off whose outcome could not be noted.
func (p *keeper[K, T, A, O]) later(over []*keptFlight[K, A]) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.over = append(over, p.over...)
}

// note has a turn take note of what became of results. What has failed stays out, to be given again. If
// another process has taken over, it is no longer this one's business.
func (p *keeper[K, T, A, O]) note(t *keptTurn[K, T, A], f *keptFlight[K, A]) {
	k := t.keys[f.encoded]
	if k.row.owner != p.self {
		return
	}
	out := false
	for i := range f.given {
		g := &f.given[i]
		if err, _ := f.slab.Outcome(i); err != nil {
			continue
		}
		at := k.row.find(g.pane.start, g.pane.first)
		if at < 0 || !k.row.panes[at].out {
			continue
		}
		pane := &k.row.panes[at]
		pane.out = false
		pane.former = pane.former[min(len(g.pane.former), len(pane.former)):] // they are withdrawn
	}
	for i := range k.row.panes {
		out = out || k.row.panes[i].out
	}
	if !out {
		k.row.owner = ""
	}
	k.touched, k.settled = true, true
	p.shut(t, k)
}

// shut takes panes that have given all that they have, and take no more, out of a row.
func (p *keeper[K, T, A, O]) shut(t *keptTurn[K, T, A], k *keptKey[K, A]) {
	kept := k.row.panes[:0]
	for _, pane := range k.row.panes {
		closed := p.Windows.kind == counted || pane.end.plus(p.Lateness) <= p.high
		if pane.dirty || pane.out || !closed {
			kept = append(kept, pane)
			continue
		}
		k.touched, k.settled = true, true
		if p.Windows.kind == counted {
			continue
		}
		t.raises = true
		k.row.closed = max(k.row.closed, p.high)
		if p.pastFor > 0 && p.CanBeLate() {
			k.toPast = append(k.toPast, pane)
			k.past = append(k.past, pane) // what comes again in the same turn may open it
		}
	}
	clear(k.row.panes[len(kept):])
	k.row.panes = kept
}

// overWith takes note that a flight is over. Results that failed are given again after a while.
func (p *keeper[K, T, A, O]) overWith(t *keptTurn[K, T, A], f *keptFlight[K, A]) {
	delete(p.out, f.encoded)
	failed := int64(0)
	for i := range f.given {
		if err, _ := f.slab.Outcome(i); err != nil {
			failed++
		}
	}
	row := &t.keys[f.encoded].row
	switch {
	case row.owner != "" && row.owner != p.self:
	case failed > 0:
		p.rt.Count("given_again", failed)
		p.todo[f.encoded] = keptTodo[K]{f.key, p.rt.Now().Add(regiveAfter(f.tries)), f.tries + 1}
	case f.again && len(row.panes) > 0, p.at == keptEnded && row.dirty():
		// Who ended meanwhile, and had all that is left to give, has left this key to its owner.
		p.todo[f.encoded] = keptTodo[K]{f.key, p.rt.Now(), 0}
	}
}

const (
	// regiveFirst is how long a result that failed waits to be given again, the first time, and
	// regiveMost at most.
	regiveFirst = 100 * time.Millisecond
	regiveMost  = time.Minute
)

func regiveAfter(tries int) time.Duration {
	return min(regiveMost, regiveFirst<<min(tries, 16))
}
