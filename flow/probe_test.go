package flow_test

import (
	"context"
	"errors"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cenkalti/backoff/v4"
	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/flow"
	"github.com/rocketflow-io/rocketflow/flow/stage"
	"github.com/rocketflow-io/rocketflow/sources"
)

// faultyOperator is an operator that does as a function says.
func faultyOperator(process func(ctx context.Context, r stage.Record[int], next stage.Emitter[int])) stage.Operator[int, int] {
	return runtimeOperator{
		desc: stage.Description{Name: "faulty"},
		start: func(_ stage.Runtime, next stage.Emitter[int]) (stage.Processor[int], error) {
			return processor{func(ctx context.Context, r stage.Record[int]) error {
				process(ctx, r, next)
				return nil
			}}, nil
		},
	}
}

// dropping emits what is not v, and forgets what is.
func dropping(v int) stage.Operator[int, int] {
	return faultyOperator(func(ctx context.Context, r stage.Record[int], next stage.Emitter[int]) {
		if r.Value != v {
			next.Emit(ctx, r)
		}
	})
}

func same(v int) int { return v }

// The stage that lost a record is the one that had it last, whatever else came of the record.
func TestProbe_NamesTheStageThatLostARecord(t *testing.T) {
	parallel := func(_ context.Context, v int) (int, error) { return v, nil }
	twice := func(v int) []int { return []int{v, 10 * v} }
	for name, build := range map[string]func(flow.Stream[int]) *flow.Pipeline{
		"alone": func(s flow.Stream[int]) *flow.Pipeline { return s.Via(dropping(2)).To(&collector[int]{}) },
		"among others": func(s flow.Stream[int]) *flow.Pipeline {
			return s.Map(same).Via(dropping(2)).Map(same).To(&collector[int]{})
		},
		"behind a fork": func(s flow.Stream[int]) *flow.Pipeline {
			return s.FlatMap(twice).Via(dropping(20)).Map(same).To(&collector[int]{})
		},
		"beside a queue": func(s flow.Stream[int]) *flow.Pipeline {
			return s.ParMap(2, parallel).Via(dropping(2)).ParMap(2, parallel).To(&collector[int]{})
		},
		"on a branch": func(s flow.Stream[int]) *flow.Pipeline {
			branches := s.Broadcast(2)
			return flow.Join(branches[0].Map(same).To(&collector[int]{}), branches[1].Via(dropping(2)).To(&collector[int]{}))
		},
		"behind a merge": func(s flow.Stream[int]) *flow.Pipeline {
			return flow.Merge(s, flow.From(sources.Values(5))).Via(dropping(2)).To(&collector[int]{})
		},
	} {
		t.Run(name, func(t *testing.T) {
			src := sources.Values(1, 2, 3).Recorded()
			err := build(flow.From(src)).Run(t.Context(), flow.WithProbe(&flow.Probe{}))
			dropped, ok := errors.AsType[*flow.DroppedError](err)
			require.True(t, ok, "%v", err)
			require.Equal(t, []string{"faulty"}, dropped.Stages)
			require.Equal(t, 1, dropped.Count)
			require.ErrorContains(t, err, `dropped by stage "faulty"`)
			requireFailure(t, src.Outcomes()[1].Err, "faulty", flow.ErrLost)
			require.ErrorIs(t, flow.ErrLost, stage.ErrHandedBack)
			finished, _ := done(src)
			require.Equal(t, 2, finished)
		})
	}
}

// A batch that is lost takes each of its members along.
func TestProbe_NamesTheStageThatLostABatch(t *testing.T) {
	src := sources.Values(1, 2, 3).Recorded()
	p := flow.From(src).Batch(2, 0).Map(func(b []int) int { return len(b) }).Via(dropping(2)).To(&collector[int]{})
	dropped, ok := errors.AsType[*flow.DroppedError](p.Run(t.Context(), flow.WithProbe(&flow.Probe{})))
	require.True(t, ok)
	require.Equal(t, 2, dropped.Count)
	for i, lost := range []bool{true, true, false} {
		require.Equal(t, lost, errors.Is(src.Outcomes()[i].Err, flow.ErrLost), i)
	}
}

// A source hears which stage failed, also where branches and batches have met since.
func TestProbe_TellsASourceWhichStageFailed(t *testing.T) {
	src := sources.Values(1, 2, 3).Recorded()
	branches := flow.From(src).Map(same).TryMap(failing(is(2))).Named("parse").Broadcast(2)
	refusing := &collector[[]int]{before: func(context.Context, [][]int) error { return errTest }}
	p := flow.Join(branches[0].Filter(is(3)).Batch(1, 0).To(refusing, flow.As("refusing")), branches[1].To(&collector[int]{}))
	require.ErrorIs(t, p.Run(t.Context(), flow.WithProbe(&flow.Probe{})), errTest)
	require.True(t, src.Outcomes()[0].Done)
	requireFailure(t, src.Outcomes()[1].Err, "parse", errTest)
	requireFailure(t, src.Outcomes()[2].Err, "refusing", errTest)
}

func requireFailure(t *testing.T, err error, stage string, cause error) {
	t.Helper()
	failure, ok := errors.AsType[*flow.StageError](err)
	require.True(t, ok, "%v", err)
	require.Equal(t, stage, failure.Stage)
	require.ErrorIs(t, failure, cause)
	require.Equal(t, cause.Error(), failure.Error())
}

