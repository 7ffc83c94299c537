package operators

import "hash/maphash"

// index gives the places of panes by their keys. It is a table of places with open addressing: one wait for
// memory leads to the place, and the next to the pane, which has the key. A map, which has the keys itself,
// takes three, and cannot be looked up for many keys at a time. It has no pointers, so that a collector need
// not follow those of very many panes.
//
// What is hashed is 64 bits of which 32 are kept: they say where a place belongs in a table of any size, and
// tell most others there from it.
type index struct {
	slots []slot // a power of two, of which at most five eighths are used
	n     int
}

// slot is a place, from 1, and what its key is hashed to; the zero slot is empty.
type slot struct{ hash, place uint32 }

const leastSlots = 8

// newIndex makes an index with room for so many.
func newIndex(n int) *index {
	size := leastSlots
	for n > size/8*5 {
		size *= 2
	}
	return &index{slots: make([]slot, size)}
}

// hashOf gives what a key is found by.
func hashOf[K comparable](seed maphash.Seed, key K) uint32 {
	h := maphash.Comparable(seed, key)
	return uint32(h ^ h>>32)
}

// first gives the place that the key of a hash most probably has, and false if it has none: it is not looked
// at the key, so there may be another.
func (x *index) first(hash uint32) (place int, ok bool) {
	mask := uint32(len(x.slots) - 1)
	for i := hash & mask; ; i = (i + 1) & mask {
		switch s := x.slots[i]; {
		case s.place == 0:
			return 0, false
		case s.hash == hash:
			return int(s.place - 1), true
		}
	}
}

// find gives the place of the key of a hash, and false if it has none.
func (x *index) find(hash uint32, is func(place int) bool) (place int, ok bool) {
	mask := uint32(len(x.slots) - 1)
	for i := hash & mask; ; i = (i + 1) & mask {
		s := x.slots[i]
		if s.place == 0 {
			return 0, false
		}
		if s.hash == hash && is(int(s.place-1)) {
			return int(s.place - 1), true
		}
	}
}

// add adds the place of a key that has none.
func (x *index) add(hash uint32, place int) {
	if x.n++; x.n > len(x.slots)/8*5 {
		old := x.slots
		x.slots = make([]slot, 2*len(old))
		for _, s := range old {
			if s.place > 0 {
				x.put(s)
			}
		}
	}
	x.put(slot{hash, uint32(place + 1)})
}

func (x *index) put(s slot) {
	mask := uint32(len(x.slots) - 1)
	i := s.hash & mask
	for x.slots[i].place > 0 {
		i = (i + 1) & mask
	}
	x.slots[i] = s
}
