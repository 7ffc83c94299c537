package randpipe

import (
	"context"
	"encoding/binary"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/rocketflow-io/rocketflow/state"
)

// tabling is a join with a table: its arguments, and what is known of the table, whichever process runs it.
type tabling struct {
	inner   bool
	deletes uint64 // percent of the changes
	wait    time.Duration
	faults  *Faults // of the function that joins

	mu    sync.Mutex
	keyOf map[int64]uint64 // of the changes that have come, by version
	rows  map[uint64]*tabled
	there map[Place]bool // changes that are in the table, or a newer one
}

// tabled is what is known of a key.
type tabled struct {
	newest int64  // version that the store has; 0 for none
	gone   int64  // newest deletion that has come, whether the store has it or not
	asked  []Item // changes that have come and are not there
}

// tableKind joins each value with the row of a table of which the same values are the changes. A change is an
// effect, which is there when a commit has it or a newer one of its key; and so is the result of a value. What
// the store has is told by its commits. A row is never set back, and a value finds what was committed before it
// came, or something newer.
func tableKind() kind {
	return kind{
		name: "JoinTable", fits: func(o Options) bool { return o.Tables }, fansIn: true, tables: true, gives: mapped,
		draw: func(a *artist, o *op) { o.drawTabling(a) }, add: (*op).joinTable,
	}
}

func (o *op) drawTabling(a *artist) {
	t := &tabling{
		inner: a.Chance(40), keyOf: make(map[int64]uint64), rows: make(map[uint64]*tabled), there: make(map[Place]bool),
		faults: a.faults(o.tableStage(), 25),
	}
	if a.Chance(60) {
		t.deletes = uint64(10 + a.IntN(40))
	}
	if a.Chance(40) {
		t.wait = a.Between(time.Millisecond, 2*time.Second)
		a.design.Waits = true
	}
	o.keys = 1 + a.IntN(6)
	o.table, o.store = t, tableStore{state.NewMemory(), o}
}

// tableStage names the stage that joins, and the rows where changes have to be.
func (o *op) tableStage() string { return o.name + " table" }

func (o *op) tableKey(it Item) uint64 { return it.ID % uint64(o.keys) }
func (o *op) version(it Item) int64   { return o.happened(it).UnixNano() }
func (o *op) deletesRow(it Item) bool { return Mix(it.ID, o.salt, 4)%100 < o.table.deletes }

func (t *tabling) rowLocked(k uint64) *tabled {
	if t.rows[k] == nil {
		t.rows[k] = &tabled{}
	}
	return t.rows[k]
}

// joinTable adds a join with a table, held to its values.
func (o *op) joinTable(s stream) stream {
	run := &tableRun{o: o}
	sides := s.Broadcast(2)
	table := sides[1].Via(watch{begin: run.begin, enter: run.change}).KeyBy(o.tableKey).
		Table(noticing{o.store, run}, o.name).Version(o.version)
	if o.table.deletes > 0 {
		table = table.Deletes(o.deletesRow)
	}
	joined := sides[0].Via(watch{begin: func() {}, enter: run.ask}).KeyBy(o.tableKey).JoinTable(table).
		WaitFor(o.table.wait).Named(o.tableStage())
	var results stream
	if o.table.inner {
		results = joined.Inner(func(it, row Item) Item { return run.found(it, &row) })
	} else {
		results = joined.Left(run.found)
	}
	return results.TryMap(o.tryMap).Named(o.name)
}

// changed is that a value is in the table as a change. It stays there, and order is not asked of it: the newest
// of a key stands for the others.
func (o *op) changed(at located) Effect {
	hops := append([]hop(nil), at.hops...)
	hops[len(hops)-1].once, hops[len(hops)-1].kept = true, true
	return Effect{Sink: o.tableStage(), ID: at.ID, Lane: at.Lane, hops: hops}
}

// tableRun is one run of a join with a table.
type tableRun struct {
	o *op

	mu      sync.Mutex
	changes map[Item]bool  // that have come: any of them may fail, since answers get lost
	asks    map[Item]int64 // values that are to be joined: the version that was there for sure
}

