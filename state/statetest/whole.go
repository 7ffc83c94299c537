package statetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/state"
)

func scansInOrder(t *testing.T, h Store) {
	t.Helper()
	s := h.open(t)
	for _, k := range []string{"b", "", "\xff", "a", "ab", "\x00", "b\x00", "a\xff"} {
		commit(t, s, put("t", k, k))
	}
	commit(t, s, put("s", "x", ""), put("tt", "x", ""), put("u", "x", ""))
	r := func(from, until string) state.Range { return state.Range{From: []byte(from), Until: []byte(until)} }
	for _, row := range []struct {
		keys state.Range
		want []string
	}{
		{state.Range{}, []string{"", "\x00", "a", "ab", "a\xff", "b", "b\x00", "\xff"}},
		{r("a", "b"), []string{"a", "ab", "a\xff"}},
		{r("aa", "b\x00"), []string{"ab", "a\xff", "b"}},
		{state.Range{From: []byte("b")}, []string{"b", "b\x00", "\xff"}},
		{r("b", "a"), nil},
		{r("", ""), nil},
		{state.Prefix([]byte("a")), []string{"a", "ab", "a\xff"}},
		{state.Prefix([]byte("\xff")), []string{"\xff"}},
		{state.Prefix(nil), []string{"", "\x00", "a", "ab", "a\xff", "b", "b\x00", "\xff"}},
	} {
		want := []string{}
		for _, k := range row.want {
			want = append(want, k+"="+k)
		}
		require.Equal(t, want, scan(t, s, "t", row.keys), "%q", row.keys)
	}
	for e, err := range s.Scan(t.Context(), "t", state.Range{}) {
		require.NoError(t, err)
		require.True(t, e.Found())
		require.Empty(t, e.Key)
		break // a scan may be left early
	}
	commit(t, s, put("t", "c", "c"))
}

func scansOneMoment(t *testing.T, h Store) {
	t.Helper()
	s := h.open(t)
	for i := range 100 {
		commit(t, s, put("t", fmt.Sprintf("%03d", i), "old"))
	}
	n := 0
	for e, err := range s.Scan(t.Context(), "t", state.Range{}) {
		require.NoError(t, err)
		if n == 0 {
			commit(t, s, remove("t", "050"), put("t", "051", "new"), put("t", "0511", "new"))
		}
		require.Equal(t, fmt.Sprintf("%03d=old", n), text(e))
		n++
	}
	require.Equal(t, 100, n)
	require.Equal(t, "051=new", text(get(t, s, "t", "051")))
}

func restores(t *testing.T, h Store) {
	t.Helper()
	from := h.open(t)
	begun := time.Now()
	commit(t, from, put("a", "", "empty"), put("a", "k\x00", "\xff"), put("b", "k", ""))
	expiring := put("b", "e", "x")
	expiring.Expires = begun.Add(time.Hour)
	gone := put("b", "g", "x")
	gone.Expires = begun.Add(time.Minute)
	commit(t, from, expiring, gone)
	time.Sleep(time.Minute)
	saved := snapshot(t, from)
	v := get(t, from, "a", "").Version
	last := commit(t, from, put("a", "later", ""))

	// Each kind of store reads what another has written.
	for name, to := range map[string]state.Store{"of its kind": h.open(t), "memory": closed(t, state.NewMemory())} {
		require.NoError(t, to.Restore(t.Context(), bytes.NewReader(saved)), name)
		require.Equal(t, []string{"=empty", "k\x00=\xff"}, scan(t, to, "a", state.Range{}))
		require.Equal(t, []string{"e=x", "k="}, scan(t, to, "b", state.Range{}))
		require.Equal(t, v, get(t, to, "a", "").Version)
		require.True(t, begun.Add(time.Hour).Equal(get(t, to, "b", "e").Expires))
		require.GreaterOrEqual(t, commit(t, to, provided(v, put("a", "", "next"))), last, "a version of before the snapshot came again")
	}
	time.Sleep(time.Hour)
	require.Equal(t, []string{"k="}, scan(t, from, "b", state.Range{}))
}

func refusesDamagedSnapshots(t *testing.T, h Store) {
	t.Helper()
	from := h.open(t)
	for i := range 20 {
		commit(t, from, put("a", fmt.Sprint(i), "value"))
	}
	whole := snapshot(t, from)
	to := h.open(t)
	refuse := func(b []byte, what string) {
		t.Helper()
		var damage *state.CorruptionError
		require.ErrorAs(t, to.Restore(t.Context(), bytes.NewReader(b)), &damage, what)
	}
	for n := 0; n < len(whole); n += 7 {
		refuse(whole[:n], "cut")
		flipped := bytes.Clone(whole)
		flipped[n] ^= 0x10
		refuse(flipped, "flipped")
	}
	refuse([]byte("not a snapshot at all, and long enough"), "other")
	broken := errors.New("broken pipe")
	require.ErrorIs(t, to.Restore(t.Context(), io.MultiReader(bytes.NewReader(whole[:len(whole)/2]), failing{broken})), broken)
	require.Empty(t, scan(t, to, "a", state.Range{}))
	if h.Reopen != nil {
		require.NoError(t, to.Close())
		to = closed(t, h.Reopen(t, to))
		require.Empty(t, scan(t, to, "a", state.Range{}))
	}
	require.NoError(t, to.Restore(t.Context(), bytes.NewReader(whole)))
	require.Len(t, scan(t, to, "a", state.Range{}), 20)
	require.ErrorIs(t, from.Snapshot(t.Context(), failing{broken}), broken)
}

