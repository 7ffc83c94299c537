package gostreams_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/reugn/go-streams"
	ext "github.com/reugn/go-streams/extension"
	streamflow "github.com/reugn/go-streams/flow"
	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/flow"
	"github.com/rocketflow-io/rocketflow/flow/gostreams"
	"github.com/rocketflow-io/rocketflow/flow/stage"
	"github.com/rocketflow-io/rocketflow/sources"
)

type delivery = gostreams.Delivery[int]

func TestOneToOne_SettlesEachByItsOwnResult(t *testing.T) {
	flows := map[string]func() streams.Flow{
		"map":          func() streams.Flow { return streamflow.NewMap(func(v int) int { return v + 1 }, 1) },
		"pass through": func() streams.Flow { return streamflow.NewPassThrough() },
		"fold": func() streams.Flow {
			return streamflow.NewFold(0, func(v, sum int) int { return v + sum })
		},
		"throttler": func() streams.Flow {
			return streamflow.NewThrottler(100, time.Second, 10, streamflow.Backpressure)
		},
	}
	want := map[string][]int{
		"map": {2, 3, 4}, "pass through": {1, 2, 3}, "fold": {1, 3, 6}, "throttler": {1, 2, 3},
	}
	for name, newFlow := range flows {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				src := sources.Values(1, 2, 3).Recorded()
				out := failing(want[name][1])
				p := flow.From(src).Via(gostreams.OneToOne[int, int](newFlow)).To(out)
				require.NoError(t, p.Validate())
				var lost *flow.FailedError
				require.ErrorAs(t, p.Run(t.Context()), &lost)
				require.Equal(t, []int{want[name][0], want[name][2]}, out.written())
				require.Equal(t, []int{1, 3}, done(src))
				require.Equal(t, []int{2}, failed(src))
			})
		})
	}
}

func TestOneToOne_MayBeBrokenOffAnywhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := sources.Values(1, 2, 3, 4, 5).Redeliver(0, nil)
		slow := func() streams.Flow {
			return streamflow.NewMap(func(v int) int { time.Sleep(time.Minute); return v }, 1)
		}
		out := &journal[int]{}
		p := flow.From(src).Via(gostreams.OneToOne[int, int](slow)).To(out)
		ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
		defer cancel()
		var cut *flow.DrainError
		require.ErrorAs(t, p.Run(ctx, flow.WithDrainTimeout(time.Second)), &cut)
		require.Equal(t, out.written(), done(src))
		require.NoError(t, p.Run(t.Context()), "the next run has a flow of its own")
		require.ElementsMatch(t, []int{1, 2, 3, 4, 5}, done(src))
	})
}

func TestOneToOne_FindsOutWhoBreaksTheirWord(t *testing.T) {
	t.Run("by dropping", func(t *testing.T) {
		src := sources.Values(1, 2, 3, 4).Recorded()
		out := &journal[int]{}
		p := flow.From(src).Via(gostreams.OneToOne[int, int](func() streams.Flow {
			return streamflow.NewFilter(even, 1)
		})).To(out)
		require.ErrorIs(t, p.Run(t.Context()), gostreams.ErrLost)
		require.Equal(t, []int{2, 4}, out.written())
		require.Equal(t, []int{3, 4}, failed(src), "4 comes twice, and is not lost")
	})
	t.Run("by multiplying", func(t *testing.T) {
		p := flow.From(sources.Values(1, 2)).Via(gostreams.OneToOne[int, int](func() streams.Flow {
			return streamflow.NewFlatMap(func(v int) []int { return []int{v, v} }, 1)
		})).To(&journal[int]{})
		require.ErrorIs(t, p.Run(t.Context()), gostreams.ErrSurplus)
	})
	t.Run("by another type", func(t *testing.T) {
		p := flow.From(sources.Values(1)).Via(gostreams.OneToOne[int, string](func() streams.Flow {
			return streamflow.NewPassThrough()
		})).To(&journal[string]{})
		var wrong *gostreams.TypeError
		require.ErrorAs(t, p.Run(t.Context()), &wrong)
	})
}

