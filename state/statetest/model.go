package statetest

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/state"
)

// place is where an entry is.
type place struct{ table, key string }

// version is what the model knows of an entry.
type version struct {
	value string
	at    state.Version
}

// model is the obvious store, without time.
type model map[place]version

// unmet gives the places of the writes that the model refuses.
func (m model) unmet(writes []state.Write) (unmet []int) {
	for i, w := range writes {
		if w.If != state.Any && m.version(place{w.Table, string(w.Key)}) != w.If {
			unmet = append(unmet, i)
		}
	}
	return unmet
}

func (m model) version(at place) state.Version {
	if e, ok := m[at]; ok {
		return e.at
	}
	return state.Absent
}

// after gives the model with the writes of a commit.
func (m model) after(writes []state.Write, v state.Version) model {
	next := maps.Clone(m)
	for _, w := range writes {
		if at := (place{w.Table, string(w.Key)}); w.Delete {
			delete(next, at)
		} else {
			next[at] = version{string(w.Value), v}
		}
	}
	return next
}

// table gives a table as a scan does, as text.
func (m model) table(table string) []string {
	all := []string{}
	for at, e := range m {
		if at.table == table {
			all = append(all, fmt.Sprintf("%s=%s@%d", at.key, e.value, e.at))
		}
	}
	slices.Sort(all)
	return all
}

// tables are those of the random changes: names that begin alike, to be told apart.
func tables() []string { return []string{"a", "ab", "b"} }

// contents gives what a store has in the tables of the random changes, as text.
func contents(t *testing.T, s state.Store) [][]string {
	t.Helper()
	var all [][]string
	for _, table := range tables() {
		in := []string{}
		for e, err := range s.Scan(t.Context(), table, state.Range{}) {
			require.NoError(t, err)
			in = append(in, fmt.Sprintf("%s=%s@%d", e.Key, e.Value, e.Version))
		}
		all = append(all, in)
	}
	return all
}

func (m model) contents() [][]string {
	var all [][]string
	for _, table := range tables() {
		all = append(all, m.table(table))
	}
	return all
}

// changes makes a few writes, most of which ask for the version that is there.
func (m model) changes(r *rand.Rand) []state.Write {
	writes := make([]state.Write, 1+r.IntN(5))
	for i := range writes {
		at := place{tables()[r.IntN(3)], fmt.Sprint(r.IntN(10))}
		w := put(at.table, at.key, fmt.Sprint(r.IntN(1000)))
		w.Delete = r.IntN(4) == 0
		switch r.IntN(20) {
		case 0:
			w.If = state.Absent
		case 1:
			w.If = state.Version(1 + r.IntN(100))
		case 2, 3, 4, 5:
		default:
			w.If = m.version(at)
		}
		writes[i] = w
	}
	return writes
}

func equalsAModel(t *testing.T, h Store) {
	t.Helper()
	for seed := range uint64(5) {
		s, m := h.open(t), model{}
		r := rand.New(rand.NewPCG(seed, 1))
		for step := range 60 {
			writes := m.changes(r)
			if unmet := m.unmet(writes); len(unmet) > 0 {
				conflict(t, s, unmet, writes...)
				continue
			}
			m = m.after(writes, commit(t, s, writes...))
			require.Equal(t, m.contents(), contents(t, s), "seed %d, step %d", seed, step)
		}
	}
}
