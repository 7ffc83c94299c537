package operators

import (
	"context"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/rocketflow-io/rocketflow/flow/stage"
	"github.com/rocketflow-io/rocketflow/state"
)

// tableLookEvery is how often it is looked whether another process has made a row that is waited for.
const tableLookEvery = time.Second

// look joins values with their rows: those that have come, and those that wait, as far as they may have a
// row by now or wait no more. They are looked up together, so that of one key those that came first leave
// first.
func (p *tabler[K, L, V, O]) look(ctx context.Context, asks []*tabled[L, V], changed map[string]bool) {
	all := p.due(asks, changed)
	if len(all) == 0 {
		return
	}
	rows, err := p.lookUp(ctx, all)
	if err != nil {
		err = fmt.Errorf("operators: table %q: look rows up: %w", p.Table.Name, err)
	}
	now := p.rt.Now()
	p.rt.Do(func(ctx context.Context) {
		var out []stage.Record[O]
		results := make([]tableResult, len(all))
		for i, v := range all {
			row := tableFound[V]{err: err}
			if err == nil {
				row = rows[v.key]
			}
			var o O
			if o, results[i] = p.result(v, row, now); results[i].emits {
				out = append(out, v.With(o))
			}
		}
		if len(out) > 0 {
			p.next.EmitAll(ctx, out)
		}
		for i, v := range all {
			p.done(ctx, v, results[i])
		}
	})
}

// due gives what is to be looked up, in the order in which it came, and leaves the others waiting.
func (p *tabler[K, L, V, O]) due(asks []*tabled[L, V], changed map[string]bool) []*tabled[L, V] {
	if len(p.waiting) == 0 {
		return asks
	}
	now := p.rt.Now()
	every := !now.Before(p.lookAt)
	keys := make(map[string]bool, len(asks))
	for _, v := range asks {
		keys[v.key] = true
	}
	var all, rest []*tabled[L, V]
	for _, v := range p.waiting {
		if every || changed[v.key] || keys[v.key] || !now.Before(v.until) {
			all = append(all, v)
		} else {
			rest = append(rest, v)
		}
	}
	p.waiting = rest
	return append(all, asks...)
}

// tableFound is the row of a key.
type tableFound[V any] struct {
	value *V // nil if there is none
	err   error
}

// lookUp asks the store for the rows of values, by encoded key.
func (p *tabler[K, L, V, O]) lookUp(ctx context.Context, all []*tabled[L, V]) (map[string]tableFound[V], error) {
	rows := make(map[string]tableFound[V], len(all))
	var keys [][]byte
	for _, v := range all {
		if _, ok := rows[v.key]; !ok {
			rows[v.key] = tableFound[V]{}
			keys = append(keys, []byte(v.key))
		}
	}
	entries, err := p.Table.Store.Get(ctx, p.Table.Name+tableRows, keys...)
	if err != nil {
		return nil, err
	}
	for i, e := range entries {
		if e.Found() {
			rows[string(keys[i])] = p.decode(e)
		}
	}
	return rows, nil
}

func (p *tabler[K, L, V, O]) decode(e state.Entry) (found tableFound[V]) {
	row, err := decodeTableRow(e.Value)
	if err == nil && row.gone {
		return found
	}
	var value V
	if err == nil {
		value, err = p.Table.Values.Decode(row.value)
	}
	if err != nil {
		return tableFound[V]{err: fmt.Errorf("operators: table %q: read a row: %w", p.Table.Name, err)}
	}
	return tableFound[V]{value: &value}
}

// tableResult is what becomes of a value: it emits, fails, waits, or else is done.
type tableResult struct {
	emits bool
	waits bool
	err   error
}

// result makes what comes of a value and its row.
func (p *tabler[K, L, V, O]) result(v *tabled[L, V], row tableFound[V], now time.Time) (o O, r tableResult) {
	defer func() {
		if panicked := recover(); panicked != nil {
			r = tableResult{err: &stage.PanicError{Value: panicked, Stack: debug.Stack()}}
		}
	}()
	switch {
	case row.err != nil && v.slot:
		r.err = row.err
	case row.err != nil: // it waits already, and the store may answer in time
		r = tableResult{waits: now.Before(v.until), err: row.err}
	case row.value == nil && now.Before(v.until):
		r.waits = true
	case row.value == nil && p.Kind == InnerJoin:
	default:
		o, r.emits = p.f(v.Value.Left, row.value), true
	}
	return o, r
}

// done returns a value, or has it wait. A value that waits leaves its slot to what it waits for.
func (p *tabler[K, L, V, O]) done(ctx context.Context, v *tabled[L, V], r tableResult) {
	switch {
	case r.waits:
		p.release(v)
		if len(p.waiting) == 0 {
			p.lookAt = p.rt.Now().Add(p.lookEvery())
		}
		p.waiting = append(p.waiting, v)
		return
	case r.err == nil && !r.emits:
		p.rt.Count("unmatched", 1)
		v.Done()
	}
	p.over(ctx, v, r.err)
}

func (p *tabler[K, L, V, O]) lookEvery() time.Duration {
	return max(min(tableLookEvery, p.WaitFor/4), time.Millisecond)
}

// rest is how long what waits does so, unless something comes.
func (p *tabler[K, L, V, O]) rest() time.Duration {
	now := p.rt.Now()
	if !now.Before(p.lookAt) {
		p.lookAt = now.Add(p.lookEvery())
	}
	next := p.lookAt
	for _, v := range p.waiting {
		if v.until.Before(next) {
			next = v.until
		}
	}
	return max(next.Sub(now), 0)
}
