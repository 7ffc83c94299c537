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

// span is what of a key must turn back: the records from the failed one on, up to where the source
// has begun anew. It has when one that turned back is there again: until then, by the contract of
// keyed sources, all that was out of the key has been settled. That may also happen elsewhere, at
// another member of the group; so the span ends with the read that was in progress when the source
// was told of the last failure, since that read may have chosen its records before.
type span struct {
	from, to uint64              // sequence numbers
	read     uint64              // the last read
	back     map[identity]uint64 // those that turned back, with their sequence numbers
}

// identity is what a record and its redeliveries are known by: neither an id, which a record that was
// stored twice may share, nor a position, which not every source has, is enough.
type identity struct{ id, position string }

const open = math.MaxUint64

// takes adds a record to those that turn back, of which the source has yet to be told.
func (s *span) takes(k keyRef) {
	s.read = open
	if k.id != (identity{}) {
		s.back[k.id] = max(s.back[k.id], k.seq) // an old copy may turn back after the new one
	}
}

// keyRef is a record's place in the order of its key.
type keyRef struct {
	ledger *ledger
	key    string
	id     identity
	seq    uint64
	read   uint64
}

// keyedOwner is implemented by the owners of slabs whose source may be keyed.
type keyedOwner interface {
	ledgerAndRead() (*ledger, uint64)
}

// keyOf gives the record's key; false if it has none, or its source orders by none.
func keyOf(d stage.Duty) (keyRef, bool) {
	l, read := ledgerOf(d)
	if l == nil {
		return keyRef{}, false
	}
	info := d.Info()
	k := keyRef{ledger: l, key: info.Key, id: identity{info.ID, info.Position}, seq: d.Sequence(), read: read}
	return k, info.Key != ""
}

// ledgerOf gives the ledger of the record's source, nil if it orders by no keys, and the number of the
// read that the record is of.
func ledgerOf(d stage.Duty) (*ledger, uint64) {
	for inner, ok := d.StandsFor(); ok; inner, ok = d.StandsFor() {
		d = inner
	}
	if owner, ok := d.Owner().(keyedOwner); ok {
		return owner.ledgerAndRead()
	}
	return nil, 0
}

// turnedBack tells whether an earlier record of the key was handed back after this one was read.
// If so, this one must be handed back too.
func (k keyRef) turnedBack() bool {
	k.ledger.mu.Lock()
	defer k.ledger.mu.Unlock()
	s, ok := k.ledger.broken[k.key]
	if !ok || k.seq < s.from || k.seq > s.to || k.read > s.read {
		return false
	}
	if before, again := s.back[k.id]; again && k.seq > before {
		s.to = k.seq - 1 // what follows is in order again
		return false
	}
	s.takes(k)
	return true
}

// turnBack lets the record and later ones of its key that are already read turn back.
func (k keyRef) turnBack() {
	l := k.ledger
	l.mu.Lock()
	defer l.mu.Unlock()
	s, ok := l.broken[k.key]
	if !ok || k.seq > s.to || k.read > s.read {
		s = &span{from: k.seq, back: make(map[identity]uint64)}
		if l.broken == nil {
			l.broken = make(map[string]*span)
		}
		l.broken[k.key] = s
	}
	s.from, s.to = min(s.from, k.seq), open
	s.takes(k)
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

// lane is a key of a source; the zero lane is none.
type lane struct {
	ledger *ledger
	key    string
}

func (k keyRef) lane() lane { return lane{k.ledger, k.key} }

// gate lets one value of a key at a time into a stage; the others wait in line. L is what keys are told
// apart by, X who waits.
type gate[L comparable, X any] struct {
	// delay is told who waits behind one that waits for another try; nil for none.
	delay func(X)

	mu      sync.Mutex
	lines   map[L][]X      // by key that is taken, who waits for it
	delayed map[L]struct{} // the lines that one has failed in, as long as they last
}

// enter takes the key, if it is free.
func (g *gate[L, X]) enter(l L) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if _, taken := g.lines[l]; taken {
		return false
	}
	if g.lines == nil {
		g.lines = make(map[L][]X)
	}
	g.lines[l] = nil
	return true
}

// free tells whether the key is, without taking it.
func (g *gate[L, X]) free(l L) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	_, taken := g.lines[l]
	return !taken
}

// wait lets x stand in line for a key that was taken. It reports false, and does nothing, if that has become
// free.
func (g *gate[L, X]) wait(l L, x X) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	line, taken := g.lines[l]
	if !taken {
		return false
	}
	if _, behind := g.delayed[l]; behind {
		g.delay(x)
	}
	g.lines[l] = append(line, x)
	return true
}

// delays notes that who has the key waits for another try, and with it who stands in line, now or later.
func (g *gate[L, X]) delays(l L) {
	g.mu.Lock()
	defer g.mu.Unlock()
	line, taken := g.lines[l]
	if _, known := g.delayed[l]; known || !taken {
		return
	}
	for _, x := range line {
		g.delay(x)
	}
	if g.delayed == nil {
		g.delayed = make(map[L]struct{})
	}
	g.delayed[l] = struct{}{}
}

// taken tells whether any key is.
func (g *gate[L, X]) taken() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.lines) > 0
}

// leave gives the key to the next in line, or frees it.
func (g *gate[L, X]) leave(l L) (next X, ok bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	line := g.lines[l]
	if len(line) == 0 {
		delete(g.lines, l)
		delete(g.delayed, l)
		return next, false
	}
	next = line[0]
	clear(line[:1]) // the line may stay for long
	g.lines[l] = line[1:]
	return next, true
}
