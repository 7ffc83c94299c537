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
	known  bool // the version of the entry is remembered,
	mark   mark // by this
}

// inOrder gives writes by the keys of their entries, and of one entry in the order in which they are: the
// database finds the place of one from that of the one before it.
func inOrder(writes []state.Write) []placed {
	tables := ranks(writes)
	order := make([]rank, len(writes))
	table, last := uint32(0), ""
	for i := range writes {
		if w := &writes[i]; w.Table != last {
			table, last = tables[w.Table], w.Table
		}
		order[i] = rank{table, uint32(i), head(writes[i].Key)}
	}
	slices.SortFunc(order, func(a, b rank) int {
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
	all, arena := make([]placed, len(writes)), make([]byte, 0, 48*len(writes))
	for at, r := range order {
		from, w := len(arena), &writes[r.number]
		arena = entryKey(arena, w.Table, w.Key)
		all[at] = placed{Write: w, place: arena[from:len(arena):len(arena)], number: int(r.number)}
	}
	return all
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
