package statetest

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/state"
)

func readsWhatWasCommitted(t *testing.T, h Store) {
	t.Helper()
	s := h.open(t)
	v := commit(t, s, put("a", "1", "one"), put("a", "2", "two"), put("b", "1", "other"))
	entries, err := s.Get(t.Context(), "a", []byte("2"), []byte("3"), []byte("1"), []byte("2"))
	require.NoError(t, err)
	require.Equal(t, []string{"2=two", "3 absent", "1=one", "2=two"}, texts(entries))
	require.Equal(t, []state.Version{v, state.Absent, v, v}, versions(entries))
	require.Equal(t, "1=other", text(get(t, s, "b", "1")), "tables are apart")
	require.Equal(t, "1 absent", text(get(t, s, "c", "1")))
	require.True(t, entries[0].Expires.IsZero())

	commit(t, s, put("a", "1", "uno"), remove("a", "2"))
	require.Equal(t, []string{"1=uno"}, scan(t, s, "a", state.Range{}))
	require.Equal(t, "2 absent", text(get(t, s, "a", "2")))

	none, err := s.Commit(t.Context(), &state.Changes{})
	require.NoError(t, err)
	require.Equal(t, state.Any, none)
	nothing, err := s.Get(t.Context(), "a")
	require.NoError(t, err)
	require.Empty(t, nothing)
}

func takesAnyBytes(t *testing.T, h Store) {
	t.Helper()
	s := h.open(t)
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	long := strings.Repeat("\xff", state.MaxKey)
	large := strings.Repeat("0123456789abcdef", 4<<20/16)
	table := strings.Repeat("ü", state.MaxTable/2)
	for _, k := range []string{"", "\x00", "\x00\x00", string(all), long, long[1:]} {
		for _, v := range []string{"", "\x00", string(all)} {
			commit(t, s, put(table, k, v))
			e := get(t, s, table, k)
			require.True(t, e.Found())
			require.Equal(t, v, string(e.Value))
		}
	}
	commit(t, s, put("large", "k", large))
	require.True(t, large == string(get(t, s, "large", "k").Value), "the value is not the one that was put")
	require.Len(t, scan(t, s, table, state.Range{}), 6)
	commit(t, s, remove(table, ""))
	require.False(t, get(t, s, table, "").Found())
	require.Len(t, scan(t, s, table, state.Range{}), 5)
}

func commitsAllOrNothing(t *testing.T, h Store) {
	t.Helper()
	s := h.open(t)
	v := commit(t, s, put("a", "1", "one"), put("b", "1", "one"))
	conflict(t, s, []int{1, 3},
		put("a", "2", "two"), provided(state.Absent, put("a", "1", "uno")), provided(v, put("b", "1", "uno")),
		provided(v, put("b", "9", "nine")), remove("a", "1"))
	require.Equal(t, []string{"1=one"}, scan(t, s, "a", state.Range{}))
	require.Equal(t, []string{"1=one"}, scan(t, s, "b", state.Range{}))
	require.Equal(t, v, get(t, s, "b", "1").Version)
}

func marksOnce(t *testing.T, h Store) {
	t.Helper()
	s := h.open(t)
	marks := state.Marks{Table: "ids"}
	sums := state.NewTable[string, int]("sums")
	apply := func(id string, sum int) error {
		var c state.Changes
		require.NoError(t, sums.Put(&c, "k", sum))
		marks.Add(&c, id)
		_, err := s.Commit(t.Context(), &c)
		return err
	}
	long := strings.Repeat("id", 2000)
	require.NoError(t, apply("m1", 1))
	require.NoError(t, apply(long, 2))
	require.ErrorIs(t, apply("m1", 3), state.ErrConflict)
	require.ErrorIs(t, apply(long, 3), state.ErrConflict)
	sum, err := sums.Get(t.Context(), s, "k")
	require.NoError(t, err)
	require.Equal(t, 2, sum.Value)
	seen, err := marks.Seen(t.Context(), s, "m1", "m2", long, long+"x", "")
	require.NoError(t, err)
	require.Equal(t, []bool{true, false, true, false, false}, seen)
	seen, err = state.Marks{Table: "others"}.Seen(t.Context(), s, "m1")
	require.NoError(t, err)
	require.Equal(t, []bool{false}, seen)
}

func refusesOldVersions(t *testing.T, h Store) {
	t.Helper()
	s := h.open(t)
	v1 := commit(t, s, provided(state.Absent, put("a", "k", "1")))
	v2 := commit(t, s, provided(v1, put("a", "k", "2")))
	conflict(t, s, []int{0}, provided(v1, put("a", "k", "3")))
	conflict(t, s, []int{0}, provided(v1, remove("a", "k")))
	conflict(t, s, []int{0}, provided(state.Absent, put("a", "k", "3")))
	conflict(t, s, []int{0}, provided(state.Absent, remove("a", "k")))
	require.Equal(t, "k=2", text(get(t, s, "a", "k")))
	commit(t, s, provided(v2, remove("a", "k")))
	conflict(t, s, []int{0}, provided(v2, put("a", "k", "3")))
	commit(t, s, provided(state.Absent, remove("a", "k")), provided(state.Absent, put("a", "k", "4")))
	require.Equal(t, "k=4", text(get(t, s, "a", "k")))
}

