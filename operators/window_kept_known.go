package operators

import (
	"crypto/sha256"
	"encoding/binary"
	"slices"
)

// keptID is what a counted value is known by in the store: so much of a hash that two do not meet by
// chance, behind the value's time to about 1 µs. Values that come at a time are mostly of about one time, so
// a store has their ids in one place, and not all over the table.
type keptID [keptIDTime + 16]byte

// keptIDTime is how many bytes of an id are of the time; these begin anew after 9 years.
const keptIDTime = 6

// keptPlace tells values of one record apart that have the same id otherwise.
type keptPlace struct {
	record   keptID
	delivery uint64
	number   int32
}

// keptPlaces gives values of one record their numbers. A value that failed gives its number back, to have
// it again. The zero value is ready.
type keptPlaces struct {
	young, old map[keptID]keptPlaced
}

type keptPlaced struct {
	delivery uint64
	next     int32
	free     []int32
}

// keptPlacesMost is of how many records at least it is remembered which numbers are given out. Values of
// one record come close together.
const keptPlacesMost = 1 << 14

// take gives a value the least number that is free.
func (p *keptPlaces) take(record keptID, delivery uint64) keptPlace {
	all, ok := p.young[record]
	if !ok {
		all = p.old[record]
	}
	if all.delivery != delivery {
		all = keptPlaced{delivery: delivery}
	}
	number := all.next
	if len(all.free) > 0 {
		number = slices.Min(all.free)
		all.free = slices.DeleteFunc(slices.Clone(all.free), func(n int32) bool { return n == number })
	} else {
		all.next++
	}
	if len(p.young) >= keptPlacesMost {
		p.old, p.young = p.young, p.old
		clear(p.young)
	}
	if p.young == nil {
		p.young = make(map[keptID]keptPlaced)
	}
	p.young[record] = all
	return keptPlace{record, delivery, number}
}

// giveBack lets another have a number.
func (p *keptPlaces) giveBack(at keptPlace) {
	for _, m := range []map[keptID]keptPlaced{p.young, p.old} {
		if all, ok := m[at.record]; ok && all.delivery == at.delivery {
			all.free = append(all.free, at.number)
			m[at.record] = all
			return
		}
	}
}

// idOf gives what a value is known by, within its key, by a text and the time, by which values of one
// record may differ.
func idOf(key, source, text string, at instant) (id keptID) {
	b := make([]byte, 0, 128)
	b = appendText(b, key)
	b = binary.AppendVarint(b, int64(at))
	b = appendText(b, source)
	b = append(b, text...)
	var time [8]byte
	binary.BigEndian.PutUint64(time[:], uint64(at)>>10)
	copy(id[:], time[8-keptIDTime:])
	sum := sha256.Sum256(b)
	copy(id[keptIDTime:], sum[:])
	return id
}

// numbered gives the id of one of several values of a record.
func (id keptID) numbered(n int32) keptID {
	if n == 0 {
		return id
	}
	sum := sha256.Sum256(binary.AppendUvarint(id[:], uint64(n)))
	copy(id[keptIDTime:], sum[:])
	return id
}
