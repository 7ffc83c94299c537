package operators

import "github.com/rocketflow-io/rocketflow/state"

// made takes note of what the store has since a turn was made.
func (p *keeper[K, T, A, O]) made(t *keptTurn[K, T, A], version state.Version) {
	for _, w := range t.writes {
		switch {
		case w.floor:
			p.past.note(p.rt, t.high)
			p.floor.mark, p.floor.version = t.high, version
		case w.key == nil:
		case len(w.key.row.panes) > 0 && len(p.others) == 0:
			p.cache.put(w.key.encoded, w.key.cached, &w.key.row, version, w.key.size)
		default:
			p.cache.drop(w.key.encoded)
		}
		if w.key != nil && w.key.row.due > p.high {
			p.nextDue = min(p.nextDue, w.key.row.due)
		}
	}
}

// yield gives up what a turn went by that others have changed.
func (p *keeper[K, T, A, O]) yield(t *keptTurn[K, T, A], conflict *state.ConflictError) {
	p.given = false
	for _, i := range conflict.Writes {
		switch w := t.writes[i]; {
		case w.seat:
			p.seat.known = false
		case w.floor:
			p.floor.known = false
		case w.value >= 0:
			t.values[w.value].again = true
		case w.key != nil:
			p.cache.drop(w.key.encoded)
		}
	}
}

// forget gives up all that a turn went by, since it may have been made.
func (p *keeper[K, T, A, O]) forget(t *keptTurn[K, T, A]) {
	for key := range t.keys {
		p.cache.drop(key)
	}
	p.seat.known, p.floor.known, p.given = false, false, false
}

const (
	// keptCached is how many bytes of rows, about, are kept in memory, so that they need not be read.
	keptCached = 32 << 20
	// keptOverhead is how many bytes a row takes in memory beside its key and its panes.
	keptOverhead = 160
)

// keptInMemory is a row as the store has it, unless another process has changed it: then a commit tells.
type keptInMemory[A any] struct {
	row     keptRow[A]
	version state.Version
	bytes   int            // that it counts for; 0 if it is not in the cache any more
	pane    [1]keptPane[A] // memory for that of row
}

// keptCache is rows that are in memory.
type keptCache[A any] struct {
	rows  map[string]*keptInMemory[A]
	bytes int
	sink  int // keeps findAll from being idle
}

// findAll gives those of some rows that are in memory. It touches all before any is used: most of the time is
// waiting for memory, and so for many at once.
func findAll[K comparable, A any](c *keptCache[A], wants []keptWant[K]) []*keptInMemory[A] {
	found := make([]*keptInMemory[A], len(wants))
	for i := range wants {
		found[i] = c.rows[wants[i].encoded]
	}
	for _, r := range found {
		if r != nil {
			c.sink += r.bytes + r.pane[0].results
		}
	}
	return found
}

// put keeps a row, in the place of the one that was found if there is one. When there is too much, any
// others go.
func (c *keptCache[A]) put(key string, found *keptInMemory[A], row *keptRow[A], version state.Version, size int) {
	if found == nil || found.bytes == 0 {
		c.drop(key)
		found = &keptInMemory[A]{}
		if c.rows == nil {
			c.rows = make(map[string]*keptInMemory[A])
		}
		c.rows[key] = found
	}
	bytes := keptOverhead + len(key) + 2*size
	c.bytes += bytes - found.bytes
	panes := found.row.panes
	if panes == nil {
		panes = found.pane[:]
	}
	clear(panes[min(len(panes), len(row.panes)):])
	found.row.copy(row, panes)
	found.version, found.bytes = version, bytes
	if c.bytes <= keptCached {
		return
	}
	for other := range c.rows {
		if c.drop(other); c.bytes <= keptCached/16*15 {
			return
		}
	}
}

func (c *keptCache[A]) drop(key string) {
	if r := c.rows[key]; r != nil {
		c.bytes -= r.bytes
		r.bytes = 0
		delete(c.rows, key)
	}
}

func (c *keptCache[A]) clear() {
	for _, r := range c.rows {
		r.bytes = 0
	}
	clear(c.rows)
	c.bytes = 0
}
