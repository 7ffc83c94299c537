package pebble_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/flow"
	"github.com/rocketflow-io/rocketflow/flow/flowtest"
	"github.com/rocketflow-io/rocketflow/state/statetest"
)

// deduped runs all ids through a pipeline that writes each once, and gives what was written. opened is
// called when the store is open.
func deduped(t *testing.T, in *flowtest.Input[string], disk statetest.Disk, opened func()) []string {
	t.Helper()
	s, err := disk.Open()
	require.NoError(t, err)
	defer func() { require.NoError(t, s.Close()) }()
	opened()
	out := flowtest.NewOutput[string]()
	itself := func(id string) string { return id }
	require.NoError(t, flow.From(in).Dedupe(itself, s, "seen", 0).To(out, flow.Batched(4, time.Second)).Run(t.Context()))
	return out.Values()
}

// What was acknowledged before a crash is not written after it, although it may come again.
func TestDedupe_WritesNothingAgainThatWasAcknowledgedBeforeACrash(t *testing.T) {
	within := 0 // crashes that came when some were acknowledged and some were not
	for seed := range uint64(*seeds) {
		r := rand.New(rand.NewPCG(seed, 5))
		var ids []string
		in, disk := flowtest.NewInput[string](), newDisk()
		for i := range 40 {
			ids = append(ids, fmt.Sprint(i))
			in.Give(ids[i])
			if i%5 == 4 {
				in.Pause(200 * time.Microsecond)
			}
		}
		safe := make(map[string]bool)
		written := deduped(t, in, disk, func() {
			disk.CrashAt(1+r.IntN(30), r, func() {
				for _, o := range in.Outcomes() {
					if o.State == flowtest.Acked {
						safe[o.Value] = true
					}
				}
			})
		})
		require.ElementsMatch(t, ids, written, "seed %d", seed)
		in.RequireAcked(t)
		for _, id := range deduped(t, flowtest.NewInput(ids...), disk.Restart(), func() {}) {
			require.False(t, safe[id], "seed %d: %s was acknowledged, and is written again", seed, id)
		}
		if len(safe) > 0 && len(safe) < len(ids) {
			within++
		}
	}
	require.Greater(t, within, *seeds/10)
}
