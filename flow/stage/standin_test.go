package stage_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/flow/stage"
)

func TestStandIn_TellsOfTheOutcomeAndSettlesNothing(t *testing.T) {
	s, o, d := opened(2)
	s.Release()
	var told []error
	done := d[0].StandIn(func(err error) { told = append(told, err) })
	require.True(t, done.Retain(1))
	done.Done()
	require.Empty(t, told, "rule 2")
	done.Done()
	require.False(t, done.Done(), "rule 1")
	require.Equal(t, []error{nil}, told)
	failed := d[1].StandIn(func(err error) { told = append(told, err) })
	failed.Fail(errTest)
	require.Equal(t, []error{nil, errTest}, told)
	require.Zero(t, o.some.Load()+o.all.Load())
	stage.DoneAll(d)
	require.EqualValues(t, 1, o.all.Load())
}

func TestStandIn_IsKnownAsTheRecordIs(t *testing.T) {
	s, o := &stage.Slab{}, &owner{}
	expires := time.Unix(1, 0)
	s.Open(2, o, stage.SlabOptions{First: 10, Expires: expires})
	d := s.Duty(1)
	in := d.StandIn(func(error) {})
	require.Equal(t, "b", in.Info().Key)
	require.Equal(t, 1, in.Origin())
	require.EqualValues(t, 11, in.Sequence())
	require.Equal(t, expires, in.Expires())
	inner, ok := in.StandsFor()
	require.True(t, ok)
	require.Equal(t, d, inner)
	_, ok = d.StandsFor()
	require.False(t, ok)
	in.Done()
	inner, _ = in.StandsFor()
	require.Equal(t, d, inner, "also when it is settled")
	var none stage.Duty
	told := false
	none.StandIn(func(error) { told = true }).Done()
	require.True(t, told)
}
