package operators

import (
	"context"
	"slices"

	"github.com/rocketflow-io/rocketflow/state"
)

// begin makes a turn as new, for so many keys. It has the memory that it had.
func (t *keptTurn[K, T, A]) begin(number uint64, n int) {
	clear(t.all)
	clear(t.writes)
	clear(t.keys)
	if t.keys == nil {
		t.keys = make(map[string]*keptKey[K, A], n)
	}
	*t = keptTurn[K, T, A]{
		number: number, keys: t.keys, all: slices.Grow(t.all[:0], n)[:n], order: t.order[:0], of: t.of[:0],
		became: t.became[:0], rows: t.rows[:0], writes: t.writes[:0], draft: t.draft, arena: t.arena[:0],
	}
}

// load begins a turn with what the store has of keys; of those of a turn whose commit is under way, if there is
// one, with what it will have.
func (p *keeper[K, T, A, O]) load(ctx context.Context, t, before *keptTurn[K, T, A], wants []keptWant[K]) error {
	p.number++
	t.begin(p.number, len(wants))
	var asked []*keptKey[K, A]
	cached := findAll(&p.cache, wants)
	for i, want := range wants {
		k := t.keys[want.encoded]
		if k == nil {
			k = &t.all[i]
			k.key, k.encoded = want.key, want.encoded
			t.keys[want.encoded] = k
			t.order = append(t.order, k)
			k.cached = cached[i]
			if before != nil {
				k.before = before.keys[want.encoded]
			}
			switch {
			case k.before != nil:
				k.row.copy(&k.before.row, k.pane[:])
				k.version = k.before.version
			case k.cached != nil:
				k.row.copy(&k.cached.row, k.pane[:])
				k.version = k.cached.version
			default:
				asked = append(asked, k)
			}
		}
		t.of = append(t.of, k)
		k.asksPast = k.asksPast || want.past
	}
	if err := p.read(ctx, t, asked); err != nil {
		return err
	}
	for _, k := range t.order {
		k.wasDue = k.row.due
		if !k.asksPast {
			continue
		}
		for e, err := range p.kept.Store.Scan(ctx, p.tables.past, state.Prefix(pastPrefix(nil, k.encoded))) {
			if err != nil {
				return err
			}
			pane, err := decodePane(&keptReader{b: e.Value}, p.kept.Values)
			if err != nil {
				return err
			}
			k.past = append(k.past, pane)
		}
	}
	return nil
}

// read reads rows of the store.
func (p *keeper[K, T, A, O]) read(ctx context.Context, t *keptTurn[K, T, A], keys []*keptKey[K, A]) error {
	if len(keys) == 0 {
		return nil
	}
	ask := make([][]byte, len(keys))
	for i, k := range keys {
		ask[i] = t.bytes(k.encoded)
	}
	entries, err := p.kept.Store.Get(ctx, p.tables.rows, ask...)
	if err != nil {
		return err
	}
	for i, e := range entries {
		k := keys[i]
		k.version, k.row = e.Version, keptRow[A]{closed: never, due: nothingDue}
		if !e.Found() {
			continue
		}
		if k.row, err = decodeRow(e.Value, p.kept.Values); err != nil {
			return err
		}
	}
	return nil
}

// bytes gives the bytes of a text, to be used until the store has answered.
func (t *keptTurn[K, T, A]) bytes(s string) []byte {
	from := len(t.arena)
	t.arena = append(t.arena, s...)
	return t.arena[from:len(t.arena):len(t.arena)]
}