// failing fails to read and to write.
type failing struct{ err error }

func (f failing) Read([]byte) (int, error)  { return 0, f.err }
func (f failing) Write([]byte) (int, error) { return 0, f.err }

func restoresIntoEmptyAlone(t *testing.T, h Store) {
	t.Helper()
	s := h.open(t)
	saved := snapshot(t, s)
	require.NoError(t, s.Restore(t.Context(), bytes.NewReader(saved)), "of nothing")
	commit(t, s, put("a", "k", "v"))
	require.ErrorIs(t, s.Restore(t.Context(), bytes.NewReader(saved)), state.ErrNotEmpty)
	require.Equal(t, []string{"k=v"}, scan(t, s, "a", state.Range{}))
}

func outlivesARestart(t *testing.T, h Store) {
	t.Helper()
	if h.Reopen == nil {
		t.Skip("this store forgets all with the process")
	}
	s := h.open(t)
	for i := range 5 {
		v := commit(t, s, put("a", "k", fmt.Sprint(i)), put("a", fmt.Sprint(i), ""))
		require.NoError(t, s.Close())
		s = closed(t, h.Reopen(t, s))
		require.Equal(t, fmt.Sprintf("k=%d", i), text(get(t, s, "a", "k")))
		require.Equal(t, v, get(t, s, "a", "k").Version)
		require.Len(t, scan(t, s, "a", state.Range{}), i+2)
	}
}

func losesNoUpdate(t *testing.T, h Store) {
	t.Helper()
	s := h.open(t)
	stores := []state.Store{s, s}
	if h.Share != nil {
		stores[1] = closed(t, h.Share(t, s))
	}
	const workers, times = 4, 25
	counts := state.NewTable[string, int]("counts")
	marks := state.Marks{Table: "ids"}
	var once, work sync.WaitGroup
	won := make([]int, workers)
	for w := range workers {
		mine := stores[w%len(stores)]
		work.Go(func() {
			for range times {
				_, err := counts.Update(context.Background(), mine, "k", func(i state.Item[string, int]) (int, error) { return i.Value + 1, nil })
				if err != nil {
					t.Error(err)
				}
			}
		})
		once.Go(func() {
			for i := range times {
				var c state.Changes
				marks.Add(&c, fmt.Sprint(i))
				switch _, err := mine.Commit(context.Background(), &c); {
				case err == nil:
					won[w]++
				case !errors.Is(err, state.ErrConflict):
					t.Error(err)
				}
			}
		})
	}
	once.Wait()
	work.Wait()
	for _, mine := range stores {
		item, err := counts.Get(t.Context(), mine, "k")
		require.NoError(t, err)
		require.Equal(t, workers*times, item.Value)
	}
	sum := 0
	for _, n := range won {
		sum += n
	}
	require.Equal(t, times, sum, "each id is marked by one")
}

func mindsTheContext(t *testing.T, h Store) {
	t.Helper()
	s := h.open(t)
	commit(t, s, put("a", "1", ""), put("a", "2", ""))
	ctx := ended(t)
	_, err := s.Get(ctx, "a", []byte("1"))
	require.ErrorIs(t, err, context.Canceled)
	_, err = s.Commit(ctx, &state.Changes{Writes: []state.Write{put("a", "3", "")}})
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorIs(t, s.Snapshot(ctx, io.Discard), context.Canceled)
	require.ErrorIs(t, s.Restore(ctx, bytes.NewReader(snapshot(t, s))), context.Canceled)
	for _, err := range s.Scan(ctx, "a", state.Range{}) {
		require.ErrorIs(t, err, context.Canceled)
	}
	require.Equal(t, []string{"1=", "2="}, scan(t, s, "a", state.Range{}))

	meanwhile, cancel := context.WithCancel(t.Context())
	defer cancel()
	for i := range 5000 {
		if i%500 == 0 {
			commit(t, s, many(i)...)
		}
	}
	var last error
	n := 0
	for _, err := range s.Scan(meanwhile, "many", state.Range{}) {
		cancel()
		n++
		last = err
	}
	require.ErrorIs(t, last, context.Canceled)
	require.Less(t, n, 5000)
}

func many(from int) []state.Write {
	var all []state.Write
	for i := range 500 {
		all = append(all, put("many", fmt.Sprintf("%06d", from+i), "a value of some length, so that not all fit into one buffer"))
	}
	return all
}

func saysThatItIsClosed(t *testing.T, h Store) {
	t.Helper()
	s := h.open(t)
	commit(t, s, put("a", "k", "v"))
	saved := snapshot(t, s)
	require.NoError(t, s.Close())
	require.NoError(t, s.Close(), "again")
	_, err := s.Get(t.Context(), "a", []byte("k"))
	require.ErrorIs(t, err, state.ErrClosed)
	_, err = s.Commit(t.Context(), &state.Changes{Writes: []state.Write{put("a", "k", "v")}})
	require.ErrorIs(t, err, state.ErrClosed)
	require.ErrorIs(t, s.Snapshot(t.Context(), io.Discard), state.ErrClosed)
	require.ErrorIs(t, s.Restore(t.Context(), bytes.NewReader(saved)), state.ErrClosed)
	n := 0
	for _, err := range s.Scan(t.Context(), "a", state.Range{}) {
		require.ErrorIs(t, err, state.ErrClosed)
		n++
	}
	require.Equal(t, 1, n)
}
