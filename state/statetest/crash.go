package statetest

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/state"
)

// Disk is the file layer of a store, which a crash lets forget what was not synced.
type Disk interface {
	// Open opens the store that is on the disk; if there is none, an empty one.
	Open() (state.Store, error)
	// CrashAt lets a crash come before the nth operation on files from now, as r decides what of that
	// which was not synced is lost. crashed is called at that moment. What goes on in the test
	// afterwards is not on the disk that Restart gives.
	CrashAt(n int, r *rand.Rand, crashed func())
	// Restart gives the disk as the crash has left it, or as it is if none has come.
	Restart() Disk
}

// RunCrashes lets a store on new disks crash, at moments that the seeds from 1 on choose, and demands
// that it is then as it was after one of its commits: not before the last that had returned, and not
// after the last that had begun. A restore that a crash cuts off leaves nothing.
func RunCrashes(t *testing.T, seeds int, newDisk func() Disk) {
	t.Helper()
	for seed := range seeds {
		c := crashing{seed: seed + 1, r: rand.New(rand.NewPCG(uint64(seed+1), 2)), disk: newDisk(), commits: []model{{}}}
		for range 3 {
			c.live(t)
			if t.Failed() {
				return
			}
		}
	}
}

// crashing is a store from crash to crash.
type crashing struct {
	seed    int
	r       *rand.Rand
	disk    Disk
	commits []model // what there was after each commit since the last crash

	begun, returned atomic.Int32 // commits
}

// live runs the store until its disk has crashed, and looks what is left.
func (c *crashing) live(t *testing.T) {
	t.Helper()
	c.begun.Store(0)
	c.returned.Store(0)
	first, last := -1, -1
	c.disk.CrashAt(1+c.r.IntN(120), c.r, func() { first, last = int(c.returned.Load()), int(c.begun.Load()) })
	s, err := c.disk.Open()
	require.NoError(t, err, "seed %d", c.seed)
	if len(c.commits[0]) == 0 && c.r.IntN(2) == 0 {
		c.restore(t, s)
	}
	for range 1 + c.r.IntN(25) {
		c.commit(t, s)
	}
	require.NoError(t, s.Close())
	if first < 0 {
		first, last = int(c.returned.Load()), int(c.begun.Load())
	}

	c.disk = c.disk.Restart()
	s, err = c.disk.Open()
	require.NoError(t, err, "seed %d", c.seed)
	found := contents(t, s)
	require.NoError(t, s.Close())
	for _, m := range slices.Backward(c.commits[first : last+1]) {
		if slices.EqualFunc(found, m.contents(), slices.Equal) {
			c.commits = []model{m}
			return
		}
	}
	require.Equal(t, c.commits[first].contents(), found,
		"seed %d: %d commits had returned when the disk crashed, and %d had begun; what is left is none of these", c.seed, first, last)
}

func (c *crashing) commit(t *testing.T, s state.Store) {
	t.Helper()
	now := c.commits[len(c.commits)-1]
	writes := now.changes(c.r)
	if unmet := now.unmet(writes); len(unmet) > 0 {
		conflict(t, s, unmet, writes...)
		return
	}
	c.begun.Add(1)
	v := commit(t, s, writes...)
	c.commits = append(c.commits, now.after(writes, v))
	c.returned.Add(1)
}

// restore fills the empty store from a snapshot, which counts as a commit.
func (c *crashing) restore(t *testing.T, s state.Store) {
	t.Helper()
	from := state.NewMemory()
	m := model{}
	for range 20 {
		writes := m.changes(c.r)
		if len(m.unmet(writes)) == 0 {
			m = m.after(writes, commit(t, from, writes...))
		}
	}
	saved := snapshot(t, from)
	c.begun.Add(1)
	require.NoError(t, s.Restore(t.Context(), bytes.NewReader(saved)))
	c.commits = append(c.commits, m)
	c.returned.Add(1)
}
