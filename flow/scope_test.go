package flow_test

import (
	"bytes"
	"context"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/flow"
	"github.com/rocketflow-io/rocketflow/flow/stage"
	"github.com/rocketflow-io/rocketflow/sources"
)

// A function counts and logs for its own stage, wherever it runs: fused, chunk by chunk, on goroutines of
// its operator, or in a sink that is written to by the stage above.
func TestCount_IsForTheStageOfTheFunction(t *testing.T) {
	counting := func(n int64) func(context.Context, int) (int, error) {
		return func(ctx context.Context, v int) (int, error) {
			stage.Count(ctx, "calls", n)
			stage.Logger(ctx).Info("called")
			return v, nil
		}
	}
	var log bytes.Buffer
	for _, immediate := range []bool{false, true} {
		sink := &collector[int]{traits: stage.SinkTraits{Immediate: immediate}, before: func(ctx context.Context, values []int) error {
			stage.Count(ctx, "written", int64(len(values)))
			return nil
		}}
		p := flow.From(sources.Values(1, 2, 3)).
			TryMap(counting(1)).Named("fused").
			ParMap(2, counting(10)).Named("parallel").
			TryMap(counting(100)).Named("below").
			To(sink, flow.As("sink"))
		require.NoError(t, p.Run(t.Context(), flow.WithLogger(slog.New(slog.NewTextHandler(&log, nil)))))
		for name, want := range map[string]map[string]int64{
			"fused": {"calls": 3}, "parallel": {"calls": 30}, "below": {"calls": 300}, "sink": {"written": 3},
		} {
			st, _ := p.Snapshot().Stage(name)
			require.Equal(t, want, st.Counters, name)
			if name != "sink" {
				require.Contains(t, log.String(), "msg=called stage="+name)
			}
		}
	}
	stage.Count(t.Context(), "calls", 1) // outside of a stage, nothing
	stage.Logger(t.Context()).Info("called")
}
