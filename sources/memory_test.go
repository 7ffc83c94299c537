package sources

import (
	"context"
	"errors"
	"io"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/flow/stage"
)

var errBroken = errors.New("broken")

func open[T any](t *testing.T, src stage.Source[T]) stage.Reader[T] {
	t.Helper()
	r, err := src.Open(t.Context())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, r.Close(context.Background())) })
	return r
}

func read[T any](t *testing.T, r stage.Reader[T]) stage.Batch[T] {
	t.Helper()
	b, err := r.Read(t.Context())
	require.NoError(t, err)
	return b
}

func requireEOF[T any](t *testing.T, r stage.Reader[T]) {
	t.Helper()
	_, err := r.Read(t.Context())
	require.ErrorIs(t, err, io.EOF)
}

func settle[T any](t *testing.T, b stage.Batch[T], i int, err error) {
	t.Helper()
	require.NoError(t, b.Settler.Settle(t.Context(), []stage.Outcome{{Index: i, Err: err}}))
}

func drain[T any](t *testing.T, r stage.Reader[T]) []T {
	t.Helper()
	var all []T
	for {
		b, err := r.Read(t.Context())
		if errors.Is(err, io.EOF) {
			return all
		}
		require.NoError(t, err)
		all = append(all, b.Values...)
	}
}

func TestMemory_GivesAllValuesInOrderAtEachOpen(t *testing.T) {
	channel := func() *Memory[int] {
		c := make(chan int, 3)
		c <- 1
		c <- 2
		c <- 3
		close(c)
		return Channel(c)
	}
	for name, c := range map[string]struct {
		src   *Memory[int]
		again []int
	}{
		"values":  {Values(1, 2, 3), []int{1, 2, 3}},
		"slice":   {Slice([]int{1, 2, 3}).ReadSize(2), []int{1, 2, 3}},
		"seq":     {Seq(slices.Values([]int{1, 2, 3})), []int{1, 2, 3}},
		"channel": {channel(), nil},
	} {
		t.Run(name, func(t *testing.T) {
			first := open(t, c.src)
			require.Equal(t, []int{1, 2, 3}, drain(t, first))
			requireEOF(t, first)
			require.Equal(t, c.again, drain(t, open(t, c.src)))
		})
	}
}

func TestMemory_TellsKeyEventTimeAndID(t *testing.T) {
	at := time.Unix(7, 0)
	src := Values("a", "b").Keyed(func(s string) string { return "k" + s }).EventTime(func(string) time.Time { return at })
	b := read(t, open(t, src))
	require.Equal(t, stage.Info{ID: "2", Key: "kb", EventTime: at}, b.Info(1))
	require.True(t, src.SourceTraits().Keyed)
	require.False(t, src.SourceTraits().Redelivers)
	require.Nil(t, src.Outcomes())
}

func TestMemory_RedeliversFailedValuesAfterBackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := Values("a", "b").Redeliver(3, func(n int) time.Duration { return time.Duration(n) * time.Hour })
		r := open(t, src)
		b := read(t, r)
		require.Equal(t, 1, b.Info(0).Attempt)
		settle(t, b, 1, nil)
		requireEOF(t, r)
		settle(t, b, 0, errBroken)

		began := time.Now()
		b = read(t, r)
		require.Equal(t, time.Hour, time.Since(began))
		require.Equal(t, []string{"a"}, b.Values)
		require.Equal(t, stage.Info{ID: "1", Attempt: 2}, b.Info(0))
		settle(t, b, 0, stage.ErrHandedBack)
		b = read(t, r)
		require.Equal(t, 2, b.Info(0).Attempt, "what is handed back does not count")
		require.Equal(t, time.Hour, time.Since(began), "and comes at once")
		settle(t, b, 0, errBroken)
		b = read(t, r)
		require.Equal(t, 3*time.Hour, time.Since(began))
		settle(t, b, 0, errBroken)
		requireEOF(t, r)
		require.Equal(t, []Outcome[string]{
			{Value: "a", Err: errBroken, Attempts: 3, HandedBack: 1},
			{Value: "b", Done: true, Attempts: 1},
		}, src.Outcomes())
	})
}

func TestMemory_HandsOutNothingOfABrokenKeyBeforeItsFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := Values("a1", "a2", "b1", "a3", "b2").Keyed(func(s string) string { return s[:1] }).
			Redeliver(0, func(int) time.Duration { return time.Minute }).ReadSize(3)
		r := open(t, src)
		first := read(t, r)
		require.Equal(t, []string{"a1", "a2", "b1"}, first.Values)
		settle(t, first, 0, errBroken)
		second := read(t, r)
		require.Equal(t, []string{"b2"}, second.Values, "a3 stands behind a1")
		requireEOF(t, r) // a2 is out, and nothing of its key goes before it is back
		settle(t, first, 1, stage.ErrHandedBack)
		settle(t, first, 2, nil)
		require.Equal(t, []string{"a1", "a2", "a3"}, read(t, r).Values)
	})
}

