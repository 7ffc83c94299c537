package pebble_test

import (
	"flag"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/state"
	"github.com/rocketflow-io/rocketflow/state/pebble"
	"github.com/rocketflow-io/rocketflow/state/statetest"
)

var seeds = flag.Int("seeds", manySeeds, "how many seeds the crash test runs, from 1")

// disk is in memory, and keeps apart what was synced and what was not.
type disk struct {
	fs     *vfs.MemFS
	memory uint64 // of the store

	mu      sync.Mutex // guards what follows
	left    int        // operations up to the crash; 0 if none is to come
	crash   func()
	crashed *vfs.MemFS // what it has left
}

// newDisk gives a disk for a store that keeps little in memory, and so writes its tables while the test runs.
func newDisk() statetest.Disk { return newDiskFor(4 << 10) }

func newDiskFor(memory uint64) *disk {
	return &disk{fs: vfs.NewCrashableMem(), memory: memory}
}

func (d *disk) Open() (state.Store, error) {
	return pebble.Open("state", pebble.WithFS(errorfs.Wrap(d.fs, errorfs.InjectorFunc(d.operation))), pebble.WithMemory(d.memory))
}

// operation is told of each operation before it is done.
func (d *disk) operation(errorfs.Op) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.left == 0 {
		return nil
	}
	if d.left--; d.left == 0 {
		d.crash()
	}
	return nil
}

func (d *disk) CrashAt(n int, r *rand.Rand, crashed func()) {
	share := r.IntN(3) * 50
	seed := r.Uint64()
	d.mu.Lock()
	defer d.mu.Unlock()
	d.left, d.crash = n, func() {
		// What has returned is asked first: commits go on meanwhile.
		crashed()
		d.crashed = d.fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: share, RNG: rand.New(rand.NewPCG(seed, 3))})
	}
}

// crashNow lets the crash come that was to come, if it has not.
func (d *disk) crashNow() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.left > 0 {
		d.left = 0
		d.crash()
	}
}

func (d *disk) Restart() statetest.Disk {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.crashed != nil {
		return &disk{fs: d.crashed, memory: d.memory}
	}
	return &disk{fs: d.fs, memory: d.memory}
}

func TestStore_LosesNothingInACrash(t *testing.T) {
	statetest.RunCrashes(t, *seeds, newDisk)
}

// A commit that is not synced may not be told of: it could be acted upon, and then be lost.
func TestStore_TellsOfNothingThatACrashCouldTakeBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := make(chan struct{})
		waits := errorfs.Toggle{Injector: errorfs.InjectorFunc(func(op errorfs.Op) error {
			if op.Kind == errorfs.OpFileSync || op.Kind == errorfs.OpFileSyncData {
				<-slow
			}
			return nil
		})}
		s := open(t, "state", pebble.WithFS(errorfs.Wrap(vfs.NewMem(), &waits)))
		commit(t, s, put("old", "v"), put("gone", "v"))
		waits.On()
		var work sync.WaitGroup
		var done sync.Map
		during := func(what string, f func()) {
			work.Go(func() { f(); done.Store(what, true) })
			synctest.Wait()
		}
		get := func(key string) func() {
			return func() {
				if _, err := s.Get(t.Context(), "t", []byte(key)); err != nil {
					t.Error(err)
				}
			}
		}
		during("commit", func() { commit(t, s, put("new", "v"), state.Write{Table: "t", Key: []byte("gone"), Delete: true}) })
		during("get what was put", get("new"))
		during("get what was deleted", get("gone"))
		during("scan", func() {
			if _, err := all(t, s); err != nil {
				t.Error(err)
			}
		})
		during("get what is synced", get("old"))
		told := []any{}
		done.Range(func(what, _ any) bool { told = append(told, what); return true })
		require.Equal(t, []any{"get what is synced"}, told)
		close(slow)
		work.Wait()
		require.NoError(t, s.Close())
	})
}
