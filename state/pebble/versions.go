package pebble

import "github.com/rocketflow-io/rocketflow/state"

// bytesAVersion is how much memory a version takes, about, with its key and its places in the maps.
const bytesAVersion = 128

// versions remembers the versions of entries that were read, so that a commit that asks for one, as it
// mostly does of what was read before, need not read it again. It is in two halves, of which the older
// goes when the younger is full.
type versions struct {
	most       int // in each half; 0 remembers nothing
	young, old map[string]*known
	tables     map[string]bool // those of which anything was ever remembered
}

// known is what is remembered of an entry.
type known struct {
	key     string        // of the database
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

// find gives what is remembered of a key; nil if it is not.
func (v *versions) find(table string, key []byte) *known {
	if !v.tables[table] {
		return nil
	}
	if k := v.young[string(key)]; k != nil {
		return k
	}
	k := v.old[string(key)]
	if k != nil {
		v.keep(k)
	}
	return k
}

// note remembers a key.
func (v *versions) note(table string, key []byte, version state.Version, expires int64) {
	if v.most == 0 {
		return
	}
	if k := v.find(table, key); k != nil {
		k.version, k.expires = version, expires
		return
	}
	if !v.tables[table] {
		if v.tables == nil {
			v.tables = make(map[string]bool)
		}
		v.tables[table] = true
	}
	v.keep(&known{string(key), version, expires})
}

func (v *versions) keep(k *known) {
	if len(v.young) >= v.most {
		v.old, v.young = v.young, nil
	}
	if v.young == nil {
		v.young = make(map[string]*known)
	}
	v.young[k.key] = k
}

// forget forgets all.
func (v *versions) forget() { v.young, v.old, v.tables = nil, nil, nil }
