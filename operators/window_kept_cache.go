package operators

import "github.com/rocketflow-io/rocketflow/state"

// made takes note of what the store has since a turn was made.
func (p *keeper[K, T, A, O]) made(t *keptTurn[K, T, A], version state.Version) {
	for _, w := range t.writes {
		switch {
		case w.floor:
			p.past.note(p.rt, p.high)
			p.floor.mark, p.floor.version = p.high, version
		case w.key == nil:
		case len(w.key.row.panes) > 0 && len(p.others) == 0:
			p.remember(w.key, version)
		default:
			delete(p.cache, w.key.encoded)
		}
		if w.key != nil && w.key.row.due > p.high {
			p.nextDue = min(p.nextDue, w.key.row.due)
		}
	}
}

// remember keeps a row in memory. When there are too many, any others go.
func (p *keeper[K, T, A, O]) remember(k *keptKey[K, A], version state.Version) {
	if k.cached != nil {
		k.cached.row, k.cached.version = k.row, version
		return
	}
	if len(p.cache) >= keptCached {
		n := keptCached / 16
		for other := range p.cache {
			delete(p.cache, other)
			if n--; n == 0 {
				break
			}
		}
	}
	p.cache[k.encoded] = &keptInMemory[A]{k.row, version}
}

// keptCached is how many rows are kept in memory, so that they need not be read.
const keptCached = 1 << 16

// keptInMemory is a row as the store has it, unless another process has changed it: then a commit tells.
type keptInMemory[A any] struct {
	row     keptRow[A]
	version state.Version
}

// yield gives up what a turn went by that others have changed.
func (p *keeper[K, T, A, O]) yield(t *keptTurn[K, T, A], conflict *state.ConflictError) {
	for _, i := range conflict.Writes {
		switch w := t.writes[i]; {
		case w.seat:
			p.seat.known = false
		case w.floor:
			p.floor.known = false
		case w.value >= 0:
			t.values[w.value].again = true
		case w.key != nil:
			delete(p.cache, w.key.encoded)
		}
	}
}

// forget gives up all that a turn went by, since it may have been made.
func (p *keeper[K, T, A, O]) forget(t *keptTurn[K, T, A]) {
	for key := range t.keys {
		delete(p.cache, key)
	}
	p.seat.known, p.floor.known = false, false
}