// What a cut drain hands back was somewhere.
func TestProbe_TellsASourceWhichStageHadARecordWhenTheRunWasCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := sources.Values(1, 2).Recorded()
		p := flow.From(src).Map(same).To(&collector[int]{before: slow[int](time.Hour)}, flow.As("slow"))
		err := p.Run(cancelled(t, time.Minute), flow.WithDrainTimeout(0), flow.WithProbe(&flow.Probe{}))
		require.Error(t, err)
		requireFailure(t, src.Outcomes()[0].Err, "slow", stage.ErrHandedBack)
	})
}

// Without a probe a second settlement may take the place of another piece's.
func TestProbe_TellsWhoSettlesTwice(t *testing.T) {
	probe := &flow.Probe{}
	op := faultyOperator(func(ctx context.Context, r stage.Record[int], next stage.Emitter[int]) {
		next.Emit(ctx, r)
		if r.Value == 2 {
			r.Done()
		}
	})
	p := flow.From(sources.Values(1, 2, 3)).Via(op).To(&collector[int]{traits: stage.SinkTraits{Immediate: true}}, flow.Batched(1, 0))
	require.NoError(t, p.Run(t.Context(), flow.WithProbe(probe)))
	require.Len(t, probe.SettledTwice(), 1)
	require.Equal(t, "faulty", probe.SettledTwice()[0].Stage)
	require.Equal(t, "2", probe.SettledTwice()[0].Info.ID)
}

func TestProbe_TellsWhoHoldsARecord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		probe := &flow.Probe{}
		src := sources.Values(1, 2, 3).Keyed(func(int) string { return "k" })
		p := flow.From(src).TryMap(failing(is(2))).Named("parse").
			OnError(flow.Retry(1, func() backoff.BackOff { return backoff.NewConstantBackOff(time.Hour) })).To(&collector[int]{})
		ran := make(chan error)
		go func() { ran <- p.Run(t.Context(), flow.WithProbe(probe)) }()
		time.Sleep(time.Minute)
		held := probe.Held()
		require.Len(t, held, 2, "the one that waits for a retry, and the one behind it")
		for i, h := range held {
			require.Equal(t, "parse", h.Stage)
			require.Equal(t, "values", h.Source)
			require.Equal(t, []string{"2", "3"}[i], h.Info.ID)
		}
		require.Error(t, <-ran)
		require.Empty(t, probe.Held())
	})
}

// A disturbance stands for the work of the stage: on its goroutines, value by value, under its policy.
func TestProbe_DisturbsStages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var seen []any
		probe := &flow.Probe{Disturb: func(name string) flow.Disturbance {
			return map[string]flow.Disturbance{
				"source": func(context.Context, any, stage.Info) error {
					seen = append(seen, name)
					if len(seen) == 1 {
						return errTest
					}
					return nil
				},
				"map": func(_ context.Context, v any, info stage.Info) error {
					require.Equal(t, strconv.Itoa(v.(int)+1), info.ID)
					if v == 1 {
						return errTest
					}
					return nil
				},
				"par": func(context.Context, any, stage.Info) error {
					time.Sleep(time.Hour)
					return nil
				},
				"out": func(_ context.Context, v any, _ stage.Info) error {
					if v == 3 {
						return errTest
					}
					return nil
				},
			}[name]
		}}
		dead, out := &collector[flow.Failure]{}, &collector[int]{}
		began, work := time.Now(), func(_ context.Context, v int) (int, error) { return v, nil }
		p := flow.From(sources.Values(0, 1, 2, 3, 4)).Named("source").Map(same).Named("map").
			ParMap(4, work).Named("par").
			OnError(flow.DeadLetter(dead)).To(out, flow.As("out"))
		require.NoError(t, p.Run(t.Context(), flow.WithProbe(probe)))
		require.Equal(t, []int{0, 2, 4}, out.values())
		require.Len(t, dead.values(), 2)
		require.Equal(t, "map", dead.values()[0].Stage)
		require.Equal(t, "out", dead.values()[1].Stage)
		require.Less(t, time.Since(began), 2*time.Hour, "four at once")
		require.Greater(t, time.Since(began), time.Hour, "and the read was tried again")
	})
}

// A writer that keeps the order of keys still does while a test fails some of its values.
func TestProbe_KeepsTheOrderOfKeysInADisturbedSink(t *testing.T) {
	tries := 0
	probe := &flow.Probe{Disturb: func(name string) flow.Disturbance {
		if name != "out" {
			return nil
		}
		return func(_ context.Context, v any, _ stage.Info) error {
			if tries++; v == 2 && tries < 5 {
				return errTest
			}
			return nil
		}
	}}
	out := &collector[int]{traits: stage.SinkTraits{OrderedKeys: true}}
	src := sources.Values(1, 2, 3, 4).Keyed(func(int) string { return "k" })
	p := flow.From(src).OnError(flow.Retry(5, nil)).To(out, flow.As("out"), flow.Batched(4, 0))
	require.NoError(t, p.Run(t.Context(), flow.WithProbe(probe)))
	require.Equal(t, []int{1, 2, 3, 4}, out.values())
}
