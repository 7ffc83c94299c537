package chaosflow

import (
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/rocketflow-io/rocketflow/state"
)

// totals counts the flights of each carrier, as one does who needs no window. What a commit counts it
// also marks, so that nothing is counted twice, and each count is as it was read, so that nothing is
// lost if another process counts at the same time.
type totals struct {
	store  state.Store
	counts state.Table[string, int]
	marks  state.Marks
}

func newTotals(s state.Store) totals {
	return totals{s, Totals(), state.Marks{Table: "flights counted", Keep: marksKept}}
}

// Totals is the table of the counts.
func Totals() state.Table[string, int] { return state.NewTable[string, int]("totals") }

func (t totals) add(ctx context.Context, flights []Flight) error {
	for {
		err := t.try(ctx, flights)
		if !errors.Is(err, state.ErrConflict) {
			return err
		}
	}
}

// try counts what has no mark, unless another process crosses it.
func (t totals) try(ctx context.Context, flights []Flight) error {
	ids := make([]string, len(flights))
	for i, f := range flights {
		ids[i] = f.Key()
	}
	seen, err := t.marks.Seen(ctx, t.store, ids...)
	if err != nil {
		return err
	}
	var changes state.Changes
	more := make(map[string]int)
	for i, f := range flights {
		if !seen[i] && !slices.Contains(ids[:i], ids[i]) {
			more[f.Carrier]++
			t.marks.Add(&changes, ids[i])
		}
	}
	carriers := slices.Sorted(maps.Keys(more))
	counts, err := t.counts.GetAll(ctx, t.store, carriers...)
	if err != nil {
		return err
	}
	for _, c := range counts {
		if err := t.counts.PutIf(&changes, c, c.Value+more[c.Key]); err != nil {
			return err
		}
	}
	_, err = t.store.Commit(ctx, &changes)
	return err
}
