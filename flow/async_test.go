package flow_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/flow"
	"github.com/rocketflow-io/rocketflow/flow/stage"
	"github.com/rocketflow-io/rocketflow/sources"
)

// asynchronous is an operator whose goroutines return from records by a function.
func asynchronous(back func(rt stage.Runtime, next stage.Emitter[int], r stage.Record[int])) stage.Operator[int, int] {
	return runtimeOperator{
		desc: stage.Description{Name: "asynchronous", Async: true},
		start: func(rt stage.Runtime, next stage.Emitter[int]) (stage.Processor[int], error) {
			return processor{func(_ context.Context, r stage.Record[int]) error {
				rt.Go(func(context.Context) { back(rt, next, r) })
				return nil
			}}, nil
		},
	}
}

// A record is complete before the stretch of work ends in which it was emitted. Above a merge it has
// not reached a stage by then, and is not to be taken for dropped.
func TestDrain_WaitsForTheStretchOfWorkOfTheLastEmission(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		op := asynchronous(func(rt stage.Runtime, next stage.Emitter[int], r stage.Record[int]) {
			rt.Do(func(ctx context.Context) {
				next.Emit(ctx, r)
				stage.Complete(ctx, rt, r, ctx.Err())
				time.Sleep(time.Second)
			})
		})
		src, out := sources.Values(1, 2).Recorded(), &collector[int]{}
		require.NoError(t, flow.Merge(flow.From(src).Via(op)).To(out).Run(t.Context()))
		require.ElementsMatch(t, []int{1, 2}, out.values())
		n, open := done(src)
		require.Equal(t, []int{2, 0}, []int{n, open})
	})
}
