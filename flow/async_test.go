package flow_test

import (
	"context"
	"fmt"
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

// Complete may be called from anywhere, and Do within Process of an asynchronous operator.
func TestComplete_MayBeCalledFromAnywhere(t *testing.T) {
	emit := func(rt stage.Runtime, next stage.Emitter[int], r stage.Record[int]) {
		rt.Do(func(ctx context.Context) { next.Emit(ctx, r) })
	}
	for name, process := range map[string]func(stage.Runtime, stage.Emitter[int], stage.Record[int], error){
		"within Process": func(rt stage.Runtime, next stage.Emitter[int], r stage.Record[int], err error) {
			if err == nil {
				emit(rt, next, r)
			}
			stage.Complete(t.Context(), rt, r, err)
		},
		"within Do": func(rt stage.Runtime, next stage.Emitter[int], r stage.Record[int], err error) {
			rt.Do(func(ctx context.Context) {
				if err == nil {
					next.Emit(ctx, r)
				}
				stage.Complete(ctx, rt, r, err)
			})
		},
		"within After": func(rt stage.Runtime, next stage.Emitter[int], r stage.Record[int], err error) {
			rt.After(time.Second, func(ctx context.Context) {
				if err == nil {
					next.Emit(ctx, r)
				}
				stage.Complete(ctx, rt, r, err)
			})
		},
		"outside": func(rt stage.Runtime, next stage.Emitter[int], r stage.Record[int], err error) {
			rt.Go(func(ctx context.Context) {
				if err == nil {
					emit(rt, next, r)
				}
				stage.Complete(ctx, rt, r, err)
			})
		},
	} {
		for _, keyed := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, keyed %v", name, keyed), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					src, out := sources.Values(1, 2, 3).Recorded(), &collector[int]{}
					if keyed {
						src = src.Keyed(func(int) string { return "key" })
					}
					tries := 0
					op := runtimeOperator{
						desc: stage.Description{Name: "work", Async: true, Fallible: true},
						start: func(rt stage.Runtime, next stage.Emitter[int]) (stage.Processor[int], error) {
							return processor{func(_ context.Context, r stage.Record[int]) error {
								var err error
								if r.Value == 2 {
									if tries++; tries < 3 {
										err = errTest
									}
								}
								process(rt, next, r, err)
								return nil
							}}, nil
						},
					}
					p := flow.From(src).Via(op).OnError(flow.Retry(2, seconds(1))).To(out)
					require.NoError(t, p.Run(t.Context()))
					require.ElementsMatch(t, []int{1, 2, 3}, out.values())
					require.Equal(t, 3, tries)
					n, _ := done(src)
					require.Equal(t, 3, n)
				})
			})
		}
	}
}

// What a synchronous operator keeps beyond its drain is dropped, and told of.
func TestDrain_TellsOfWhatASynchronousOperatorKeeps(t *testing.T) {
	op := runtimeOperator{
		desc: stage.Description{Name: "keeper", Holds: true},
		start: func(stage.Runtime, stage.Emitter[int]) (stage.Processor[int], error) {
			return processor{func(context.Context, stage.Record[int]) error { return nil }}, nil
		},
	}
	src := sources.Values(1, 2).Redeliver(1, nil)
	var dropped *flow.DroppedError
	require.ErrorAs(t, flow.From(src).Via(op).To(&collector[int]{}).Run(t.Context()), &dropped)
	require.Equal(t, []any{"values", 2}, []any{dropped.Source, dropped.Count})
}

// A fault may come with as much of the record as there is.
func TestDeadLetter_ShowsWhatThereIsOfAFaultyRecord(t *testing.T) {
	graves := &collector[flow.Failure]{}
	p := flow.From[int](faultySource{half: 2}).OnError(flow.DeadLetter(graves)).To(&collector[int]{})
	require.NoError(t, p.Run(t.Context()))
	require.Len(t, graves.values(), 1)
	require.Equal(t, []any{2, nil}, []any{graves.values()[0].Source, graves.values()[0].Value})
}
