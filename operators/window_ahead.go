package operators

import (
	"context"

	"github.com/rocketflow-io/rocketflow/flow/stage"
)

// ahead is what was looked up for a record before its turn: its key, and the pane of it in the frame that
// the record is likely to be in, nil if there was none.
type ahead[K comparable, A any] struct {
	key  K
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
			v, known := &value[K, T]{Record: r}, (*pane[K, A])(nil)
			if c.At = from + i; i >= found {
				v.key = w.Key(r.Value)
			} else {
				v.key, known = w.ahead[i].key, w.ahead[i].pane
			}
			if err := w.take(ctx, v, known); err != nil {
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
	for i := range rs {
		w.ahead[i] = ahead[K, A]{key: w.Key(rs[i].Value)}
		found++
	}
	f := w.latest
	if f == nil {
		return found
	}
	for i := range rs {
		w.ahead[i].pane = f.paneOf(w.ahead[i].key)
	}
	for i := range rs {
		if p := w.ahead[i].pane; p != nil && p.begun {
			w.met++ // to have looked at the pane
		}
	}
	return found
}
