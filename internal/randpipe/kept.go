package randpipe

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/rocketflow-io/rocketflow/flow"
	"github.com/rocketflow-io/rocketflow/state"
)

// keptKinds are windows in a store, which answers for values from the commit on. Their results are taken
// apart as those of other windows are. The test is told what is in the store, and has to see all of it in
// the sinks when the input has ended, whichever processes have died on the way. That a value counts once,
// in all of them, is seen here.
func keptKinds() (all []kind) {
	for _, k := range windowKinds() {
		draw := k.draw
		k.name, k.fits, k.stores = "Kept"+k.name, func(o Options) bool { return o.Keeps }, true
		k.draw = func(a *artist, o *op) {
			draw(a, o)
			o.drawKeeping(a)
		}
		all = append(all, k)
	}
	return all
}

// drawKeeping has windows be kept. They may go by event time where the source has no end, too: what is
// incomplete stays in the store, for a last run.
func (o *op) drawKeeping(a *artist) {
	w := o.window
	w.again = w.again && !w.twins
	w.kept = &keeping{
		heartbeat: a.Between(2*time.Second, 20*time.Second), has: make(map[Place]bool),
		counted: make(map[Place]map[int]bool), panes: make(map[string]map[int]map[Item]bool),
	}
	if w.count == 0 && w.every == 0 {
		w.event = a.Chance(60)
	}
	if !w.event && w.count == 0 && a.Chance(30) { // longer than leases are
		size := a.Between(20*time.Second, 2*time.Minute)
		if w.windows == flow.Tumbling(w.size) {
			w.windows = flow.Tumbling(size)
		} else {
			w.windows = flow.Sessions(size)
		}
		w.size = size
	}
	// What stands in the stage behind a failure of its key may become late there, which only the stage sees.
	switch {
	case !w.event || !a.opts.Keyed:
	case w.every > 0:
		w.outOfOrder = 1000 * time.Hour // it could be so for one of its windows, which nothing tells
	case w.lates == nil:
		w.lates = a.faults(o.name+" late", 25)
	}
	o.store = observed{state.NewMemory(), o}
}

// storing names the stage that has values put into the store.
func (o *op) storing() string { return o.name + " store" }

// keeping is what is known of windows in a store, whichever process runs them.
type keeping struct {
	heartbeat time.Duration

	mu      sync.Mutex
	newest  time.Time              // event time of what has come to any process
	has     map[Place]bool         // what the store has
	counted map[Place]map[int]bool // the deliveries of a value that results have
	panes   map[string]map[int]map[Item]bool
}

// came notes the event time of a value.
func (k *keeping) came(at time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if at.After(k.newest) {
		k.newest = at
	}
}

// newestYet gives the newest event time.
func (k *keeping) newestYet() time.Time {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.newest
}

// check holds a result against those before it, in whatever process: a value is counted once, a revision
// has one value, and the next has what it had.
func (k *keeping) check(o *op, r flow.Window[uint64, []Item]) {
	k.mu.Lock()
	defer k.mu.Unlock()
	items := make(map[Item]bool, len(r.Value))
	for _, it := range r.Value {
		if items[it] {
			o.env.Wrong("%s counts %v twice in %s", o.name, it, r.Pane())
		}
		items[it] = true
		at := it.At(o.name)
		at.Delivery = 0
		if k.counted[at] == nil {
			k.counted[at] = make(map[int]bool)
		}
		if k.counted[at][it.Delivery] {
			continue
		}
		k.counted[at][it.Delivery] = true
		if n := len(k.counted[at]); n > 1 && (o.window.identify || n > o.env.Copies(it.Src)) {
			o.env.Wrong("%s counts %v in %s, though another delivery of it was counted", o.name, it, r.Pane())
		}
	}
	known := k.panes[r.Pane()]
	if known == nil {
		known = make(map[int]map[Item]bool)
		k.panes[r.Pane()] = known
	}
	for revision, had := range known {
		if revision == r.Revision && !maps.Equal(had, items) {
			o.env.Wrong("%s gives revision %d of %s with %v, and before with %v", o.name, revision, r.Pane(), items, had)
		}
		for it := range had {
			if revision < r.Revision && !items[it] {
				o.env.Wrong("%s gives revision %d of %s without %v, which was in revision %d", o.name, r.Revision, r.Pane(), it, revision)
			}
		}
	}
	known[r.Revision] = items
}

