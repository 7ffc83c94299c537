package engine

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestPace_ReadsWhatTheMeasuredRateFinishesInHalfALease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p pace
		p.open(time.Minute)
		require.Equal(t, minInFlight, p.limit(), "nothing is known yet")
		p.began()
		for range 100 {
			time.Sleep(time.Second)
			p.settled(10, true)
		}
		require.InDelta(t, 300, p.limit(), 30, "ten a second, for half a minute")
		p.settled(0, false)
		time.Sleep(time.Hour) // without work
		p.began()
		time.Sleep(time.Second)
		p.settled(10, true)
		require.InDelta(t, 300, p.limit(), 30, "only time in which there was work counts")
		for range 100 {
			time.Sleep(time.Minute)
			p.settled(1, true)
		}
		require.Equal(t, minInFlight, p.limit())
	})
}

func TestPace_IsBoundedWithoutALease(t *testing.T) {
	var p pace
	p.open(0)
	require.Equal(t, maxInFlight, p.limit())
}

// Where stages hold more than is usually in flight, a lease does not keep them from becoming full.
func TestPace_MakesRoomForWhatStagesHold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p pace
		p.open(time.Hour)
		p.widen(10000)
		p.began()
		time.Sleep(time.Second)
		p.settled(1000, true)
		require.Equal(t, 20000, p.limit())
	})
}

func TestPace_LeavesATenthOfTheLeaseForWork(t *testing.T) {
	var p pace
	p.open(10 * time.Second)
	now := time.Now()
	require.Equal(t, now.Add(9*time.Second), p.lastStart(now.Add(10*time.Second)))
	p.open(time.Hour)
	require.Equal(t, now.Add(-10*time.Second), p.lastStart(now), "at most ten seconds")
	require.Zero(t, p.lastStart(time.Time{}))
}
