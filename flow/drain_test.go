package flow_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/flow"
	"github.com/rocketflow-io/rocketflow/sources"
)

// endless gives a channel that is never closed, with n values.
func endless(n int) <-chan int {
	c := make(chan int, n)
	for i := range n {
		c <- i
	}
	return c
}

// cancelled gives a context that ends after d of virtual time.
func cancelled(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	stop := time.AfterFunc(d, cancel)
	t.Cleanup(func() { stop.Stop(); cancel() })
	return ctx
}

func TestDrain_FinishesWhatIsInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := sources.Channel(endless(20)).ReadSize(5).Recorded()
		out := &collector[int]{before: slow[int](time.Second)}
		var ended atomic.Bool
		p := flow.From(src).ParMap(4, func(ctx context.Context, v int) (int, error) {
			time.Sleep(300 * time.Millisecond)
			if ctx.Err() != nil {
				ended.Store(true)
			}
			return v, nil
		}).To(out)
		require.NoError(t, p.Run(cancelled(t, 700*time.Millisecond)), "a drain that ends is no error")
		done, open := done(src)
		require.Zero(t, open)
		require.Positive(t, done)
		require.Len(t, out.values(), done)
		require.False(t, ended.Load(), "the context of functions is not ended by a drain")
	})
}

func TestDrain_EmitsHeldBatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := sources.Channel(endless(5)).Recorded()
		batches := &collector[[]int]{}
		p := flow.From(src).Batch(100, 0).To(batches)
		require.NoError(t, p.Run(cancelled(t, time.Second)))
		require.Equal(t, [][]int{{0, 1, 2, 3, 4}}, batches.values())
		n, _ := done(src)
		require.Equal(t, 5, n)
	})
}

func TestDrain_WritesWhatASinkGathers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := sources.Channel(endless(5)).Recorded()
		out := &collector[int]{}
		require.NoError(t, flow.From(src).To(out, flow.Batched(100, time.Hour)).Run(cancelled(t, time.Second)))
		require.Equal(t, [][]int{{0, 1, 2, 3, 4}}, out.batches)
		n, _ := done(src)
		require.Equal(t, 5, n)
	})
}

// Rule 9: in a drain, waits end at the deadline and the record is handed back.
func TestDrain_HandsBackWhatTheDeadlineCutsOff(t *testing.T) {
	for name, opts := range map[string]func(t *testing.T) []flow.RunOption{
		"deadline": func(*testing.T) []flow.RunOption { return []flow.RunOption{flow.WithDrainTimeout(5 * time.Second)} },
		"cut": func(t *testing.T) []flow.RunOption {
			t.Helper()
			return []flow.RunOption{flow.WithCut(cancelled(t, 6*time.Second))}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				src := sources.Channel(endless(10)).Redeliver(0, nil)
				begun := time.Now()
				p := flow.From(src).TryMap(failing(func(v int) bool { return v >= 7 })).
					OnError(flow.Retry(100, seconds(3600))).To(&collector[int]{})
				err := p.Run(cancelled(t, time.Second), opts(t)...)
				var drain *flow.DrainError
				require.ErrorAs(t, err, &drain)
				require.Equal(t, 6*time.Second, time.Since(begun))
				done, open := done(src)
				require.Equal(t, []int{7, 3}, []int{done, open})
			})
		})
	}
}

func TestDrain_CountsWhatItHandsBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := sources.Channel(endless(10)).Redeliver(0, nil)
		out := &collector[int]{before: slow[int](time.Hour)}
		err := flow.From(src).To(out).Run(cancelled(t, time.Second), flow.WithDrainTimeout(0))
		var drain *flow.DrainError
		require.ErrorAs(t, err, &drain)
		handedBack := 0
		for _, o := range src.Outcomes() {
			require.False(t, o.Done)
			handedBack += o.HandedBack
		}
		require.Equal(t, handedBack, drain.HandedBack)
		require.Equal(t, 10, handedBack)
	})
}

// Rule 7: an outcome leaves though the pipeline's context has ended.
func TestDrain_DeliversOutcomes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		settled := 0
		src := &settlingSource{values: []int{1, 2, 3}}
		src.settle = func() error {
			time.Sleep(10 * time.Second)
			settled++
			return nil
		}
		require.NoError(t, flow.From[int](src).To(&collector[int]{}).Run(cancelled(t, time.Second)))
		require.Positive(t, settled)
	})
}

func TestDrain_IsNotStartedByACutAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := &collector[int]{before: slow[int](time.Minute)}
		p := flow.From(sources.Values(1, 2)).To(out)
		require.NoError(t, p.Run(t.Context(), flow.WithCut(cancelled(t, time.Second))))
		require.Len(t, out.values(), 2)
	})
}

// At the end of a source what is held is emitted, and what fails is read again.
func TestRun_ReadsAgainWhatFailedAtTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := sources.Slice(numbers(10)).Redeliver(5, func(int) time.Duration { return time.Minute })
		tries := 0
		out := &collector[[]int]{}
		p := flow.From(src).Batch(4, 0).TryMap(func(_ context.Context, vs []int) ([]int, error) {
			if tries++; tries == 2 {
				return nil, errTest
			}
			return vs, nil
		}).To(out)
		require.NoError(t, p.Run(t.Context()))
		n, _ := done(src)
		require.Equal(t, 10, n)
		require.Equal(t, [][]int{{0, 1, 2, 3}, {8, 9}, {4, 5, 6, 7}}, out.values())
	})
}
