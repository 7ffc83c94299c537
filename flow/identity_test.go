package flow_test

import (
	"context"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/flow"
	"github.com/rocketflow-io/rocketflow/sources"
	"github.com/rocketflow-io/rocketflow/state"
)

// Two sources may give their records the same ids: they number their own. What comes again from one is
// not what came from the other.
func TestIdentity_TellsRecordsOfTwoSourcesApart(t *testing.T) {
	both := func() flow.Stream[reading] {
		a := sources.Values(reading{"a", 5, 1}).Redeliver(0, nil)
		b := sources.Values(reading{"a", 5, 1}).Redeliver(0, nil)
		var tries atomic.Int32
		again := flow.From(b).TryFilter(func(context.Context, reading) (bool, error) {
			if tries.Add(1) < 3 {
				return false, errTest
			}
			return true, nil
		})
		return flow.Merge(flow.From(a), again)
	}
	for name, of := range map[string]func(flow.Windowed[string, reading]) flow.Windowed[string, reading]{
		"held": func(w flow.Windowed[string, reading]) flow.Windowed[string, reading] { return w },
		"kept": func(w flow.Windowed[string, reading]) flow.Windowed[string, reading] {
			return w.KeptIn(state.NewMemory(), "sums")
		},
	} {
		t.Run(name, func(t *testing.T) {
			out := &collector[flow.Window[string, int]]{}
			require.NoError(t, of(hours(both())).Agg(zero, plus).To(out).Run(t.Context()))
			require.Equal(t, []sum{{key: "a", end: 60, v: 2}}, short(out.values()))
		})
	}
	t.Run("join", func(t *testing.T) {
		out := &collector[string]{}
		right := flow.From(sources.Values(reply{reading{"a", 5, 1}}).Redeliver(0, nil))
		require.NoError(t, joinReadings(both(), right, 0, 0).DropLate().Inner(toldInner).To(out).Run(t.Context()))
		require.Len(t, out.values(), 2)
	})
}