func TestEnveloped_MovesTheDuty(t *testing.T) {
	tests := []struct {
		name         string
		flow         streams.Flow
		want         []int
		done, failed []int
	}{
		{"through a parallel map", streamflow.NewMap(gostreams.Lift(double), 4), []int{2, 6, 8}, []int{1, 3, 4}, []int{2}},
		{"through a filter", streamflow.NewFilter(gostreams.LiftFilter(even), 1), []int{2}, []int{1, 2, 3}, []int{4}},
		{"through a flat map", streamflow.NewFlatMap(gostreams.LiftFlatMap(func(v int) []int {
			return make([]int, v-1)
		}), 1), make([]int, 6), []int{1, 2, 3, 4}, nil},
		{"through a function that fails", streamflow.NewFlatMap(gostreams.TryLift(func(v int) (int, error) {
			if v == 1 {
				return 0, errBad
			}
			return v, nil
		}), 1), []int{2, 3}, []int{2, 3}, []int{1, 4}},
		{"through several", gostreams.Chain(streamflow.NewMap(gostreams.Lift(double), 1),
			streamflow.NewPassThrough(), streamflow.NewMap(gostreams.Lift(double), 1)),
			[]int{8, 12, 16}, []int{2, 3, 4}, []int{1}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			src := sources.Values(1, 2, 3, 4).Recorded()
			out := failing(4)
			p := flow.From(src).
				Via(gostreams.Enveloped[int, int](func() streams.Flow { return test.flow })).To(out)
			err := p.Run(t.Context())
			require.Equal(t, test.failed == nil, err == nil, err)
			require.ElementsMatch(t, test.want, out.written())
			require.ElementsMatch(t, test.done, done(src))
			require.ElementsMatch(t, test.failed, failed(src))
		})
	}
}

func TestEnveloped_HandsBackWhatIsLost(t *testing.T) {
	dropsOdd := func() streams.Flow {
		return streamflow.NewFilter(func(d *delivery) bool { return even(d.Value) }, 1)
	}
	t.Run("when the flow ends", func(t *testing.T) {
		src := sources.Values(1, 2, 3).Recorded()
		p := flow.From(src).Via(gostreams.Enveloped[int, int](dropsOdd)).To(&journal[int]{})
		require.ErrorIs(t, p.Run(t.Context()), gostreams.ErrLost)
		require.Equal(t, []int{2}, done(src))
		require.Equal(t, []int{1, 3}, failed(src))
		require.EqualValues(t, 2, counted(t, p, "lost"))
	})
	t.Run("when the lease ends", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			in := make(chan int, 3)
			src := sources.Channel(in).WithLease(time.Minute)
			p := flow.From(src).Via(gostreams.Enveloped[int, int](dropsOdd)).To(&journal[int]{})
			ctx, cancel := context.WithCancel(t.Context())
			ran := make(chan error)
			go func() { ran <- p.Run(ctx) }()
			in <- 1
			in <- 2
			time.Sleep(59 * time.Second)
			synctest.Wait()
			require.EqualValues(t, 1, counted(t, p, "lost"), "before its source would give it to another")
			require.Equal(t, []int{2}, done(src))
			cancel()
			require.NoError(t, <-ran)
		})
	})
}

func TestEnveloped_IgnoresWhatComesLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var used atomic.Bool
		slow := func() streams.Flow {
			return streamflow.NewMap(func(d *delivery) *delivery {
				if !used.Swap(true) {
					time.Sleep(2 * time.Minute)
				}
				return d
			}, 1)
		}
		in := make(chan int, 1)
		src := sources.Channel(in).WithLease(time.Minute)
		out := &journal[int]{}
		p := flow.From(src).Via(gostreams.Enveloped[int, int](slow)).To(out)
		in <- 7
		close(in)
		require.NoError(t, p.Run(t.Context()))
		require.Equal(t, []int{7}, out.written())
		require.EqualValues(t, 1, counted(t, p, "late"))
		require.Equal(t, []int{7}, done(src))
	})
}

func TestEnvelopedBatches_HoldTheDutyOfEachMember(t *testing.T) {
	src := sources.Values(1, 2, 3, 4, 5).Recorded()
	out := &journal[[]int]{fail: func(v []int) error {
		if v[0] == 3 {
			return errBad
		}
		return nil
	}}
	p := flow.From(src).Via(gostreams.EnvelopedBatches[int, []int](func() streams.Flow {
		return streamflow.NewBatch[*delivery](2, time.Hour)
	})).To(out)
	require.ErrorIs(t, p.Run(t.Context()), errBad)
	require.Equal(t, [][]int{{1, 2}, {5}}, out.written())
	require.Equal(t, []int{1, 2, 5}, done(src))
	require.Equal(t, []int{3, 4}, failed(src))
}

