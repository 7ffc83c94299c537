package state_test

import (
	"bytes"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/state"
)

type carrier string

type flight struct {
	Number int
	From   string
}

// each encodes values that are in order, and demands their order of the bytes, and the values back.
func each[T any](t *testing.T, ordered ...T) {
	t.Helper()
	c := state.Default[T]()
	var all [][]byte
	for _, v := range ordered {
		b, err := c.Append([]byte("before"), v)
		require.NoError(t, err)
		require.True(t, bytes.HasPrefix(b, []byte("before")))
		b = b[len("before"):]
		all = append(all, b)
		got, err := c.Decode(b)
		require.NoError(t, err)
		require.Equal(t, v, got)
	}
	require.True(t, slices.IsSortedFunc(all, bytes.Compare), "%T", ordered)
	require.Len(t, slices.CompactFunc(all, bytes.Equal), len(ordered), "two values have the same bytes")
}

func TestDefault_KeepsValuesAndTheirOrder(t *testing.T) {
	each(t, "", "\x00", "a", "ab", "b")
	each[carrier](t, "AA", "UA")
	each(t, math.MinInt64, -1, 0, 1, math.MaxInt64)
	each[int8](t, -128, -1, 0, 127)
	each[uint64](t, 0, 1, math.MaxUint64)
	each[uint16](t, 0, 256, 65535)
	each[time.Duration](t, -time.Hour, 0, time.Second)
	each(t, math.Inf(-1), -1.5, -math.SmallestNonzeroFloat64, 0, 0.25, 1, math.Inf(1))
	each[float32](t, -2, 0, 2.5)
	each(t, false, true)
	each(t, []byte{}, []byte{0}, []byte{1, 2})
	each(t, time.Time{}, time.Unix(-1, 999).UTC(), time.Unix(0, 0).UTC(), time.Unix(1<<40, 1).UTC())
	each(t, flight{1, "SFO"}, flight{2, "JFK"})
	each(t, map[string]int{"a": 1})
}

func TestDefault_RefusesWhatIsOfAnotherType(t *testing.T) {
	wide, err := state.Default[int]().Append(nil, 1000)
	require.NoError(t, err)
	_, err = state.Default[int8]().Decode(wide)
	require.ErrorContains(t, err, "does not fit")
	_, err = state.Default[uint8]().Decode(wide)
	require.ErrorContains(t, err, "does not fit")
	_, err = state.Default[int]().Decode([]byte("abc"))
	require.ErrorContains(t, err, "3 bytes, not 8")
	_, err = state.Default[bool]().Decode(wide)
	require.ErrorContains(t, err, "8 bytes, not 1")
	_, err = state.Default[time.Time]().Decode(wide)
	require.ErrorContains(t, err, "8 bytes, not 12")
	_, err = state.Default[flight]().Decode([]byte("{"))
	require.Error(t, err)
}

func TestTable_IsScannedInTheOrderOfItsKeys(t *testing.T) {
	s := state.NewMemory()
	flights := state.NewTable[int, flight]("flights")
	var c state.Changes
	for _, n := range []int{300, -5, 7} {
		require.NoError(t, flights.Put(&c, n, flight{Number: n}))
	}
	require.NoError(t, flights.Delete(&c, 7))
	v, err := s.Commit(t.Context(), &c)
	require.NoError(t, err)
	var got []state.Item[int, flight]
	for item, err := range flights.Scan(t.Context(), s) {
		require.NoError(t, err)
		got = append(got, item)
	}
	require.Equal(t, []state.Item[int, flight]{
		{Key: -5, Value: flight{Number: -5}, Version: v}, {Key: 300, Value: flight{Number: 300}, Version: v},
	}, got)
}

func TestTable_ChangesAnItemOnlyAsItWasRead(t *testing.T) {
	s := state.NewMemory()
	counts := state.NewTable[string, int]("counts")
	read, err := counts.Get(t.Context(), s, "k")
	require.NoError(t, err)
	require.False(t, read.Found())
	commit := func(add func(c *state.Changes) error) error {
		var c state.Changes
		require.NoError(t, add(&c))
		_, err := s.Commit(t.Context(), &c)
		return err
	}
	putIf := func(c *state.Changes) error { return counts.PutIf(c, read, 1) }
	require.NoError(t, commit(putIf))
	require.ErrorIs(t, commit(putIf), state.ErrConflict)
	require.ErrorIs(t, commit(func(c *state.Changes) error { return counts.DeleteIf(c, read) }), state.ErrConflict)
	items, err := counts.GetAll(t.Context(), s, "other", "k")
	require.NoError(t, err)
	require.False(t, items[0].Found())
	read = items[1]
	require.Equal(t, 1, read.Value)
	require.NoError(t, commit(func(c *state.Changes) error { return counts.DeleteIf(c, read) }))
	require.ErrorIs(t, commit(putIf), state.ErrConflict)
}

func TestTable_TellsWhatItCannotEncodeOrDecode(t *testing.T) {
	s := state.NewMemory()
	var c state.Changes
	require.ErrorContains(t, state.NewTable[string, func()]("t").Put(&c, "k", nil), `state: table "t": encode a value`)
	require.ErrorContains(t, state.NewTable[chan int, int]("t").Put(&c, nil, 1), `state: table "t": encode a key`)
	require.Empty(t, c.Writes)
	require.NoError(t, state.NewTable[string, string]("t").Values(state.JSON[string]()).Put(&c, "k", "v"))
	_, err := s.Commit(t.Context(), &c)
	require.NoError(t, err)
	_, err = state.NewTable[string, int]("t").Get(t.Context(), s, "k")
	require.ErrorContains(t, err, `state: table "t": decode a value`)
	for _, err := range state.NewTable[int, string]("t").Scan(t.Context(), s) {
		require.ErrorContains(t, err, `state: table "t": decode a key`)
	}
}

// What was encoded stays as it is while more is added, and until Reset.
func TestChanges_KeepWhatWasEncoded(t *testing.T) {
	words := state.NewTable[string, string]("words")
	var c state.Changes
	for range 2 {
		c.Reset()
		for i := range 1000 {
			require.NoError(t, words.Put(&c, string(rune('a'+i%26)), string(rune('A'+i%26))))
			state.Marks{Table: "ids"}.Add(&c, string(rune('a'+i%26)))
		}
		require.Len(t, c.Writes, 2000)
		for i, w := range c.Writes {
			if i%2 == 0 {
				require.Equal(t, string(rune('a'+i/2%26)), string(w.Key))
				require.Equal(t, string(rune('A'+i/2%26)), string(w.Value))
			} else {
				require.Equal(t, "\x00"+string(rune('a'+i/2%26)), string(w.Key))
			}
		}
	}
}
