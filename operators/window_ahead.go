package operators

import (
	"context"

	"github.com/rocketflow-io/rocketflow/flow/stage"
)

// ahead is what was looked up for a record before its turn: its key, and the pane of it in the frame that
// the record is likely to be in, nil if there was none.
type ahead[K comparable, A any] struct {
	key  K
	hash uint32
	pane *pane[K, A]
}

// aheadMost is how many records are looked up together. With very many keys each look-up waits for
// memory, and a processor waits for several at a time if little lies between them.
const aheadMost = 32

var _ stage.Chunker[int, int] = (*windower[int, int, int, int])(nil)

// ProcessChunk does what Process does with each record, and looks up before what that will need.
func (w *windower[K, T, A, O]) ProcessChunk(ctx context.Context, c *stage.Chunk[T, O]) error {
	for from := c.At; from < len(c.In); from += aheadMost {
		group := c.In[from:min(from+aheadMost, len(c.In))]
		found := w.lookAhead(group)
		for i, r := range group {
			c.At = from + i
			if i >= found {
				if err := w.Process(ctx, r); err != nil {
					return err
				}
				continue
			}
			a := &w.ahead[i]
			if err := w.take(ctx, &value[K, T]{Record: r, key: a.key, hash: a.hash}, a.pane); err != nil {
				return err
			}
		}
	}
	return nil
}

// lookAhead looks up what is needed for records, and tells for how many, from the first. It ends at one
// whose key the user's function fails to give: it will fail in its turn.
func (w *windower[K, T, A, O]) lookAhead(rs []stage.Record[T]) (found int) {
	defer func() { _ = recover() }()
	hashes := w.Windows.kind == aligned
	for i := range rs {
		a := ahead[K, A]{key: w.Key(rs[i].Value)}
		if hashes {
			a.hash = hashOf(w.seed, a.key)
		}
		w.ahead[i] = a
		found++
	}
	if f := w.latest; f != nil {
		w.lookUp(f, w.ahead[:found])
	}
	return found
}

// lookUp looks up panes in a frame, one thing for all before the next.
func (w *windower[K, T, A, O]) lookUp(f *frame[K, A], all []ahead[K, A]) {
	for i := range all {
		if place, ok := f.index.first(all[i].hash); ok {
			all[i].pane = f.panes.at(place)
		}
	}
	for i := range all {
		if a := &all[i]; a.pane != nil && a.pane.key != a.key {
			a.pane = f.paneOf(a.hash, a.key)
		}
	}
}
