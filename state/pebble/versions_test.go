package pebble_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/state"
	"github.com/rocketflow-io/rocketflow/state/pebble"
)

// What a store remembers of versions, and of where tables end, may not be told from what it would read:
// whatever is read and written, with conditions or without, that expires, is swept, or comes by a restore.
// The store in memory, which remembers nothing beside its entries, says what is right.
func TestStore_DecidesByWhatIsThereWhateverItRemembers(t *testing.T) {
	for _, cache := range []int64{0, 1 << 10, 4 << 10, pebble.DefaultCache} {
		t.Run(fmt.Sprint(cache), func(t *testing.T) {
			for seed := range 100 {
				synctest.Test(t, func(t *testing.T) {
					s := open(t, "state", pebble.WithFS(vfs.NewMem()), pebble.WithCache(cache))
					defer func() { require.NoError(t, s.Close()) }()
					b := both{t: t, r: rand.New(rand.NewPCG(uint64(seed), 7)), model: state.NewMemory(), store: s}
					if b.r.IntN(2) == 0 {
						b.restore()
					}
					for range 100 {
						b.step()
					}
				})
				require.False(t, t.Failed(), "seed %d", seed)
			}
		})
	}
}

// both is a store, and the one that says what is right.
type both struct {
	t            *testing.T
	r            *rand.Rand
	model, store state.Store
	read         []state.Version // that were there once
}

func (b *both) step() {
	switch b.r.IntN(8) {
	case 0:
		time.Sleep(time.Duration(b.r.IntN(90)) * time.Second) // some expire, some are swept
	case 1, 2, 3:
		table, keys := b.table(), [][]byte{b.key(), b.key(), b.key()}
		want, err := b.model.Get(b.t.Context(), table, keys...)
		require.NoError(b.t, err)
		got, err := b.store.Get(b.t.Context(), table, keys...)
		require.NoError(b.t, err)
		require.Equal(b.t, want, got)
		for _, e := range got {
			b.read = append(b.read, e.Version)
		}
	default:
		b.commit()
	}
}

// commit writes on conditions that hold or not.
func (b *both) commit() {
	var c state.Changes
	for range 1 + b.r.IntN(4) {
		w := state.Write{Table: b.table(), Key: b.key(), Value: []byte("v"), Delete: b.r.IntN(5) == 0}
		if b.r.IntN(3) == 0 {
			w.Expires = time.Now().Add(time.Duration(b.r.IntN(100)) * time.Second)
		}
		switch b.r.IntN(6) {
		case 0:
			w.If = state.Absent
		case 1:
			if len(b.read) > 0 {
				w.If = b.read[b.r.IntN(len(b.read))]
			}
		case 2, 3:
			found, err := b.model.Get(b.t.Context(), w.Table, w.Key)
			require.NoError(b.t, err)
			w.If = found[0].Version
		}
		c.Writes = append(c.Writes, w)
	}
	want, failed := b.model.Commit(b.t.Context(), &c)
	got, err := b.store.Commit(b.t.Context(), &c)
	require.Equal(b.t, want, got)
	require.Equal(b.t, conflicts(failed), conflicts(err))
}

func conflicts(err error) []int {
	if conflict, ok := errors.AsType[*state.ConflictError](err); ok {
		return slices.Sorted(slices.Values(conflict.Writes))
	}
	return nil
}

// restore fills both from a snapshot, after reads and writes that have left nothing.
func (b *both) restore() {
	from := state.NewMemory()
	for range 20 {
		_, err := from.Commit(b.t.Context(), &state.Changes{Writes: []state.Write{{Table: b.table(), Key: b.key(), Value: []byte("old")}}})
		require.NoError(b.t, err)
	}
	var saved bytes.Buffer
	require.NoError(b.t, from.Snapshot(b.t.Context(), &saved))
	for _, s := range []state.Store{b.model, b.store} {
		_, err := s.Get(b.t.Context(), "a", []byte("0"), []byte("1"))
		require.NoError(b.t, err)
		_, err = s.Commit(b.t.Context(), &state.Changes{Writes: []state.Write{{Table: "a", Key: []byte("0"), If: state.Absent}}})
		require.NoError(b.t, err)
		_, err = s.Commit(b.t.Context(), &state.Changes{Writes: []state.Write{{Table: "a", Key: []byte("0"), Delete: true}}})
		require.NoError(b.t, err)
		require.NoError(b.t, s.Restore(b.t.Context(), bytes.NewReader(saved.Bytes())))
	}
}

func (b *both) table() string { return []string{"a", "bc"}[b.r.IntN(2)] }
func (b *both) key() []byte   { return fmt.Append(nil, b.r.IntN(12)) }

// What a Get remembers may not be what a commit has overwritten meanwhile: then another commit could go by
// it, and an update be lost.
func TestStore_LosesNoUpdateOfManyAtATime(t *testing.T) {
	s := open(t, "state", pebble.WithFS(vfs.NewMem()))
	defer func() { require.NoError(t, s.Close()) }()
	counts := state.NewTable[int, int]("counts")
	const rounds, workers, times = 50, 8, 100
	for key := range rounds {
		var work sync.WaitGroup
		for range workers {
			work.Go(func() {
				for range times {
					_, err := counts.Update(t.Context(), s, key, func(i state.Item[int, int]) (int, error) { return i.Value + 1, nil })
					if err != nil {
						t.Error(err)
					}
				}
			})
		}
		work.Wait()
		item, err := counts.Get(t.Context(), s, key)
		require.NoError(t, err)
		require.Equal(t, workers*times, item.Value)
	}
}

// A read need not wait while a commit is made. What it notes meanwhile is not taken for what is there after
// the commit, whatever the moment.
func TestStore_DecidesByWhatIsThereThoughItIsReadWhileACommitIsMade(t *testing.T) {
	s := open(t, "state", pebble.WithFS(vfs.NewMem()))
	defer func() { require.NoError(t, s.Close()) }()
	var keys [][]byte
	for i := range 2000 { // which takes long enough for reads in between
		keys = append(keys, []byte(fmt.Sprint(i)))
	}
	r := rand.New(rand.NewPCG(1, 2))
	for round := range 90 {
		table := fmt.Sprint("t", round/3) // of which nothing is remembered, and then something
		var c, next state.Changes
		for _, k := range keys {
			// Without conditions: it matters to no one what is there.
			c.Writes = append(c.Writes, state.Write{Table: table, Key: k, Value: k, Delete: r.IntN(3) == 0})
		}
		made := make(chan struct{})
		var v state.Version
		var work sync.WaitGroup
		work.Go(func() {
			defer close(made)
			var err error
			v, err = s.Commit(t.Context(), &c)
			require.NoError(t, err)
		})
		for reader := range 2 {
			work.Go(func() {
				for from, going := 20*reader, true; going; from = (from + 40) % len(keys) {
					_, err := s.Get(t.Context(), table, keys[from:from+20]...)
					require.NoError(t, err)
					select {
					case <-made:
						going = false
					default:
					}
				}
			})
		}
		work.Wait()
		for _, w := range c.Writes {
			w.If = v
			if w.Delete {
				w.If = state.Absent
			}
			w.Delete = false
			next.Writes = append(next.Writes, w)
		}
		_, err := s.Commit(t.Context(), &next)
		require.NoError(t, err, "round %d", round)
	}
}