func neverRepeatsAVersion(t *testing.T, h Store) {
	t.Helper()
	s := h.open(t)
	last := state.Any
	for range 20 {
		for _, w := range []state.Write{provided(state.Absent, put("a", "k", "v")), remove("a", "k")} {
			v := commit(t, s, w)
			require.Greater(t, v, last)
			last = v
		}
	}
	if h.Reopen == nil {
		return
	}
	require.NoError(t, s.Close())
	s = closed(t, h.Reopen(t, s))
	require.Greater(t, commit(t, s, put("a", "k", "v")), last, "what was deleted had the last version")
}

func writesInOrder(t *testing.T, h Store) {
	t.Helper()
	s := h.open(t)
	v := commit(t, s, put("a", "1", "x"), put("a", "1", "y"), put("a", "2", "x"), remove("a", "2"),
		remove("a", "3"), put("a", "3", "z"))
	require.Equal(t, []string{"1=y", "3=z"}, scan(t, s, "a", state.Range{}))
	commit(t, s, provided(v, remove("a", "1")), provided(v, put("a", "1", "again")),
		provided(state.Absent, put("a", "2", "p")), provided(state.Absent, put("a", "2", "q")))
	require.Equal(t, []string{"1=again", "2=q", "3=z"}, scan(t, s, "a", state.Range{}))
}

func refusesWhatIsInvalid(t *testing.T, h Store) {
	t.Helper()
	s := h.open(t)
	for name, w := range map[string]state.Write{
		"no table":        put("", "k", "v"),
		"a long table":    put(strings.Repeat("t", state.MaxTable+1), "k", "v"),
		"no UTF-8":        put("\xff", "k", "v"),
		"a zero byte":     put("a\x00", "k", "v"),
		"a long key":      put("a", strings.Repeat("k", state.MaxKey+1), "v"),
		"a large value":   {Table: "a", Value: make([]byte, state.MaxValue+1)},
		"a wrong version": provided(-2, put("a", "k", "v")),
	} {
		_, err := s.Commit(t.Context(), &state.Changes{Writes: []state.Write{put("a", "good", ""), w}})
		require.ErrorIs(t, err, state.ErrInvalid, name)
	}
	require.Empty(t, scan(t, s, "a", state.Range{}))
}

func keepsNothing(t *testing.T, h Store) {
	t.Helper()
	s := h.open(t)
	key, value := []byte("key"), []byte("value")
	_, err := s.Commit(t.Context(), &state.Changes{Writes: []state.Write{{Table: "a", Key: key, Value: value}}})
	require.NoError(t, err)
	read := get(t, s, "a", "key")
	copy(key, "xxx")
	copy(value, "xxxxx")
	require.Equal(t, []string{"key=value"}, scan(t, s, "a", state.Range{}))
	commit(t, s, put("a", "key", "other"))
	require.True(t, bytes.Equal(read.Value, []byte("value")), "what was read has changed")
}

func expires(t *testing.T, h Store) {
	t.Helper()
	s := h.open(t)
	begun := time.Now()
	until := func(d time.Duration, w state.Write) state.Write { w.Expires = begun.Add(d); return w }
	commit(t, s, until(time.Hour, put("a", "1", "x")), until(2*time.Hour, put("a", "2", "y")), put("a", "3", "z"))
	v := get(t, s, "a", "1").Version
	require.True(t, begun.Add(time.Hour).Equal(get(t, s, "a", "1").Expires))
	time.Sleep(time.Hour - time.Nanosecond)
	require.Equal(t, []string{"1=x", "2=y", "3=z"}, scan(t, s, "a", state.Range{}))
	conflict(t, s, []int{0}, provided(state.Absent, put("a", "1", "x")))

	time.Sleep(time.Nanosecond)
	require.Equal(t, "1 absent", text(get(t, s, "a", "1")))
	require.Equal(t, []string{"2=y", "3=z"}, scan(t, s, "a", state.Range{}))
	conflict(t, s, []int{0}, provided(v, put("a", "1", "x")))
	commit(t, s, provided(state.Absent, until(3*time.Hour, put("a", "1", "again"))))
	commit(t, s, until(3*time.Hour, put("a", "2", "longer")))

	time.Sleep(time.Hour)
	require.Equal(t, []string{"1=again", "2=longer", "3=z"}, scan(t, s, "a", state.Range{}), "the first expiry is no more")
	time.Sleep(time.Hour)
	require.Equal(t, []string{"3=z"}, scan(t, s, "a", state.Range{}))
	commit(t, s, put("a", "4", "w"))
	time.Sleep(24 * time.Hour)
	require.Equal(t, []string{"3=z", "4=w"}, scan(t, s, "a", state.Range{}))

	commit(t, s, until(-time.Hour, put("a", "3", "late")), until(-1000000*time.Hour, put("a", "4", "long ago")))
	require.Empty(t, scan(t, s, "a", state.Range{}), "what expires in the past is absent at once")

	counts := state.NewTable[string, int]("counts").Expire(time.Minute)
	for range 2 {
		item, err := counts.Update(t.Context(), s, "k", func(i state.Item[string, int]) (int, error) { return i.Value + 1, nil })
		require.NoError(t, err)
		require.Equal(t, 1, item.Value)
		time.Sleep(time.Minute)
	}
}

func texts(entries []state.Entry) []string {
	all := make([]string, len(entries))
	for i, e := range entries {
		all[i] = text(e)
	}
	return all
}

func versions(entries []state.Entry) []state.Version {
	all := make([]state.Version, len(entries))
	for i, e := range entries {
		all[i] = e.Version
	}
	return all
}