// A member of several windows is settled with the first; the values of the others are not lost.
func TestEnvelopedBatches_EmitRepeatedMembers(t *testing.T) {
	src := sources.Values(1, 2).Recorded()
	out := &journal[[]int]{}
	p := flow.From(src).Via(gostreams.EnvelopedBatches[int, []int](func() streams.Flow {
		return streamflow.NewFlatMap(func(d *delivery) [][]*delivery {
			return [][]*delivery{{d}, {d}}
		}, 1)
	})).To(out)
	require.NoError(t, p.Run(t.Context()))
	require.Equal(t, [][]int{{1}, {1}, {2}, {2}}, out.written())
	require.Equal(t, []int{1, 2}, done(src))
}

func TestAtMostOnce_SettlesAtTheHandOff(t *testing.T) {
	src := sources.Values(1, 2, 3).Recorded()
	out := failing(2)
	p := flow.From(src).Via(gostreams.AtMostOnce[int, int](func() streams.Flow {
		return streamflow.NewPassThrough()
	})).To(out)
	require.NoError(t, p.Run(t.Context()))
	require.Equal(t, []int{1, 3}, out.written())
	require.Equal(t, []int{1, 2, 3}, done(src), "the name says so")
}

func TestFrom_ReadsAStockSource(t *testing.T) {
	out := &journal[int]{}
	p := flow.From(gostreams.From[int](given(1, 2, "x", 3))).To(out)
	var wrong *gostreams.TypeError
	require.ErrorAs(t, p.Run(t.Context()), &wrong)
	require.Equal(t, []int{1, 2, 3}, out.written())
}

func TestFrom_SettlesDeliveries(t *testing.T) {
	src := sources.Values(1, 2, 3).Recorded()
	exported := gostreams.SourceOf(t.Context(), src)
	p := flow.From(gostreams.From[int](exported)).To(failing(2))
	require.ErrorIs(t, p.Run(t.Context()), errBad)
	require.NoError(t, exported.Wait())
	require.Equal(t, []int{1, 3}, done(src))
	require.Equal(t, []int{2}, failed(src))
}

func TestTo_HandsValuesToAStockSink(t *testing.T) {
	for name, to := range map[string]func(func() streams.Sink) stage.Sink[int]{
		"one for all": gostreams.To[int], "one for each write": gostreams.ToEach[int],
	} {
		t.Run(name, func(t *testing.T) {
			var outs []chan any
			p := flow.From(sources.Values(1, 2, 3)).To(to(func() streams.Sink {
				outs = append(outs, make(chan any, 3))
				return ext.NewChanSink(outs[len(outs)-1])
			}), flow.Batched(2, 0))
			require.NoError(t, p.Run(t.Context()))
			var got []any
			for _, out := range outs {
				for e := range out {
					got = append(got, e)
				}
			}
			require.Equal(t, []any{1, 2, 3}, got)
			require.Len(t, outs, map[string]int{"one for all": 1, "one for each write": 2}[name])
		})
	}
}

func TestForeign_NeedsAFunction(t *testing.T) {
	for name, op := range map[string]stage.Operator[int, int]{
		"OneToOne":   gostreams.OneToOne[int, int](nil),
		"enveloped":  gostreams.Enveloped[int, int](nil),
		"AtMostOnce": gostreams.AtMostOnce[int, int](nil),
	} {
		err := flow.From(sources.Values(1)).Via(op).To(&journal[int]{}).Validate()
		require.ErrorContains(t, err, fmt.Sprintf("gostreams: %s: function is nil", name))
	}
	for name, sink := range map[string]stage.Sink[int]{"To": gostreams.To[int](nil), "ToEach": gostreams.ToEach[int](nil)} {
		_, err := sink.Open(t.Context())
		require.ErrorContains(t, err, fmt.Sprintf("gostreams: %s: function is nil", name))
		require.True(t, stage.IsPermanent(err), name)
	}
}

// counted gives a counter of the stage that has it.
func counted(t *testing.T, p *flow.Pipeline, name string) (n int64) {
	t.Helper()
	for _, s := range p.Snapshot().Stages {
		n += s.Counters[name]
	}
	return n
}