// observed is a store that tells what it has.
type observed struct {
	state.Store
	o *op
}

// Commit tells of the values that are in the writes.
func (s observed) Commit(ctx context.Context, c *state.Changes) (state.Version, error) {
	version, err := s.Store.Commit(ctx, c)
	if err == nil {
		for _, w := range c.Writes {
			s.o.has(w.Value)
		}
	}
	return version, err
}

// has notes the values that are in what the store has.
func (o *op) has(b []byte) {
	k := o.window.kept
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, it := range itemsIn(b, o) {
		if at := it.At(o.storing()); !k.has[at] {
			k.has[at] = true
			o.env.Kept(at)
		}
	}
}

// itemsIn gives the values that are in a write.
func itemsIn(b []byte, o *op) (all []Item) {
	for {
		_, rest, ok := bytes.Cut(b, itemMark)
		if !ok {
			return all
		}
		it, _, err := decodeItem(rest)
		if err != nil {
			o.env.Wrong("%s has what is no value in its store", o.name)
			return all
		}
		all, b = append(all, it), rest
	}
}

// committed forgets the values of which the store has said that it has them. Of a commit whose answer is
// lost the run does not know, though the store has what is in it.
func (r *windowRun) committed(c *state.Changes) {
	said := make(map[Place]bool)
	for _, w := range c.Writes {
		for _, it := range itemsIn(w.Value, r.o) {
			said[it.At(r.o.storing())] = true
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.put = slices.DeleteFunc(r.put, func(it Item) bool { return said[it.At(r.o.storing())] })
}

// noticed gives the error of a store.
func (r *windowRun) noticed(err error) error {
	if err == nil || errors.Is(err, state.ErrConflict) {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.put) > 0 {
		r.o.env.Failed(r.o.storing(), OfStore, r.put)
		if r.o.window.event && r.o.window.lone {
			for _, it := range r.put {
				r.o.env.Dropped(it.At(r.o.name))
			}
		}
	}
	return err
}

// itemMark is before each value in a store.
var itemMark = []byte("\xf3value\x91\xe7")

var errNoItems = errors.New("no values")

// itemCodec encodes values so that they are found in what a store has.
type itemCodec struct{}

var _ state.Codec[[]Item] = itemCodec{}

// Append encodes values.
func (itemCodec) Append(dst []byte, items []Item) ([]byte, error) {
	for _, it := range items {
		dst = append(dst, itemMark...)
		for _, n := range []uint64{uint64(it.Src), uint64(it.Delivery), it.ID, uint64(it.Lane), uint64(len(it.Key))} {
			dst = binary.BigEndian.AppendUint64(dst, n)
		}
		dst = append(dst, it.Key...)
	}
	return dst, nil
}

// Decode decodes values.
func (itemCodec) Decode(b []byte) (items []Item, err error) {
	for len(b) > 0 {
		rest, ok := bytes.CutPrefix(b, itemMark)
		if !ok {
			return nil, errNoItems
		}
		it, rest, err := decodeItem(rest)
		if err != nil {
			return nil, err
		}
		items, b = append(items, it), rest
	}
	return items, nil
}

// decodeItem gives the value at the begin of what is behind a mark, and the rest.
func decodeItem(b []byte) (it Item, rest []byte, err error) {
	var n [5]uint64
	for i := range n {
		if len(b) < 8 {
			return it, nil, errNoItems
		}
		n[i], b = binary.BigEndian.Uint64(b), b[8:]
	}
	if n[4] > uint64(len(b)) {
		return it, nil, errNoItems
	}
	return Item{Src: int(n[0]), Delivery: int(n[1]), ID: n[2], Lane: int(n[3]), Key: string(b[:n[4]])}, b[n[4]:], nil
}