func TestMemory_DeliversAgainWhatIsHeldBeyondTheLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := make(chan string, 1)
		c <- "a"
		src := Channel(c).WithLease(time.Minute)
		r := open(t, src)
		b := read(t, r)
		require.Equal(t, time.Now().Add(time.Minute), b.Expires)
		began := time.Now()
		again := read(t, r)
		require.Equal(t, time.Minute, time.Since(began))
		require.Equal(t, 2, again.Info(0).Attempt)
		err := b.Settler.Settle(t.Context(), []stage.Outcome{{Index: 0}})
		require.ErrorIs(t, err, ErrNotHeld)
		require.False(t, src.Outcomes()[0].Done)
		settle(t, again, 0, nil)
		require.True(t, src.Outcomes()[0].Done)
	})
}

func TestMemory_RefusesLateOutcomesAtTheEndOfTheInput(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := Values("a").WithLease(time.Minute)
		r := open(t, src)
		b := read(t, r)
		requireEOF(t, r)
		time.Sleep(time.Minute) // virtual: the lease runs out
		require.ErrorIs(t, b.Settler.Settle(t.Context(), []stage.Outcome{{Index: 0}}), ErrNotHeld)
		require.Equal(t, 2, read(t, r).Info(0).Attempt)
	})
}

func TestMemory_GoesOnInTheNextRunWithWhatIsNotDone(t *testing.T) {
	src := Seq(slices.Values([]int{1, 2, 3, 4})).ReadSize(2).Redeliver(0, nil)
	r, err := src.Open(t.Context())
	require.NoError(t, err)
	first := read(t, r)
	second := read(t, r)
	require.Equal(t, []int{1}, first.Values)
	require.Equal(t, []int{2, 3}, second.Values)
	settle(t, first, 0, nil)
	settle(t, second, 1, nil)
	_, err = src.Open(t.Context())
	require.ErrorContains(t, err, "open already")
	require.NoError(t, r.Close(t.Context()))
	require.Equal(t, []int{2, 4}, drain(t, open(t, src)))
}

func TestMemory_RefusesASecondOutcome(t *testing.T) {
	src := Values(1, 2).Recorded()
	b := read(t, open(t, src))
	settle(t, b, 1, nil)
	err := b.Settler.Settle(t.Context(), []stage.Outcome{{Index: 0}, {Index: 1, Err: errBroken}})
	var refused *stage.BatchError
	require.ErrorAs(t, err, &refused)
	require.Len(t, refused.Failed, 1)
	require.ErrorIs(t, refused.Failed[1], ErrNotHeld)
	require.Equal(t, []Outcome[int]{{Value: 1, Done: true, Attempts: 1}, {Value: 2, Done: true, Attempts: 1}}, src.Outcomes())
}

func TestChannel_ReadEndsWithItsContext(t *testing.T) {
	for name, src := range map[string]*Memory[int]{
		"plain":      Channel(make(chan int)),
		"redelivers": Channel(make(chan int)).Redeliver(0, nil),
	} {
		t.Run(name, func(t *testing.T) {
			r := open(t, src)
			ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
			defer cancel()
			_, err := r.Read(ctx)
			require.ErrorIs(t, err, context.DeadlineExceeded)
		})
	}
}

func TestSeq_GivesValuesOfASlowIteratorOneByOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, Seq(func(yield func(int) bool) {
			for i := 0; yield(i); i++ {
				time.Sleep(time.Second) // virtual: the iterator is slow
			}
		}))
		for i := range 5 {
			require.LessOrEqual(t, len(read(t, r).Values), 2, "read %d", i)
		}
	})
}

// A source may be made before the bubble that it is used in: it must not stop the clock there.
func TestMemory_MayBeMadeOutsideOfABubble(t *testing.T) {
	src := Values(1, 2).Redeliver(3, func(int) time.Duration { return time.Hour })
	synctest.Test(t, func(t *testing.T) {
		r := open(t, src)
		b := read(t, r)
		settle(t, b, 0, nil)
		settle(t, b, 1, errBroken)
		began := time.Now()
		require.Equal(t, []int{2}, read(t, r).Values)
		require.Equal(t, time.Hour, time.Since(began))
	})
}
