package engine

import (
	"math"
	"sync"

	"github.com/rocketflow-io/rocketflow/flow/stage"
)

// ledger keeps rule 8 for one keyed source: which keys had a record handed back, and which
// records that were already read must therefore turn back as well.
type ledger struct {
	mu     sync.Mutex
	broken map[string]*span
	reads  uint64 // the number of the read in progress, or of the last one
}

// span is what of a key must turn back: the records from the failed one on, up to the failed
// one's redelivery. That may happen elsewhere, at another member of the group; so the span also
// ends with the read that was in progress when the source was told of the failure, since that
// read may have chosen its records before.
type span struct {
	from, to uint64 // sequence numbers
	read     uint64 // the last read
	head     string // the failed record's id
}

const open = math.MaxUint64

// keyRef is a record's place in the order of its key.
type keyRef struct {
	ledger *ledger
	key    string
	id     string
	seq    uint64
	read   uint64
}

// keyedOwner is implemented by the owners of slabs whose source may be keyed.
type keyedOwner interface {
	ledgerAndRead() (*ledger, uint64)
}

// keyOf gives the record's key; false if it has none, or its source orders by none.
func keyOf(d stage.Duty) (keyRef, bool) {
	owner, ok := d.Owner().(keyedOwner)
	if !ok {
		return keyRef{}, false
	}
	l, read := owner.ledgerAndRead()
	if l == nil {
		return keyRef{}, false
	}
	info := d.Info()
	k := keyRef{ledger: l, key: info.Key, id: info.ID, seq: d.Sequence(), read: read}
	return k, info.Key != ""
}

// turnedBack tells whether an earlier record of the key was handed back after this one was read.
func (k keyRef) turnedBack() bool {
	k.ledger.mu.Lock()
	defer k.ledger.mu.Unlock()
	s, ok := k.ledger.broken[k.key]
	if !ok || k.seq < s.from || k.seq > s.to || k.read > s.read {
		return false
	}
	if s.to == open && k.id != "" && k.id == s.head && k.seq > s.from {
		s.to = k.seq - 1 // the failed record is back, and what follows it is in order again
		return false
	}
	return true
}

// turnBack lets the record and later ones of its key that are already read turn back.
func (k keyRef) turnBack() {
	l := k.ledger
	l.mu.Lock()
	defer l.mu.Unlock()
	s, ok := l.broken[k.key]
	switch {
	case !ok:
		if l.broken == nil {
			l.broken = make(map[string]*span)
		}
		l.broken[k.key] = &span{from: k.seq, to: open, read: open, head: k.id}
	case k.seq < s.from:
		s.from, s.head, s.read = k.seq, k.id, open
	case k.seq > s.to || k.read > s.read:
		s.to, s.read, s.head = open, open, k.id
	}
}

// told notes that the source knows of the failure of the key.
func (l *ledger) told(key string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if s, ok := l.broken[key]; ok && s.read == open {
		s.read = l.reads
	}
}

// startRead numbers the read that begins.
func (l *ledger) startRead() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.reads++
	return l.reads
}

// any tells whether a key is broken.
func (l *ledger) any() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.broken) > 0
}

// forget drops what no open read can run into; oldest is the number of the oldest of them.
func (l *ledger) forget(oldest uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for key, s := range l.broken {
		if s.read < oldest {
			delete(l.broken, key)
		}
	}
}

// gate lets one value of a key at a time into a stage; the others wait in line.
type gate[X any] struct {
	mu    sync.Mutex
	lanes map[lane][]X // a key that is taken, and who waits for it
}

// lane is a key of a source; the zero lane is none.
type lane struct {
	ledger *ledger
	key    string
}

func (k keyRef) lane() lane { return lane{k.ledger, k.key} }

// enter takes the key. If it is taken, x waits in line and enter reports false.
func (g *gate[X]) enter(l lane, x X) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	line, taken := g.lanes[l]
	if taken {
		g.lanes[l] = append(line, x)
		return false
	}
	if g.lanes == nil {
		g.lanes = make(map[lane][]X)
	}
	g.lanes[l] = nil
	return true
}

// pass reports whether the key is free, without taking it. If it is taken, x waits in line.
func (g *gate[X]) pass(l lane, x X) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	line, taken := g.lanes[l]
	if taken {
		g.lanes[l] = append(line, x)
	}
	return !taken
}

// leave gives the key to the next in line, or frees it.
func (g *gate[X]) leave(l lane) (next X, ok bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	line := g.lanes[l]
	if len(line) == 0 {
		delete(g.lanes, l)
		return next, false
	}
	g.lanes[l] = line[1:]
	return line[0], true
}
