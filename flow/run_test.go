package flow_test

import (
	"context"
	"io"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/flow"
	"github.com/rocketflow-io/rocketflow/flow/stage"
	"github.com/rocketflow-io/rocketflow/internal/randpipe"
	"github.com/rocketflow-io/rocketflow/sources"
)

func TestRun_CanBeRepeated(t *testing.T) {
	out := &collector[int]{}
	p := flow.From(sources.Values(1, 2)).Map(func(v int) int { return 10 * v }).To(out)
	for range 3 {
		require.NoError(t, p.Run(t.Context()))
	}
	require.Equal(t, []int{10, 20, 10, 20, 10, 20}, out.values())
}

func TestRun_IsOneAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := flow.From(sources.Channel(endless(1))).To(&collector[int]{})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- p.Run(ctx) }()
		synctest.Wait()
		require.ErrorIs(t, p.Run(ctx), flow.ErrRunning)
		cancel()
		require.NoError(t, <-ended)
	})
}

// What was opened is closed, and no goroutine stays, whatever does not open.
func TestRun_LeavesNothingBehindWhenAStageDoesNotStart(t *testing.T) {
	var timed stage.Runtime
	good := runtimeOperator{start: func(rt stage.Runtime, next stage.Emitter[int]) (stage.Processor[int], error) {
		timed = rt
		rt.After(time.Hour, func(context.Context) { panic("the run is over") })
		rt.Go(func(ctx context.Context) { <-ctx.Done() })
		return processor{func(ctx context.Context, r stage.Record[int]) error { next.Emit(ctx, r); return nil }}, nil
	}}
	bad := runtimeOperator{start: func(stage.Runtime, stage.Emitter[int]) (stage.Processor[int], error) { return nil, errTest }}
	opened := func() *collector[int] { return &collector[int]{traits: stage.SinkTraits{Concurrency: 2}} }
	for name, p := range map[string]func() *flow.Pipeline{
		"source": func() *flow.Pipeline { return flow.From[int](badSource{}).Via(good).To(opened()) },
		"sink": func() *flow.Pipeline {
			branches := flow.From(sources.Values(1)).Via(good).Broadcast(2)
			return flow.Join(branches[0].To(opened()), branches[1].To(&collector[int]{opens: errTest}))
		},
		"operator": func() *flow.Pipeline { return flow.From(sources.Values(1)).Via(bad).Via(good).To(opened()) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				require.ErrorIs(t, p().Run(t.Context()), errTest)
				time.Sleep(2 * time.Hour)
			})
		})
	}
	require.NotNil(t, timed)
}

type badSource struct{}

func (badSource) Open(context.Context) (stage.Reader[int], error) { return nil, errTest }

// A timer that begins anew each time must not keep the run from ending.
func TestRuntime_StopsTimersWithTheRun(t *testing.T) {
	for name, opts := range map[string][]flow.RunOption{"end": nil, "cut": {flow.WithDrainTimeout(0)}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ticks := 0
				op := runtimeOperator{start: func(rt stage.Runtime, next stage.Emitter[int]) (stage.Processor[int], error) {
					var tick func(context.Context)
					tick = func(context.Context) {
						ticks++
						rt.After(time.Second, tick)
					}
					rt.After(time.Second, tick)
					return processor{func(ctx context.Context, r stage.Record[int]) error { next.Emit(ctx, r); return nil }}, nil
				}}
				p := flow.From(sources.Channel(endless(1))).Via(op).To(&collector[int]{before: slow[int](time.Minute)})
				_ = p.Run(cancelled(t, 10*time.Second), opts...)
				require.GreaterOrEqual(t, ticks, 9)
			})
		})
	}
}

func TestRun_HandsBackWhatAnOperatorDrops(t *testing.T) {
	op := runtimeOperator{start: func(_ stage.Runtime, next stage.Emitter[int]) (stage.Processor[int], error) {
		return processor{func(ctx context.Context, r stage.Record[int]) error {
			if r.Value != 2 {
				next.Emit(ctx, r)
			}
			return nil
		}}, nil
	}}
	src := sources.Values(1, 2, 3).Recorded()
	err := flow.From(src).Via(op).To(&collector[int]{}).Run(t.Context())
	var dropped *flow.DroppedError
	require.ErrorAs(t, err, &dropped)
	require.Equal(t, 1, dropped.Count)
	require.False(t, src.Outcomes()[1].Done)
}

func TestRun_RetriesReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &readingSource{errs: []error{errTest, errTest, nil, errTest, nil}}
		out := &collector[int]{}
		p := flow.From[int](src).To(out)
		require.NoError(t, p.Run(t.Context()))
		require.Equal(t, []int{2, 4}, out.values())
		st, _ := p.Snapshot().Stage("readingSource")
		require.EqualValues(t, 3, st.Errors)

		src = &readingSource{errs: []error{nil, stage.Permanent(errTest)}}
		require.ErrorIs(t, flow.From[int](src).To(out).Run(t.Context()), errTest)
	})
}

// readingSource gives, call by call, an error or the number of the call.
type readingSource struct {
	errs []error
	call int
}

func (s *readingSource) Open(context.Context) (stage.Reader[int], error) { return s, nil }

func (s *readingSource) Read(context.Context) (stage.Batch[int], error) {
	if s.call == len(s.errs) {
		return stage.Batch[int]{}, io.EOF
	}
	s.call++
	if err := s.errs[s.call-1]; err != nil {
		return stage.Batch[int]{}, err
	}
	return stage.Batch[int]{Values: []int{s.call - 1}}, nil
}

func (s *readingSource) Close(context.Context) error { return nil }

