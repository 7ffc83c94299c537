package flow_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/flow"
	"github.com/rocketflow-io/rocketflow/flow/stage"
	"github.com/rocketflow-io/rocketflow/sources"
)

// A sink 100 times slower than the source, for three leases of virtual time: each record is
// written at most twice, and none is lost.
func TestLease_IsNotOverrunByASlowSink(t *testing.T) {
	for _, lease := range []time.Duration{10 * time.Second, 5 * time.Minute} {
		t.Run(lease.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				perWrite := lease / 500 // 1,500 records in three leases
				c := make(chan int)
				go func() {
					defer close(c)
					for i := range 1500 {
						c <- i
						time.Sleep(perWrite / 100)
					}
				}()
				src := sources.Channel(c).WithLease(lease)
				out := &collector[int]{traits: stage.SinkTraits{MaxBatch: 1}, before: slow[int](perWrite)}
				require.NoError(t, flow.From(src).To(out).Run(t.Context()))
				n, open := done(src)
				require.Equal(t, []int{1500, 0}, []int{n, open})
				written := map[int]int{}
				for _, v := range out.values() {
					written[v]++
					require.LessOrEqual(t, written[v], 2, "value %d", v)
				}
				require.Less(t, len(out.values()), 1600, "most are written once")
			})
		})
	}
}

// A stalled sink stops the reading.
func TestBackpressure_StopsReadingWhileASinkStalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		read := 0
		values := func(yield func(int) bool) {
			for ; yield(read); read++ {
			}
		}
		release := make(chan struct{})
		out := &collector[int]{traits: stage.SinkTraits{MaxBatch: 10}, before: func(ctx context.Context, _ []int) error {
			select {
			case <-release:
			case <-ctx.Done():
			}
			return nil
		}}
		ctx, cancel := context.WithCancel(t.Context())
		var run sync.WaitGroup
		run.Go(func() { _ = flow.FromSeq(values).ParMap(4, failing(is(-1))).To(out).Run(ctx) })
		time.Sleep(time.Hour)
		synctest.Wait()
		require.Less(t, read, 200, "a write, its queue, the parallel map's window and a read or two")
		cancel()
		close(release)
		run.Wait()
	})
}

func TestLease_BudgetIsCheckedAndShown(t *testing.T) {
	src := sources.Values(1).WithLease(time.Minute)
	p := flow.From(src).Batch(10, 30*time.Second).Map(func(vs []int) int { return len(vs) }).
		To(&collector[int]{}, flow.Batched(10, 20*time.Second), flow.As("out"))
	err := p.Validate()
	require.ErrorContains(t, err, `records of source "values" may be held for 50s (30s in "batch" + 20s in "out"), but of their lease of 1m0s at most 48s may be spent waiting`)
	fits := flow.From(src).To(&collector[int]{}, flow.Batched(10, 48*time.Second))
	require.NoError(t, fits.Validate())
}

// What waits without a bound in time would outlive any lease.
func TestLease_RefusesWaitsWithoutABound(t *testing.T) {
	src := sources.Values(1).WithLease(time.Minute)
	require.ErrorContains(t, flow.From(src).Batch(10, 0).To(&collector[[]int]{}).Validate(), `stage "batch" may hold records without a bound in time`)
	require.ErrorContains(t, flow.From(src).To(&collector[int]{}, flow.Batched(10, 0)).Validate(), "without a bound in time")
	require.NoError(t, flow.From(src).To(&collector[int]{}, flow.Batched(1, 0)).Validate(), "one is never held")
}

// A batch larger than what a source may have in flight must still become full.
func TestBatch_MayBeLargerThanWhatIsUsuallyInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := make(chan int)
		go func() {
			for i := range 20000 {
				c <- i
			}
		}()
		out := &collector[int]{}
		ctx, cancel := context.WithCancel(t.Context())
		var run sync.WaitGroup
		run.Go(func() { _ = flow.FromChan(c).To(out, flow.Batched(10000, 0)).Run(ctx) })
		time.Sleep(time.Hour)
		require.Len(t, out.values(), 20000)
		cancel()
		run.Wait()
	})
}
