package windowmodel_test

import (
	"flag"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/internal/windowmodel"
	"github.com/rocketflow-io/rocketflow/state"
)

var seeds = flag.Int("seeds", manySeeds, "how many seeds the test of shared windows runs, from 0")

// unclosed is a store that other processes go on with.
type unclosed struct{ state.Store }

func (unclosed) Close() error { return nil }

// Processes that share windows, stand still beyond their heartbeat and their leases, die and come back:
// each event counts once, in all its windows, and none is late by that.
func TestKept_SharedByProcessesIsSortingAndGrouping(t *testing.T) {
	var all windowmodel.Report
	for seed := range uint64(*seeds) {
		synctest.Test(t, func(t *testing.T) {
			memory := state.NewMemory()
			m := windowmodel.Draw(seed, 500, 5*time.Minute)
			report, err := m.Share(t.Context(), 3, func() (windowmodel.Handle, error) {
				return windowmodel.Handle{Store: unclosed{memory}}, nil
			})
			require.NoError(t, err, "seed %d", seed)
			all.Add(report)
		})
	}
	t.Logf("%+v", all)
	require.Greater(t, all.Deaths, *seeds)
	require.Greater(t, all.Freezes, *seeds)
	require.Greater(t, all.Again, 10**seeds)
	require.Greater(t, all.Counters["conflicts"], int64(*seeds))
	require.Positive(t, all.Twice, "results that who had begun them had given, too")
}