func (r *tableRun) begin() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.changes, r.asks = make(map[Item]bool), make(map[Item]int64)
}

// change notes that a change has come.
func (r *tableRun) change(it Item) {
	o, t := r.o, r.o.table
	r.mu.Lock()
	r.changes[it] = true
	r.mu.Unlock()
	t.mu.Lock()
	defer t.mu.Unlock()
	version, row := o.version(it), t.rowLocked(o.tableKey(it))
	t.keyOf[version] = o.tableKey(it)
	if o.deletesRow(it) {
		row.gone = max(row.gone, version)
	}
	row.asked = append(row.asked, it)
	o.arriveLocked(row)
}

// arriveLocked notes which changes are there by now.
func (o *op) arriveLocked(row *tabled) {
	var left []Item
	for _, it := range row.asked {
		at := it.At(o.tableStage())
		switch {
		case o.version(it) > row.newest:
			left = append(left, it)
		case !o.table.there[at]:
			o.table.there[at] = true
			o.env.Arrived(o.tableStage(), it)
		}
	}
	row.asked = left
}

// ask notes that a value is to be joined.
func (r *tableRun) ask(it Item) {
	o, t := r.o, r.o.table
	t.mu.Lock()
	newest := t.rowLocked(o.tableKey(it)).newest
	t.mu.Unlock()
	if t.inner && (newest == 0 || t.deletes > 0) {
		o.env.Dropped(it.At(o.name)) // there may be no row when it is looked for
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asks[it] = newest
}

// found holds what a value has found against what was there when it came, and may panic.
func (r *tableRun) found(it Item, row *Item) Item {
	o, t := r.o, r.o.table
	r.mu.Lock()
	least := r.asks[it]
	r.mu.Unlock()
	t.mu.Lock()
	gone, known := t.rowLocked(o.tableKey(it)).gone, false
	if row != nil {
		_, known = t.keyOf[o.version(*row)]
	}
	t.mu.Unlock()
	switch {
	case row == nil && least > gone:
		o.env.Wrong("%s finds no row for %v, though change %d had come and none deletes it", o.name, it, least)
	case row == nil:
	case !known || o.tableKey(*row) != o.tableKey(it) || o.deletesRow(*row):
		o.env.Wrong("%s finds %v for %v, which is no row of its key", o.name, *row, it)
	case o.version(*row) < least:
		o.env.Wrong("%s finds change %d for %v, though change %d had come before it", o.name, o.version(*row), it, least)
	}
	o.table.faults.panics(it)
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.asks, it)
	return it
}

// tableStore is the store of a table, which tells what it has.
type tableStore struct {
	state.Store
	o *op
}

// Commit tells of the changes that are made, in their order.
func (s tableStore) Commit(ctx context.Context, c *state.Changes) (state.Version, error) {
	o, t := s.o, s.o.table
	t.mu.Lock()
	defer t.mu.Unlock()
	committed, err := s.Store.Commit(ctx, c)
	if err != nil {
		return committed, err
	}
	for _, w := range c.Writes {
		version := int64(binary.BigEndian.Uint64(w.Value[1:])) // behind what tells of a deletion
		key, ok := t.keyOf[version]
		row := t.rowLocked(key)
		switch {
		case !ok:
			o.env.Wrong("%s has a row of version %d in its store, which no change has", o.name, version)
		case version < row.newest:
			o.env.Wrong("%s sets the row of %d back from change %d to change %d", o.name, key, row.newest, version)
		}
		row.newest = max(row.newest, version)
		o.arriveLocked(row)
	}
	return committed, nil
}

// committed has nothing to note: all that has come in the run may fail.
func (r *tableRun) committed(*state.Changes) {}

// noticed gives the error of a store.
func (r *tableRun) noticed(err error) error {
	if err == nil || errors.Is(err, state.ErrConflict) {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	all := slices.Collect(maps.Keys(r.changes))
	for it := range r.asks {
		all = append(all, it)
	}
	if len(all) > 0 {
		r.o.env.Failed(r.o.tableStage(), OfStore, all)
	}
	return err
}
