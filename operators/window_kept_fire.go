package operators

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/rocketflow-io/rocketflow/flow/stage"
	"github.com/rocketflow-io/rocketflow/state"
)

// keptTodo is a key that is to be looked at, whatever the watermark.
type keptTodo[K comparable] struct {
	key   K
	at    time.Time
	tries int // how often its results have failed
}

const (
	// keptChunk is of how many keys results are claimed in one commit.
	keptChunk = 1024
	// keptScan is how many keys that are due are read at once.
	keptScan = 1 << 16
)

// give gives the results that are due.
func (p *keeper[K, T, A, O]) give(ctx context.Context) error {
	if err := p.keepUp(ctx); err != nil {
		return err
	}
	if p.mark == nil && p.Windows.kind != counted {
		p.rise()
	}
	if full := !p.rt.Now().Before(p.fullAt); full || p.high >= p.nextDue {
		from := p.reached
		if full || p.nextDue == soon {
			from = never
		}
		if err := p.due(ctx, from, p.high); err != nil {
			return err
		}
		if full {
			p.fullAt = p.rt.Now().Add(p.kept.Heartbeat)
		}
	}
	if err := p.doTodo(ctx, p.high); err != nil {
		return err
	}
	return p.giveEarly(ctx)
}

// due looks at the keys that are due by times in a range.
func (p *keeper[K, T, A, O]) due(ctx context.Context, from, until instant) error {
	for cursor := appendTime(nil, from); cursor != nil; {
		keys, next, more, err := p.scan(ctx, cursor, until)
		if err != nil {
			return err
		}
		if more == nil {
			p.nextDue, p.reached = next, max(p.reached, until) // what claims put off may be due before
		}
		if err := p.claimAll(ctx, keys, until); err != nil {
			p.nextDue = soon // to begin anew
			return err
		}
		cursor = more
	}
	return nil
}

// scan gives the keys that are due up to a time, from a place in the table on, and when the next is, or
// where there are more.
func (p *keeper[K, T, A, O]) scan(ctx context.Context, from []byte, until instant) (keys []keptTodo[K], next instant, more []byte, err error) {
	for e, err := range p.kept.Store.Scan(ctx, p.tables.due, state.Range{From: from}) {
		if err != nil {
			return nil, 0, nil, err
		}
		if len(e.Key) < 8 {
			return nil, 0, nil, errKeptRow
		}
		if at := decodeTime(e.Key); at > until {
			return keys, at, nil, nil
		}
		if len(keys) == keptScan {
			return keys, 0, slices.Clone(e.Key), nil
		}
		key, err := p.kept.Keys.Decode(e.Key[8:])
		if err != nil {
			return nil, 0, nil, err
		}
		keys = append(keys, keptTodo[K]{key: key})
	}
	return keys, always, nil, nil
}

// lookAgain puts a key on the list that is due by what a turn has changed. A correction waits for others.
func (p *keeper[K, T, A, O]) lookAgain(k *keptKey[K, A]) {
	if _, out := p.out[k.encoded]; out || len(k.row.panes) == 0 || p.nextOf(&k.row) > p.high || p.othersHave(&k.row) {
		return
	}
	if _, listed := p.todo[k.encoded]; listed {
		return
	}
	at := p.rt.Now()
	for i := range k.row.panes {
		if k.row.panes[i].results > 0 {
			at = at.Add(correctAfter)
			break
		}
	}
	p.todo[k.encoded] = keptTodo[K]{key: k.key, at: at}
}

// othersHave tells whether results of a row are out that another process gives, which lives.
func (p *keeper[K, T, A, O]) othersHave(row *keptRow[A]) bool {
	_, lives := p.others[row.owner]
	return lives
}

// doTodo looks at the keys of the list whose time has come.
func (p *keeper[K, T, A, O]) doTodo(ctx context.Context, horizon instant) error {
	now := p.rt.Now()
	var keys []keptTodo[K]
	for _, t := range p.todo {
		if !t.at.After(now) {
			keys = append(keys, t)
		}
	}
	// In the order in which they came to be listed: that of a map is none.
	slices.SortFunc(keys, func(a, b keptTodo[K]) int { return a.at.Compare(b.at) })
	return p.claimAll(ctx, keys, horizon)
}

// claimAll claims the results of keys that are due, each of which is there once, and gives them.
func (p *keeper[K, T, A, O]) claimAll(ctx context.Context, keys []keptTodo[K], horizon instant) error {
	for chunk := range slices.Chunk(keys, keptChunk) {
		if err := p.claim(ctx, chunk, horizon); err != nil {
			return err
		}
	}
	return p.join(ctx)
}

