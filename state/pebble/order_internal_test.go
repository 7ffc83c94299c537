package pebble

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/state"
)

func TestLayout_IsTheOrderOfTheDatabase(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var l layout
	for range 2000 {
		writes := make([]state.Write, r.IntN(30))
		for i := range writes {
			key := make([]byte, r.IntN(12))
			for b := range key {
				key[b] = []byte{0, 1, 0xff}[r.IntN(3)]
			}
			writes[i] = state.Write{Table: []string{"b", "a", "aa", "c"}[r.IntN(4)], Key: key}
		}
		var places [][]byte
		for _, w := range writes {
			places = append(places, entryKey(nil, w.Table, w.Key))
		}
		order := make([]int, len(writes))
		for i := range order {
			order[i] = i
		}
		slices.SortStableFunc(order, func(a, b int) int { return bytes.Compare(places[a], places[b]) })
		l.forget()
		l.lay(writes)
		require.Len(t, l.writes, len(writes))
		for at, p := range l.writes {
			require.Equal(t, order[at], p.number)
			require.Equal(t, places[order[at]], p.place)
			require.Same(t, &writes[order[at]], p.Write)
		}
	}
}
