package operators

import (
	"context"
	"runtime/debug"
	"slices"

	"github.com/rocketflow-io/rocketflow/flow/stage"
)

// countAll counts what has come, of results not too many at once.
func (p *keeper[K, T, A, O]) countAll(ctx context.Context, w keptWork[K, T, A]) {
	for over := w.over; ; w.values = nil {
		n := min(len(over), keptChunk)
		w.over, over = over[:n], over[n:]
		p.count(ctx, w)
		if len(over) == 0 {
			return
		}
		if p.rt.Now().Before(p.restAt) {
			p.later(over)
			return
		}
	}
}

// count has what has come committed: values, the outcome of results, and how far the process is. That may
// still be under way when it returns.
func (p *keeper[K, T, A, O]) count(ctx context.Context, w keptWork[K, T, A]) {
	c := p.counting(ctx, w)
	if follows, _ := p.follow(ctx, c); follows { // the one before sees to its failure itself
		return
	}
	if err := p.keepUp(ctx); err != nil { // before this process is ahead of one that has begun meanwhile
		c.failed(err)
		return
	}
	_ = p.begin(ctx, c) // it sees to its failure itself
}

// counting gives the commit that counts what has come.
func (p *keeper[K, T, A, O]) counting(ctx context.Context, w keptWork[K, T, A]) *keptCommit[K, T, A] {
	values := p.undisturbed(ctx, w.values)
	var changed []keptChange
	c := &keptCommit[K, T, A]{own: max(p.own, w.own), at: w.at}
	if p.under != nil {
		c.own = max(c.own, p.under.own)
	}
	c.wants = func() ([]keptWant[K], error) {
		p.excuseSilence(values)
		err := p.recognize(ctx, values)
		return p.wants(values, w.over), err
	}
	c.plan = func(t *keptTurn[K, T, A]) {
		changed = changed[:0]
		for _, f := range w.over {
			p.note(t, f)
		}
		changed = p.place(t, values, changed)
	}
	c.made = func(t *keptTurn[K, T, A]) {
		p.own, p.at = c.own, c.at
		p.counted(ctx, t, w.over, changed)
	}
	c.failed = func(err error) {
		p.later(w.over)
		p.rested(err)
		for _, v := range values {
			p.excuse(v)
			p.failed(ctx, v, &StoreError{Name: p.kept.Name, Err: err})
		}
	}
	return c
}

// counted follows a commit that has counted values, and noted results that are over.
func (p *keeper[K, T, A, O]) counted(ctx context.Context, t *keptTurn[K, T, A], over []*keptFlight[K, A], changed []keptChange) {
	p.lastTime, p.lastAt = p.own, p.at
	p.rise()
	for _, f := range over {
		p.overWith(t, f)
	}
	for _, k := range t.order {
		if k.touched && k.err == nil {
			p.lookAgain(k)
		}
	}
	p.announce(t, changed)
	p.freshen(t)
	p.publish() // before the engine knows that these are done
	for range over {
		p.noted(ctx)
	}
	p.settle(ctx, t)
}

// freshen notes that values were counted, which the end of the input has not given.
func (p *keeper[K, T, A, O]) freshen(t *keptTurn[K, T, A]) {
	if slices.ContainsFunc(t.became, func(b keptBecame) bool { return b.keptOutcome == keptCounted }) {
		p.given = false
		p.mu.Lock()
		p.fresh = true
		p.mu.Unlock()
	}
}

// undisturbed gives the values that a test does not let fail.
func (p *keeper[K, T, A, O]) undisturbed(ctx context.Context, values []*keptValue[K, T]) []*keptValue[K, T] {
	if p.disturb == nil {
		return values
	}
	return slices.DeleteFunc(values, func(v *keptValue[K, T]) bool {
		err := p.disturb(ctx, v.Value, v.Info())
		if err != nil {
			p.excuse(v)
			p.failed(ctx, v, err)
		}
		return err != nil
	})
}

