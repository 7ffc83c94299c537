package pebble_test

import (
	"context"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/internal/windowmodel"
)

// Windows in a store whose disk forgets in crashes what was not synced: each event that was acknowledged is
// in them, and counts once, and each result that was given is known of, so that two with one revision have
// one value.
func TestKept_IsSortingAndGroupingOverCrashesOfTheDisk(t *testing.T) {
	var all windowmodel.Report
	for seed := range uint64(*seeds) / 2 {
		synctest.Test(t, func(t *testing.T) {
			m := windowmodel.Draw(seed, 100, time.Minute)
			r := rand.New(rand.NewPCG(seed, 2))
			out, late := windowmodel.NewTable(seed), &windowmodel.Late{}
			group := windowmodel.NewGroup(m.Events, time.Second, 30*time.Second)
			// With much memory, most operations are those of commits; with little, those of tables.
			d := newDiskFor(4 << 10 << (seed % 2 * 8))
			for left := 1 + r.IntN(4); left >= 0; left-- {
				p := &windowmodel.Process{Seed: r.Uint64(), Slow: time.Second}
				ctx, cancel := context.WithCancel(t.Context())
				if left > 0 {
					d.CrashAt(1+r.IntN(300), r, func() {
						p.Kill() // what returns to it from now on may not be on the disk
						all.Deaths++
						cancel()
					})
				}
				timer := time.AfterFunc(time.Duration(1+r.IntN(120))*time.Second, d.crashNow)
				store, err := d.Open()
				require.NoError(t, err, "seed %d", seed)
				err = m.Pipeline(group, p, store, out, late).Run(ctx)
				if ctx.Err() == nil {
					require.NoError(t, err, "seed %d", seed)
				}
				timer.Stop()
				cancel()
				require.NoError(t, store.Close(), "seed %d", seed)
				d = d.Restart().(*disk)
			}
			require.Zero(t, group.Left(), "seed %d: not acknowledged", seed)
			given, twice, err := windowmodel.Check(m, out, late)
			require.NoError(t, err, "seed %d", seed)
			all.Add(windowmodel.Report{Given: given, Twice: twice, Again: group.Again()})
		})
	}
	t.Logf("%+v", all)
	require.Greater(t, all.Deaths, *seeds/2)
	require.Greater(t, all.Again, *seeds)
	require.Positive(t, all.Twice)
}
