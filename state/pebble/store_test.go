package pebble_test

import (
	"bytes"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/rocketflow-io/rocketflow/state"
	"github.com/rocketflow-io/rocketflow/state/pebble"
	"github.com/rocketflow-io/rocketflow/state/statetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t *testing.T, dir string, opts ...pebble.Option) *pebble.Store {
	t.Helper()
	s, err := pebble.Open(dir, opts...)
	require.NoError(t, err)
	return s
}

func TestStore_KeepsTheContract(t *testing.T) {
	var mu sync.Mutex
	at := make(map[state.Store]vfs.FS)
	on := func(t *testing.T, fs vfs.FS) state.Store {
		t.Helper()
		s := open(t, "state", pebble.WithFS(fs))
		mu.Lock()
		defer mu.Unlock()
		at[s] = fs
		return s
	}
	statetest.Run(t, statetest.Store{
		Open: func(t *testing.T) state.Store { t.Helper(); return on(t, vfs.NewMem()) },
		Reopen: func(t *testing.T, closed state.Store) state.Store {
			t.Helper()
			mu.Lock()
			fs := at[closed]
			mu.Unlock()
			return on(t, fs)
		},
	})
}

func commit(t *testing.T, s state.Store, writes ...state.Write) state.Version {
	t.Helper()
	v, err := s.Commit(t.Context(), &state.Changes{Writes: writes})
	require.NoError(t, err)
	return v
}

func put(key, value string) state.Write {
	return state.Write{Table: "t", Key: []byte(key), Value: []byte(value)}
}

func all(t *testing.T, s state.Store) (found []string, err error) {
	t.Helper()
	for e, err := range s.Scan(t.Context(), "t", state.Range{}) {
		if err != nil {
			return nil, err
		}
		found = append(found, fmt.Sprintf("%s=%s", e.Key, e.Value))
	}
	return found, nil
}

func TestOpen_OnDiskBelongsToOne(t *testing.T) {
	dir := t.TempDir() + "/new/state"
	s := open(t, dir)
	commit(t, s, put("k", "v"))
	_, err := pebble.Open(dir)
	require.ErrorContains(t, err, dir)
	require.NoError(t, s.Close())
	s = open(t, dir, pebble.WithCache(1<<20))
	found, err := all(t, s)
	require.NoError(t, err)
	require.Equal(t, []string{"k=v"}, found)
	require.NoError(t, s.Close())
	_, err = pebble.Open(dir, pebble.WithCache(-1))
	require.ErrorContains(t, err, "negative")
}

func TestStore_RemovesWhatHasExpired(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, "state", pebble.WithFS(vfs.NewMem()))
		defer func() { require.NoError(t, s.Close()) }()
		soon, later := time.Now().Add(time.Minute), time.Now().Add(time.Hour)
		for i := range 1000 {
			w := put(fmt.Sprint(i), "v")
			w.Expires = soon
			commit(t, s, w)
			if i%10 == 0 {
				w.Expires = later
				commit(t, s, w)
			}
		}
		kept, err := s.Kept()
		require.NoError(t, err)
		require.Equal(t, 1000+1000+100, kept)
		time.Sleep(3 * time.Minute)
		kept, err = s.Kept()
		require.NoError(t, err)
		require.Equal(t, 100+100, kept, "what was written again is still there")
		time.Sleep(time.Hour)
		kept, err = s.Kept()
		require.NoError(t, err)
		require.Zero(t, kept)
	})
}

// What expires together is swept together, of any number and of several tables, also after a restore.
func TestStore_RemovesWhatHasExpiredTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, "state", pebble.WithFS(vfs.NewMem()))
		defer func() { require.NoError(t, s.Close()) }()
		var writes []state.Write
		for i := range 1000 {
			w := put(fmt.Sprint(i), "v")
			w.Table = []string{"t", "longer"}[i%2]
			w.Expires = time.Now().Add(time.Duration(1+i%3) * time.Hour)
			writes = append(writes, w)
		}
		writes = append(writes, put("stays", "v"))
		commit(t, s, writes...)
		kept, err := s.Kept()
		require.NoError(t, err)
		require.Less(t, kept, 1001+1000/10, "entries, and lists")

		var saved bytes.Buffer
		require.NoError(t, s.Snapshot(t.Context(), &saved))
		restored := open(t, "restored", pebble.WithFS(vfs.NewMem()))
		defer func() { require.NoError(t, restored.Close()) }()
		require.NoError(t, restored.Restore(t.Context(), &saved))
		for hours := range 3 {
			time.Sleep(time.Hour + 2*time.Minute)
			for _, s := range []*pebble.Store{s, restored} {
				kept, err := s.Kept()
				require.NoError(t, err)
				left := 1 + []int{666, 333, 0}[hours]
				require.True(t, left <= kept && kept <= left+left/10, "%d are kept, of %d", kept, left)
			}
		}
	})
}

// After a sync that failed no one knows what is on the disk, so nothing may go on as if it were there.
func TestStore_GoesOnWithNothingThatWasNotSynced(t *testing.T) {
	broken := errors.New("broken disk")
	fails := errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind == errorfs.OpFileSync || op.Kind == errorfs.OpFileSyncData || op.Kind == errorfs.OpFileSyncTo {
			return broken
		}
		return nil
	})
	on := errorfs.Toggle{Injector: fails}
	s := open(t, "state", pebble.WithFS(errorfs.Wrap(vfs.NewMem(), &on)))
	commit(t, s, put("k", "before"))
	on.On()
	_, err := s.Commit(t.Context(), &state.Changes{Writes: []state.Write{put("k", "after")}})
	require.ErrorIs(t, err, broken)
	on.Off()
	_, err = s.Commit(t.Context(), &state.Changes{Writes: []state.Write{put("k", "more")}})
	require.ErrorContains(t, err, "open the store again")
	_, err = s.Get(t.Context(), "t", []byte("k"))
	require.ErrorContains(t, err, "open the store again")
	_ = s.Close()
}

// Of several keys those that are absent are told by the filters of the tables, on each level.
func TestStore_ReadsManyKeysOfTablesOnDisk(t *testing.T) {
	s := open(t, "state", pebble.WithFS(vfs.NewMem()))
	defer func() { require.NoError(t, s.Close()) }()
	var c state.Changes
	var keys [][]byte
	for i := range 2000 {
		keys = append(keys, []byte(fmt.Sprintf("%04d", i)))
		if i%2 == 0 {
			c.Writes = append(c.Writes, put(string(keys[i]), "v"))
		}
	}
	v := commit(t, s, c.Writes...)
	require.NoError(t, s.Compact(t.Context()))
	check := func() {
		t.Helper()
		entries, err := s.Get(t.Context(), "t", keys...)
		require.NoError(t, err)
		for i, e := range entries {
			require.Equal(t, i%2 == 0, e.Found(), "%s", keys[i])
			require.Equal(t, keys[i], e.Key)
		}
	}
	check()
	for i := range c.Writes {
		c.Writes[i].If = v
	}
	c.Writes[7].If = state.Absent
	c.Writes = append(c.Writes, state.Write{Table: "t", Key: []byte("0001"), If: v})
	_, err := s.Commit(t.Context(), &c)
	var conflict *state.ConflictError
	require.ErrorAs(t, err, &conflict)
	require.Equal(t, []int{7, 1000}, conflict.Writes)
	check()
}