// recognize asks the store for the ids of values that come again. For the others the commit does.
func (p *keeper[K, T, A, O]) recognize(ctx context.Context, values []*keptValue[K, T]) error {
	var ids [][]byte
	var of []*keptValue[K, T]
	for _, v := range values {
		if v.known && v.info.Attempt > 1 && !v.asked {
			ids, of = append(ids, v.id[:]), append(of, v)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	entries, err := p.kept.Store.Get(ctx, p.tables.ids, ids...)
	if err != nil {
		return err
	}
	for i, e := range entries {
		of[i].again, of[i].asked = e.Found(), true
	}
	return nil
}

// wants gives the keys that values and results are of, in their order, but of values that come again. A value that comes again may be of a window that
// is closed.
func (p *keeper[K, T, A, O]) wants(values []*keptValue[K, T], over []*keptFlight[K, A]) []keptWant[K] {
	all := make([]keptWant[K], 0, len(values)+len(over))
	for _, v := range values {
		if v.again {
			continue
		}
		past := v.info.Attempt > 1 && p.CanBeLate() && p.pastFor > 0
		all = append(all, keptWant[K]{v.key, v.encoded, past})
	}
	for _, f := range over {
		all = append(all, keptWant[K]{f.key, f.encoded, false})
	}
	return all
}

// keptChange is a pane that a turn changes.
type keptChange struct {
	key   string
	start instant
}

// place puts values into the rows of a turn.
func (p *keeper[K, T, A, O]) place(t *keptTurn[K, T, A], values []*keptValue[K, T], changed []keptChange) []keptChange {
	t.values = values
	t.became = append(t.became[:0], make([]keptBecame, len(values))...)
	t.rows = append(t.rows[:0], make([]*keptKey[K, A], len(values))...)
	clear(p.here)
	pl := placing[K, T, A, O]{keptWindowing: &p.keptWindowing, mark: p.high, past: p.past.mark(p.rt)}
	if p.Early > 0 {
		pl.into = func(key string, start instant) { changed = append(changed, keptChange{key, start}) }
	}
	inPart, wanted := int64(0), 0
	for i, v := range values {
		if v.again {
			t.became[i].keptOutcome = keptAgain
			continue
		}
		k := t.of[wanted] // as wants has it
		wanted++
		t.rows[i] = k
		if v.known && p.here[v.id] {
			t.became[i].keptOutcome = keptAgain
			continue
		}
		var part bool
		t.became[i], part = pl.safely(k, v)
		if part {
			inPart++
		}
		if v.known && t.became[i].keptOutcome == keptCounted {
			p.here[v.id] = true
		}
	}
	t.inPart = inPart
	return changed
}

// safely places a value. A panic is a failure of the value, and has changed nothing.
func (p *placing[K, T, A, O]) safely(k *keptKey[K, A], v *keptValue[K, T]) (became keptBecame, inPart bool) {
	defer func() {
		if value := recover(); value != nil {
			became, inPart = keptBecame{keptFailed, &stage.PanicError{Value: value, Stack: debug.Stack()}}, false
		}
	}()
	outcome, inPart := p.place(k, v)
	return keptBecame{keptOutcome: outcome}, inPart
}

// settle settles the values of a turn that was made (rule 6).
func (p *keeper[K, T, A, O]) settle(ctx context.Context, t *keptTurn[K, T, A]) {
	var late []stage.Record[O]
	done := make([]stage.Duty, 0, len(t.values))
	again, lates := int64(0), int64(0)
	for i, v := range t.values {
		switch t.became[i].keptOutcome {
		case keptAgain:
			again++
			done = append(done, v.Duty)
		case keptLate:
			if lates++; p.late != nil {
				late = append(late, v.With(p.late(v.Value)))
			} else {
				done = append(done, v.Duty)
			}
		case keptCounted:
			done = append(done, v.Duty)
		}
	}
	stage.DoneAll(done)
	if len(late) > 0 {
		p.rt.Do(func(ctx context.Context) { p.next.EmitAll(ctx, late) })
	}
	for name, n := range map[string]int64{"again": again, "late": lates, "late_in_part": t.inPart} {
		if n > 0 {
			p.rt.Count(name, n)
		}
	}
	for i, v := range t.values {
		if b := t.became[i]; b.keptOutcome == keptFailed {
			p.failed(ctx, v, b.err)
		} else {
			<-p.slots
			stage.Complete(ctx, p.rt, v.Record, nil)
		}
	}
}

// failed hands a value to the stage's policy.
func (p *keeper[K, T, A, O]) failed(ctx context.Context, v *keptValue[K, T], err error) {
	if v.known && p.Identify == nil {
		p.mu.Lock()
		p.places.giveBack(v.place)
		p.mu.Unlock()
	}
	<-p.slots
	stage.Complete(ctx, p.rt, v.Record, err)
}

// tell has a commit say that the process lives, and how far it is.
func (p *keeper[K, T, A, O]) tell(ctx context.Context) error {
	_, err := p.commit(ctx, keysOf[K](nil), func(*keptTurn[K, T, A]) {})
	return err
}
