package engine

import (
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/rocketflow-io/rocketflow/flow/stage"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type deaf struct{}

func (deaf) Settled(*stage.Slab, bool) {}
func (deaf) Info(int) stage.Info       { return stage.Info{} }
func (deaf) Origin(int) any            { return nil }

// Rule 1: the settler may be told of some outcomes while it collects all of them.
func TestRead_GivesEachOutcomeOnce(t *testing.T) {
	r := &read[int]{sent: make([]bool, 3), unsent: 3}
	r.slab.Open(3, deaf{}, stage.SlabOptions{})
	r.slab.Release()
	for i := range 3 {
		r.slab.Duty(i).Done()
	}
	require.Len(t, r.collect(&outcomes{}), 3)
	require.Empty(t, r.collect(&outcomes{}))

	r = &read[int]{sent: make([]bool, 3), unsent: 3}
	r.slab.Open(3, deaf{}, stage.SlabOptions{})
	r.slab.Duty(1).Fail(stage.ErrHandedBack)
	require.Equal(t, []stage.Outcome{{Index: 1, Err: stage.ErrHandedBack}}, r.collect(&outcomes{}))
	r.slab.Duty(0).Done()
	require.Equal(t, []stage.Outcome{{Index: 0}}, r.collect(&outcomes{}))
}
