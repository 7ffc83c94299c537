package operators

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/rocketflow-io/rocketflow/flow/stage"
	"github.com/rocketflow-io/rocketflow/state"
)

// tableRow is what a table has for a key.
type tableRow struct {
	gone    bool  // it was deleted: what is older does not bring it back
	version int64 // or, where changes have none, the source's time of the record; 0 if that is not known
	value   []byte
}

// tableHead is the bytes of a row before its value.
const tableHead = 1 + 8

func (r tableRow) append(dst []byte) []byte {
	gone := byte(0)
	if r.gone {
		gone = 1
	}
	dst = binary.BigEndian.AppendUint64(append(dst, gone), uint64(r.version))
	return append(dst, r.value...)
}

func decodeTableRow(b []byte) (r tableRow, err error) {
	if len(b) < tableHead || b[0] > 1 {
		return r, errors.New("it is not a row of a joined table: was something else written under its name?")
	}
	return tableRow{gone: b[0] == 1, version: int64(binary.BigEndian.Uint64(b[1:])), value: b[tableHead:]}, nil
}

// arriveChange works out what a change does.
func (p *tabler[K, L, V, O]) arriveChange(v *tabled[L, V]) error {
	value, info := v.Value.Right, v.Info()
	v.row.gone = p.Table.Deletes != nil && p.Table.Deletes(value)
	if !v.row.gone {
		b, err := p.Table.Values.Append(nil, value)
		if err == nil && len(b) > state.MaxValue-tableHead {
			err = fmt.Errorf("%d bytes: at most %d are possible", len(b), state.MaxValue-tableHead)
		}
		if err != nil {
			return stage.Permanent(fmt.Errorf("operators: table %q: encode a value: %w", p.Table.Name, err))
		}
		v.row.value = b
	}
	switch {
	case p.Table.Version != nil:
		v.row.version = p.Table.Version(value)
		return nil
	case !info.EventTime.IsZero():
		v.row.version = info.EventTime.UnixNano()
	}
	v.attempt = info.Attempt
	if v.known = p.again && info.ID != ""; v.known {
		v.id = idOf(v.key, info.Source, info.ID, 0)
	}
	return nil
}

// newer tells whether a change is newer than what is there.
func (p *tabler[K, L, V, O]) newer(v *tabled[L, V], than state.Entry) (bool, error) {
	if !than.Found() {
		return true, nil
	}
	row, err := decodeTableRow(than.Value)
	if err != nil {
		return false, err
	}
	if p.Table.Version == nil && (v.attempt <= 1 || v.row.version == 0) {
		return true, nil
	}
	return v.row.version >= row.version, nil
}

// change makes changes, and gives the keys whose rows may be others now.
func (p *tabler[K, L, V, O]) change(ctx context.Context, changes []*tabled[L, V]) map[string]bool {
	if len(changes) == 0 {
		return nil
	}
	became, err := p.commit(ctx, changes)
	changed := make(map[string]bool, len(changes))
	for i, v := range changes {
		switch {
		case err != nil:
			p.over(ctx, v, fmt.Errorf("operators: table %q: commit changes: %w", p.Table.Name, err))
			continue
		case became[i].err != nil:
			p.over(ctx, v, fmt.Errorf("operators: table %q: read a row: %w", p.Table.Name, became[i].err))
			continue
		case became[i].count != "":
			p.rt.Count(became[i].count, 1)
		}
		changed[v.key] = true // a change that was made before may be one whose commit was not answered
		v.Done()              // rule 6: the store answers for it
		p.over(ctx, v, nil)
	}
	return changed
}

// tableBecame is what became of a change: made, counted as something else, or failed by itself.
type tableBecame struct {
	count string
	err   error
}

// tableConflicts is how often changes are made anew after a conflict.
const tableConflicts = 100

// commit makes changes by what the store has, and anew if others were quicker. After an error they may be
// made or not: another try finds out.
func (p *tabler[K, L, V, O]) commit(ctx context.Context, changes []*tabled[L, V]) ([]tableBecame, error) {
	for try := 0; ; try++ {
		became, c, err := p.draft(ctx, changes)
		if err != nil {
			return nil, err
		}
		_, err = p.Table.Store.Commit(ctx, c)
		if err == nil {
			return became, nil
		}
		if !errors.Is(err, state.ErrConflict) || try >= tableConflicts {
			return nil, err
		}
		p.rt.Count("conflicts", 1)
		if !pause(ctx, time.Duration(min(try, 50))*(time.Millisecond+rand.N(10*time.Millisecond))) {
			return nil, err
		}
	}
}

// draft reads what the store has, and works out what changes make of it. They are of different keys (see
// KeyOf).
func (p *tabler[K, L, V, O]) draft(ctx context.Context, changes []*tabled[L, V]) ([]tableBecame, *state.Changes, error) {
	var ids [][]byte
	keys, marks := make([][]byte, len(changes)), make([]int, len(changes))
	for i, v := range changes {
		keys[i] = []byte(v.key)
		if v.known {
			marks[i] = len(ids)
			ids = append(ids, v.id[:])
		}
	}
	rows, err := p.Table.Store.Get(ctx, p.Table.Name+tableRows, keys...)
	if err != nil {
		return nil, nil, err
	}
	var seen []state.Entry
	if len(ids) > 0 {
		if seen, err = p.Table.Store.Get(ctx, p.Table.Name+tableIDs, ids...); err != nil {
			return nil, nil, err
		}
	}
	became, c, expires := make([]tableBecame, len(changes)), &state.Changes{}, p.rt.Now().Add(p.Table.Remember)
	for i, v := range changes {
		if v.known && seen[marks[i]].Found() {
			became[i].count = "again"
			continue
		}
		if newer, err := p.newer(v, rows[i]); err != nil {
			became[i].err = err
			continue
		} else if !newer {
			became[i].count = "stale"
		} else {
			w := state.Write{Table: p.Table.Name + tableRows, Key: keys[i], Value: v.row.append(nil), If: rows[i].Version}
			if v.row.gone {
				w.Expires = expires
			}
			c.Writes = append(c.Writes, w)
		}
		if v.known {
			c.Writes = append(c.Writes, state.Write{Table: p.Table.Name + tableIDs, Key: ids[marks[i]], If: state.Absent, Expires: expires})
		}
	}
	return became, c, nil
}
