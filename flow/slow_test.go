package flow_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/flow"
	"github.com/rocketflow-io/rocketflow/flow/stage"
	"github.com/rocketflow-io/rocketflow/sources"
)

// begin runs the pipeline in the background; the test ends it.
func begin(t *testing.T, p *flow.Pipeline) (end func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ran := make(chan error, 1)
	go func() { ran <- p.Run(ctx) }()
	return func() {
		cancel()
		require.NoError(t, <-ran)
	}
}

func TestRun_SettlesWhatIsWrittenWhileTheRestOfTheReadWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := sources.Values(numbers(12)...).Recorded()
		p := flow.From(src).To(&collector[int]{before: slow[int](10 * time.Second)}, flow.Batched(1, 0))
		end := begin(t, p)
		time.Sleep(35 * time.Second)
		synctest.Wait()
		finished, _ := done(src)
		require.Equal(t, 3, finished)
		time.Sleep(2 * time.Minute)
		end()
	})
}

func TestTryMap_DoesNotKeepTheFirstRecordForTheLast(t *testing.T) {
	for _, keyed := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			src := sources.Values(numbers(12)...).Recorded()
			if keyed {
				src = src.Keyed(func(int) string { return "key" })
			}
			out := &collector[int]{traits: stage.SinkTraits{Immediate: true}}
			p := flow.From(src).
				TryMap(func(_ context.Context, v int) (int, error) {
					time.Sleep(10 * time.Second)
					return v, nil
				}).
				To(out)
			end := begin(t, p)
			time.Sleep(35 * time.Second)
			synctest.Wait()
			finished, _ := done(src)
			require.Equal(t, 3, finished)
			require.Equal(t, []int{0, 1, 2}, out.values())
			time.Sleep(2 * time.Minute)
			end()
		})
	}
}

// A writer that keeps order leaves out what stands behind a failed value. That has not failed:
// no policy is for it, and it is not lost with a source that cannot deliver it again.
func TestSink_WritesAgainWhatTheWriterLeftOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := &collector[int]{traits: stage.SinkTraits{OrderedKeys: true}}
		out.before = func(_ context.Context, values []int) error {
			var failed stage.BatchError
			for i, v := range values {
				switch {
				case v == 3:
					failed.Fail(i, errTest)
				case len(failed.Failed) > 0:
					failed.Fail(i, stage.ErrHandedBack)
				}
			}
			return failed.OrNil()
		}
		p := flow.From(sources.Values(numbers(10)...)).OnError(flow.Skip()).To(out)
		require.NoError(t, p.Run(t.Context()))
		require.ElementsMatch(t, []int{0, 1, 2, 4, 5, 6, 7, 8, 9}, out.values())
	})
}

func TestRun_SaysWhatASourceCannotDeliverAgain(t *testing.T) {
	p := flow.From(sources.Values(1)).
		TryMap(func(context.Context, int) (int, error) { return 0, stage.ErrHandedBack }).
		To(&collector[int]{})
	var failed *flow.FailedError
	err := p.Run(t.Context())
	require.True(t, errors.As(err, &failed), "%v", err)
	require.Equal(t, 1, failed.Count)
	require.ErrorIs(t, err, stage.ErrHandedBack)
}
