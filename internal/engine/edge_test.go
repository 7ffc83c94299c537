package engine

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/flow/stage"
)

// What there is no way for is handed back by the edge: the run gives up what is not settled only afterwards,
// and a record that was acknowledged by then is lost.
func TestEdge_HandsBackWhatTheRunHasEndedFor(t *testing.T) {
	ended, end := context.WithCancel(t.Context())
	e := &edge[int]{
		stage: &Stage{run: &Run{userCtx: ended}}, opts: EdgeOptions[int]{Records: 2},
		filled: make(chan struct{}, 1), spare: make(chan struct{}, 1),
	}
	var slab stage.Slab
	slab.Open(5, deaf{}, stage.SlabOptions{})
	defer slab.Release()
	all := make([]stage.Record[int], 5)
	for i := range all {
		all[i] = stage.Record[int]{Value: i, Duty: slab.Duty(i)}
	}
	end()
	settled := func() (all []bool) {
		for i := range 5 {
			err, settled := slab.Outcome(i)
			if all = append(all, settled); settled {
				require.ErrorIs(t, err, stage.ErrHandedBack)
			}
		}
		return all
	}
	e.put(all[:4])
	require.Equal(t, []bool{false, false, true, true, false}, settled(), "there is room for two")
	e.shut()
	require.Equal(t, []bool{true, true, true, true, false}, settled(), "and they are on the edge")
	e.put(all[4:])
	require.Equal(t, []bool{true, true, true, true, true}, settled(), "nothing comes onto it any more")
	require.EqualValues(t, 5, e.stage.back.Load())
	require.Nil(t, e.stage.untilIdle(), "nothing waits")
}
