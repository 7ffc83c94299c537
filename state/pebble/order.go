package pebble

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"slices"

	"github.com/rocketflow-io/rocketflow/state"
)

// A placed is a write of a commit, with the key of the database for its entry.
type placed struct {
	*state.Write
	place  []byte
	number int  // in the commit
	marked bool // the version of the entry may be remembered,
	mark   mark // by this,
	known  bool // and is
}

// layout is how the writes of a commit are to be in the database. It is memory that is used again.
type layout struct {
	writes []placed
	bytes  int // that a batch of them takes, about

	order  []rank
	arena  []byte
	expire []expiring
}

// layoutMost is how many bytes of keys a layout has at most for its memory to be used again.
const layoutMost = 1 << 20

// lay has a layout of writes: by the keys of their entries, and of one entry in the order in which they are.
// The database finds the place of one from that of the one before it.
func (l *layout) lay(writes []state.Write) {
	tables := ranks(writes)
	l.order = slices.Grow(l.order[:0], len(writes))[:len(writes)]
	table, last, size := uint32(0), "", 0
	for i := range writes {
		w := &writes[i]
		if w.Table != last {
			table, last = tables[w.Table], w.Table
		}
		l.order[i] = rank{table, uint32(i), head(w.Key)}
		size += len(w.Table) + len(w.Key) + 2
		l.bytes += len(w.Value)
	}
	slices.SortFunc(l.order, func(a, b rank) int {
		switch {
		case a.table != b.table:
			return cmp.Compare(a.table, b.table)
		case a.head != b.head:
			return cmp.Compare(a.head, b.head)
		}
		if c := bytes.Compare(writes[a.number].Key, writes[b.number].Key); c != 0 {
			return c
		}
		return cmp.Compare(a.number, b.number)
	})
	l.arena = slices.Grow(l.arena[:0], size)
	l.writes = slices.Grow(l.writes[:0], len(writes))
	for _, r := range l.order {
		from, w := len(l.arena), &writes[r.number]
		l.arena = entryKey(l.arena, w.Table, w.Key)
		l.writes = append(l.writes, placed{Write: w, place: l.arena[from:len(l.arena):len(l.arena)], number: int(r.number)})
	}
	l.bytes += 2*size + len(writes)*(headSize+4) // twice: what expires is listed, too
}

// forget lets go of the writes.
func (l *layout) forget() {
	clear(l.writes)
	clear(l.expire)
	l.writes, l.expire, l.bytes = l.writes[:0], l.expire[:0], 0
}

// rank is what decides between most keys, so that they themselves need not be compared.
type rank struct {
	table, number uint32
	head          uint64 // the first bytes of the key
}

// ranks numbers the tables of writes in the order in which the database has them.
func ranks(writes []state.Write) map[string]uint32 {
	numbers := make(map[string]uint32)
	var tables []string
	last := ""
	for i := range writes {
		table := writes[i].Table
		if table == last {
			continue
		}
		if _, known := numbers[table]; !known {
			numbers[table] = 0
			tables = append(tables, table)
		}
		last = table
	}
	slices.SortFunc(tables, func(a, b string) int { return bytes.Compare(entryKey(nil, a, nil), entryKey(nil, b, nil)) })
	for n, table := range tables {
		numbers[table] = uint32(n)
	}
	return numbers
}

// head gives the first eight bytes of a key, so that the order of two that differ is that of the keys.
func head(key []byte) uint64 {
	if len(key) >= 8 {
		return binary.BigEndian.Uint64(key)
	}
	var b [8]byte
	copy(b[:], key)
	return binary.BigEndian.Uint64(b[:])
}