// claim has a commit say that this process gives the results of keys that are due, and gives them when it
// is made.
func (p *keeper[K, T, A, O]) claim(ctx context.Context, keys []keptTodo[K], horizon instant) error {
	all := make([]keptWant[K], len(keys))
	var tries map[string]int // of those whose results have failed
	for i, t := range keys {
		encoded, err := p.kept.Keys.Append(nil, t.key)
		if err != nil {
			return errors.Join(err, p.join(ctx))
		}
		all[i] = keptWant[K]{key: t.key, encoded: string(encoded)}
		if t.tries > 0 {
			if tries == nil {
				tries = make(map[string]int)
			}
			tries[all[i].encoded] = t.tries
		}
	}
	wants := p.free(all)
	if len(wants) == 0 {
		return nil
	}
	c := &keptCommit[K, T, A]{wants: keysOf(wants), own: p.own, at: p.at, made: p.claimed, idles: true}
	c.plan = func(t *keptTurn[K, T, A]) {
		for _, k := range t.order {
			p.claimRow(t, k, tries[k.encoded], horizon)
		}
	}
	if follows, err := p.follow(ctx, c); follows || err != nil {
		return err
	}
	return p.begin(ctx, c)
}

// free gives those of some keys that have no results on their way, and do not wait for their time. The
// others are looked at again when these are over.
func (p *keeper[K, T, A, O]) free(keys []keptWant[K]) []keptWant[K] {
	free := make([]keptWant[K], 0, len(keys))
	for _, k := range keys {
		if listed, ok := p.todo[k.encoded]; ok && listed.at.After(p.rt.Now()) {
			continue
		}
		if f, out := p.out[k.encoded]; out {
			f.again = true
			delete(p.todo, k.encoded)
			continue
		}
		free = append(free, k)
	}
	return free
}

// claimed gives the results that a turn has claimed.
func (p *keeper[K, T, A, O]) claimed(t *keptTurn[K, T, A]) {
	var out []stage.Record[O]
	for _, k := range t.order {
		delete(p.todo, k.encoded)
		if k.given != nil {
			p.out[k.encoded] = k.given
			out = p.records(k.given, out)
		}
	}
	p.emitKept(out)
	for _, k := range t.order {
		if k.given != nil {
			k.given.slab.Release()
		}
	}
}

// claimRow has a turn claim the results of a key.
func (p *keeper[K, T, A, O]) claimRow(t *keptTurn[K, T, A], k *keptKey[K, A], tries int, horizon instant) {
	row := &k.row
	if row.owner != "" && row.owner != p.self {
		if p.othersHave(row) {
			p.owners[row.owner] = struct{}{}
			return
		}
		row.owner = "" // it has died
	}
	p.shut(t, k)
	f := &keptFlight[K, A]{key: k.key, encoded: k.encoded, tries: tries, settled: p.landing}
	for i := range row.panes {
		pane := &row.panes[i]
		if !pane.dirty && !pane.out || p.turns(pane) > horizon {
			continue
		}
		if pane.dirty {
			pane.results++
			pane.dirty, pane.out = false, true
			k.touched = true
		}
		f.given = append(f.given, keptGiven[A]{pane: *pane, revision: pane.results - 1})
	}
	if len(f.given) > 0 {
		slices.SortStableFunc(f.given, func(a, b keptGiven[A]) int { return cmp.Compare(a.pane.end, b.pane.end) })
		k.given = f
		if row.owner != p.self {
			row.owner, k.touched = p.self, true
		}
		t.raises = t.raises || p.Windows.kind != counted
	}
	if row.due != p.nextOf(row) {
		k.touched, k.settled = true, true
	}
}

// records gives the results of a flight, and withdraws what they take the place of.
func (p *keeper[K, T, A, O]) records(f *keptFlight[K, A], to []stage.Record[O]) []stage.Record[O] {
	f.slab.Open(len(f.given), f, stage.SlabOptions{Quiet: true})
	for i := range f.given {
		g := &f.given[i]
		d := f.slab.Duty(i)
		d.Retain(len(g.pane.former))
		for _, old := range g.pane.former {
			to = append(to, stage.Record[O]{Duty: d, Value: p.result(Window[K, A]{
				Key: f.key, Start: old.start.time(), End: old.end.time(), Revision: int(old.results), Withdrawn: true,
			})})
		}
		to = append(to, stage.Record[O]{Duty: d, Value: p.resultKept(f.key, &g.pane, g.revision, false)})
	}
	return to
}

func (p *keeper[K, T, A, O]) resultKept(key K, pane *keptPane[A], revision int, early bool) O {
	value := pane.value
	if p.agg.seal != nil {
		value = p.agg.seal(value)
	}
	return p.result(Window[K, A]{
		Key: key, Start: pane.start.time(), End: pane.end.time(), First: pane.first,
		Value: value, Revision: revision, Early: early,
	})
}

func (p *keeper[K, T, A, O]) emitKept(out []stage.Record[O]) {
	if len(out) > 0 {
		p.rt.Do(func(ctx context.Context) { p.next.EmitAll(ctx, out) })
	}
}