func TestSnapshot_MayBeTakenAtAnyTime(t *testing.T) {
	src := sources.Slice(numbers(20000)).ReadSize(100)
	p := flow.From(src).Map(func(v int) int { return v }).Named("double").
		ParMap(2, failing(is(7))).OnError(flow.Skip()).To(&collector[int]{}, flow.As("out")).Named("job")
	require.Empty(t, p.Snapshot())
	stop := make(chan struct{})
	var watchers sync.WaitGroup
	for range 2 {
		watchers.Go(func() {
			for last := int64(0); ; {
				st, _ := p.Snapshot().Stage("double")
				if st.In < last {
					t.Errorf("a counter went from %d to %d", last, st.In)
				}
				last = st.In
				select {
				case <-stop:
					return
				default:
				}
			}
		})
	}
	require.NoError(t, p.Run(t.Context()))
	close(stop)
	watchers.Wait()
	s := p.Snapshot()
	require.Equal(t, "job", s.Name)
	names := []string{}
	for _, st := range s.Stages {
		names = append(names, st.Name)
	}
	require.Equal(t, []string{"slice", "double", "parallel map", "out"}, names, "upstream first")
	require.Equal(t, &flow.SourceStats{MaxInFlight: 8192, Done: 20000}, s.Stages[0].Source)
	require.EqualValues(t, []int64{20000, 1, 19999}, []int64{s.Stages[2].In, s.Stages[2].Skipped, s.Stages[3].Written})
	_, ok := s.Stage("none")
	require.False(t, ok)
}

func TestParMap_KeepsOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		jitter := func(_ context.Context, v int) (int, error) {
			time.Sleep(time.Duration(randpipe.Splitmix(uint64(v))%100) * time.Millisecond)
			return v, nil
		}
		out := &collector[int]{}
		begun := time.Now()
		require.NoError(t, flow.From(sources.Slice(numbers(200))).ParMap(8, jitter).To(out).Run(t.Context()))
		require.Equal(t, numbers(200), out.values())
		require.Less(t, time.Since(begun), 200*50*time.Millisecond/4, "in parallel")

		out = &collector[int]{}
		require.NoError(t, flow.From(sources.Slice(numbers(200))).ParMapUnordered(8, jitter).To(out).Run(t.Context()))
		require.False(t, slices.IsSorted(out.values()))
		require.ElementsMatch(t, numbers(200), out.values())
	})
}

func TestMerge_KeepsTheOrderOfEachStream(t *testing.T) {
	out := &collector[int]{}
	even := flow.From(sources.Values(0, 2, 4, 6))
	odd := flow.From(sources.Values(1, 3, 5, 7))
	require.NoError(t, flow.Merge(even, odd).Map(func(v int) int { return v }).To(out).Run(t.Context()))
	require.ElementsMatch(t, numbers(8), out.values())
	for _, rest := range []int{0, 1} {
		part := slices.DeleteFunc(out.values(), func(v int) bool { return v%2 != rest })
		require.True(t, slices.IsSorted(part))
	}
}

// Rule 4: a record settles when all branches have, and a failure in one wins.
func TestBroadcast_SettlesWithAllBranches(t *testing.T) {
	src := sources.Values(1, 2, 3).Redeliver(2, nil)
	good, bad := &collector[int]{}, &collector[int]{}
	branches := flow.From(src).Broadcast(2)
	p := flow.Join(branches[0].To(good), branches[1].TryMap(failing(is(2))).To(bad))
	require.NoError(t, p.Run(t.Context()))
	require.Equal(t, []int{1, 2, 3, 2}, good.values(), "the others see it again")
	require.Equal(t, []int{1, 3}, bad.values())
	done := []bool{}
	for _, o := range src.Outcomes() {
		done = append(done, o.Done)
	}
	require.Equal(t, []bool{true, false, true}, done)
}

// Rule 4: what one branch does not come to is to blame all the same if it fails in another. Its source must
// count that, or a record that fails for ever never gets to the dead letters.
func TestBroadcast_CountsAFailureOfWhatAnotherBranchHandsBack(t *testing.T) {
	for name, order := range map[string][2]int{"handed back first": {0, 1}, "failed first": {1, 0}} {
		t.Run(name, func(t *testing.T) {
			src := sources.Values(1, 2).Recorded()
			branches := flow.From(src).Broadcast(2)
			enough := branches[order[0]].Take(1).To(&collector[int]{})
			bad := branches[order[1]].TryMap(failing(is(2))).OnError(flow.Stop()).To(&collector[int]{})
			require.ErrorIs(t, flow.Join(enough, bad).Run(t.Context()), errTest)
			outcomes := src.Outcomes()
			require.Len(t, outcomes, 2)
			require.True(t, outcomes[0].Done)
			require.ErrorIs(t, outcomes[1].Err, errTest)
			require.Zero(t, outcomes[1].HandedBack)
		})
	}
}

// Rules 2 and 4: a branch that is done at once must not settle the record for one that is slow.
func TestBroadcast_TakesAllDutiesBeforeTheFirstEmission(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := sources.Values(1, 2, 3).Recorded()
		branches := flow.From(src).Broadcast(2)
		fast := branches[0].To(&collector[int]{traits: stage.SinkTraits{Immediate: true}})
		slow := branches[1].ParMap(3, func(_ context.Context, v int) (int, error) {
			time.Sleep(time.Minute)
			n, _ := done(src)
			require.Zero(t, n)
			return v, nil
		}).To(&collector[int]{})
		require.NoError(t, flow.Join(fast, slow).Run(t.Context()))
		n, _ := done(src)
		require.Equal(t, 3, n)
	})
}
