package broker

import (
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// An expiry notes when it was called.
type expiry struct{ at []int64 }

func (e *expiry) expire(now int64) { e.at = append(e.at, now) }

func TestDeadlines_GiveTheEarliestFirst(t *testing.T) {
	var h deadlines
	all := make([]*deadline, 100)
	random := rand.New(rand.NewPCG(1, 2))
	for i := range all {
		all[i] = new(deadline)
		h.set(all[i], random.Int64N(1000))
	}
	var want []int64
	for i, d := range all {
		switch i % 3 {
		case 0:
			h.remove(d)
			h.remove(d) // has no effect
			continue
		case 1:
			h.set(d, random.Int64N(1000)) // moved
		}
		want = append(want, d.at)
	}
	slices.Sort(want)
	var got []int64
	for d, ok := h.due(1000); ok; d, ok = h.due(1000) {
		got = append(got, d.at)
	}
	require.Equal(t, want, got)
}

func TestScheduler_CallsWhoIsDueOnTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScheduler()
		s.start()
		began := nowMillis()
		late, early, never := &expiry{}, &expiry{}, &expiry{}
		lateDeadline := &deadline{owner: late}
		s.set(lateDeadline, began+5000)
		synctest.Wait()
		s.set(&deadline{owner: early}, began+1000)
		neverDeadline := &deadline{owner: never}
		s.set(neverDeadline, began+2000)
		s.set(lateDeadline, began+7_200_000)
		s.remove(neverDeadline)
		time.Sleep(3 * time.Hour)
		s.close()
		require.Equal(t, []int64{began + 1000}, early.at)
		require.Equal(t, []int64{began + 7_200_000}, late.at)
		require.Empty(t, never.at)
	})
}
