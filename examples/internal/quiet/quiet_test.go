package quiet

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/rocketflow-io/rocketflow/flow"
	"github.com/rocketflow-io/rocketflow/sinks"
	"github.com/rocketflow-io/rocketflow/sources"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestRun_EndsWhenNothingHasComeForSoLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in := make(chan int)
		out := sinks.Collect[int]()
		began := time.Now()
		go func() {
			for i := range 3 {
				time.Sleep(4 * time.Second)
				in <- i
			}
		}()
		require.NoError(t, Run(t.Context(), flow.From(sources.Channel(in)).To(out), 5*time.Second))
		require.Equal(t, []int{0, 1, 2}, out.Values())
		require.InDelta(t, 17, time.Since(began).Seconds(), 0.5)
	})
}

func TestRun_WaitsForWhatIsOnItsWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in := make(chan int, 1)
		in <- 1
		out := sinks.Collect[int]()
		slow := flow.From(sources.Channel(in)).
			ParMap(1, func(_ context.Context, v int) (int, error) { time.Sleep(time.Minute); return v, nil }).
			To(out)
		require.NoError(t, Run(t.Context(), slow, 5*time.Second))
		require.Equal(t, []int{1}, out.Values())
	})
}

func TestRun_TellsWhyItEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stopped := errors.New("stopped")
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(stopped)
		require.ErrorIs(t, Run(ctx, flow.From(sources.Channel(make(chan int))).To(sinks.Discard[int]()), time.Second), stopped)

		refused := errors.New("refused")
		one := flow.From(sources.Values(1)).
			TryMap(func(context.Context, int) (int, error) { return 0, refused }).
			OnError(flow.Stop()).
			To(sinks.Discard[int]())
		require.ErrorIs(t, Run(t.Context(), one, time.Second), refused)
	})
}
