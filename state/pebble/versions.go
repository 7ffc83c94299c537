package pebble

import (
	"hash/maphash"

	"github.com/rocketflow-io/rocketflow/state"
)

// bytesAVersion is how much memory a version takes, about, with its place in a map.
const bytesAVersion = 64

// versions remembers the versions of entries that were read, so that a commit that asks for one, as it
// mostly does of what was read before, need not read it again. It is in two halves, of which the older
// goes when the younger is full.
type versions struct {
	most       int // in each half; 0 remembers nothing
	seeds      [2]maphash.Seed
	young, old map[uint64]known // by the first half of the mark
	tables     map[string]bool  // those of which anything was ever remembered
}

// mark stands for a key of the database: 128 bits of a hash that no one can foresee, so that two keys do
// not meet.
type mark [2]uint64

// known is what is remembered of an entry.
type known struct {
	check   uint64        // the second half of the mark
	version state.Version // Absent if nothing is there
	expires int64
}

// at gives the version that is there at a time.
func (k *known) at(now int64) state.Version {
	if (entry{expires: k.expires}).expired(now) {
		return state.Absent
	}
	return k.version
}

func newVersions(bytes int64) versions {
	return versions{most: int(bytes / bytesAVersion / 2), seeds: [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}}
}

func (v *versions) mark(key []byte) mark {
	return mark{maphash.Bytes(v.seeds[0], key), maphash.Bytes(v.seeds[1], key)}
}

// markAll marks the writes, as far as they are not, of tables of which anything was ever remembered. To find one waits for memory:
// with no work of this kind in between, for several at a time.
func (v *versions) markAll(writes []placed) {
	table, remembered := "", false
	for i := range writes {
		w := &writes[i]
		if i == 0 || w.Table != table {
			table, remembered = w.Table, v.tables[w.Table]
		}
		if remembered && !w.marked {
			w.mark, w.marked = v.mark(w.place), true
		}
	}
}

// find gives what is remembered of a key.
func (v *versions) find(m mark) (k known, found bool) {
	if k, found = v.young[m[0]]; found {
		return k, k.check == m[1]
	}
	if k, found = v.old[m[0]]; !found || k.check != m[1] {
		return k, false
	}
	v.keep(m, k)
	return k, true
}

// note remembers a key.
func (v *versions) note(table string, key []byte, version state.Version, expires int64) {
	if v.most == 0 {
		return
	}
	if !v.tables[table] {
		if v.tables == nil {
			v.tables = make(map[string]bool)
		}
		v.tables[table] = true
	}
	v.renew(v.mark(key), version, expires)
}

// renew remembers a key by its mark.
func (v *versions) renew(m mark, version state.Version, expires int64) {
	v.keep(m, known{m[1], version, expires})
}

func (v *versions) keep(m mark, k known) {
	if len(v.young) >= v.most {
		if _, is := v.young[m[0]]; !is {
			v.old, v.young = v.young, v.old
			clear(v.young)
		}
	}
	if v.young == nil {
		v.young = make(map[uint64]known)
	}
	v.young[m[0]] = k
}

// forget forgets all.
func (v *versions) forget() { v.young, v.old, v.tables = nil, nil, nil }
