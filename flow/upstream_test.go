package flow_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/flow"
	"github.com/rocketflow-io/rocketflow/flow/stage"
	"github.com/rocketflow-io/rocketflow/sources"
)

// observer is an operator that passes everything on, and shows a test its Runtime.
type observer struct {
	desc stage.Description
	seen func(rt stage.Runtime, v int)
	end  func(rt stage.Runtime)
	rt   stage.Runtime
	next stage.Emitter[int]
}

func (o *observer) Describe() stage.Description {
	d := o.desc
	d.Name = "observe"
	return d
}

func (o *observer) Start(rt stage.Runtime, next stage.Emitter[int]) (stage.Processor[int], error) {
	o.rt, o.next = rt, next
	return o, nil
}

func (o *observer) Process(ctx context.Context, r stage.Record[int]) error {
	if o.seen != nil {
		o.seen(o.rt, r.Value)
	}
	o.next.Emit(ctx, r)
	return nil
}

func (o *observer) Drain(context.Context) error {
	if o.end != nil {
		o.end(o.rt)
	}
	return nil
}

// A barrier passes when what waited for a retry at the time has come, however it gets here, and not for
// what fails later.
func TestRuntime_BarrierPassesWhenWhatWaitedIsHere(t *testing.T) {
	retry := flow.Retry(5, seconds(60))
	for name, add := range map[string]func(flow.Stream[int], func(context.Context, int) (int, error)) flow.Stream[int]{
		"fused": func(s flow.Stream[int], f func(context.Context, int) (int, error)) flow.Stream[int] {
			return s.TryMap(f).Map(func(v int) int { return v })
		},
		"asynchronous": func(s flow.Stream[int], f func(context.Context, int) (int, error)) flow.Stream[int] {
			return s.ParMap(2, f)
		},
		"merged": func(s flow.Stream[int], f func(context.Context, int) (int, error)) flow.Stream[int] {
			return flow.Merge(s.TryMap(f).OnError(retry), flow.From(sources.Channel(endless(0))))
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, tries := make(chan int), map[int]int{}
				var mu sync.Mutex
				f := func(_ context.Context, v int) (int, error) {
					mu.Lock()
					defer mu.Unlock()
					if tries[v]++; (v == 1 || v == 3) && tries[v] <= 2 {
						return 0, errTest
					}
					return v, nil
				}
				var passed func() bool
				came := map[int]bool{}
				barriers := map[int]bool{}
				watch := &observer{seen: func(rt stage.Runtime, v int) {
					mu.Lock()
					defer mu.Unlock()
					came[v] = true
					b := rt.Barrier()
					barriers[v] = b != nil
					if v == 2 {
						passed = b
					}
				}}
				has := func(m map[int]bool, v int) bool {
					mu.Lock()
					defer mu.Unlock()
					return m[v]
				}
				s := add(flow.From(sources.Channel(c)), f).OnError(retry)
				ctx, cancel := context.WithCancel(t.Context())
				ended := make(chan error)
				go func() { ended <- s.Via(watch).To(&collector[int]{}).Run(ctx) }()
				c <- 1
				synctest.Wait()
				c <- 2
				synctest.Wait()
				require.True(t, has(barriers, 2))
				require.False(t, passed())
				time.Sleep(90 * time.Second) // 1 has failed a second time
				c <- 3
				synctest.Wait()
				require.False(t, passed())
				require.False(t, has(came, 1))
				time.Sleep(40 * time.Second)
				synctest.Wait()
				require.True(t, has(came, 1))
				require.True(t, passed(), "3 still waits")
				require.False(t, has(came, 3))
				time.Sleep(3 * time.Minute)
				synctest.Wait()
				require.True(t, has(came, 3))
				c <- 4
				synctest.Wait()
				require.False(t, has(barriers, 4), "nothing waits")
				cancel()
				require.NoError(t, <-ended)
			})
		})
	}
}

// barrierAt runs values through a pipeline, and gives the barrier that the stage at its end has at one of
// them, and what has come there. At the end of the test all that is left comes.
func barrierAt(t *testing.T, at int, build func(c <-chan int) flow.Stream[int]) (c chan<- int, passed func() bool, came func(v int) bool) {
	t.Helper()
	var mu sync.Mutex
	var seen []int
	var barrier func() bool
	watch := &observer{seen: func(rt stage.Runtime, v int) {
		mu.Lock()
		defer mu.Unlock()
		if seen = append(seen, v); v == at {
			barrier = rt.Barrier()
		}
	}}
	values, ended := make(chan int), make(chan error)
	ctx, cancel := context.WithCancel(t.Context())
	go func() { ended <- build(values).Via(watch).To(&collector[int]{}).Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-ended)
	})
	return values, func() bool {
			synctest.Wait()
			mu.Lock()
			defer mu.Unlock()
			return barrier == nil || barrier()
		}, func(v int) bool {
			synctest.Wait()
			mu.Lock()
			defer mu.Unlock()
			return slices.Contains(seen, v)
		}
}

// failsFirst fails at some values the first time.
func failsFirst(values ...int) func(context.Context, int) (int, error) {
	var failed sync.Map
	return func(_ context.Context, v int) (int, error) {
		if _, again := failed.LoadOrStore(v, true); slices.Contains(values, v) && !again {
			return 0, errTest
		}
		return v, nil
	}
}

// What waited for a retry is waited for on each edge that it comes to.
func TestRuntime_BarrierWaitsForWhatIsOnAnEdge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		open := [2]chan struct{}{make(chan struct{}), make(chan struct{})}
		stopAt := func(n, at int) func(int) int {
			return func(v int) int {
				if v == at {
					<-open[n]
				}
				return v
			}
		}
		c, passed, came := barrierAt(t, 2, func(c <-chan int) flow.Stream[int] {
			return flow.From(sources.Channel(c)).TryMap(failsFirst(1)).OnError(flow.Retry(1, seconds(60))).
				Async().Map(stopAt(0, 3)).Async().Map(stopAt(1, 4))
		})
		c <- 1
		c <- 2
		require.True(t, came(2))
		require.False(t, passed())
		c <- 3
		c <- 4
		synctest.Wait()
		time.Sleep(61 * time.Second)
		require.False(t, passed(), "1 is behind 3, on the first edge")
		close(open[0])
		require.False(t, passed(), "1 is behind 4, on the second edge")
		require.False(t, came(1))
		close(open[1])
		require.True(t, came(1))
		require.True(t, passed())
	})
}

// What comes through a stage above may fail in the next.
func TestRuntime_BarrierWaitsForWhatFailsAgainFurtherDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, passed, came := barrierAt(t, 2, func(c <-chan int) flow.Stream[int] {
			retry := flow.Retry(1, seconds(60))
			return flow.From(sources.Channel(c)).TryMap(failsFirst(1)).OnError(retry).TryMap(failsFirst(1, 3)).OnError(retry)
		})
		c <- 1
		c <- 2
		require.False(t, passed())
		time.Sleep(90 * time.Second)
		require.False(t, passed())
		require.False(t, came(1))
		c <- 3
		time.Sleep(31 * time.Second)
		require.True(t, came(1))
		require.True(t, passed(), "3 waits, and did not then")
		time.Sleep(time.Minute)
	})
}

// A record that stands behind a retry of its key is as late as that one.
func TestRuntime_BarrierWaitsForWhatStandsBehindARetry(t *testing.T) {
	retry := flow.Retry(1, seconds(60))
	for name, build := range map[string]func(c <-chan int, f func(context.Context, int) (int, error)) flow.Stream[int]{
		"of a key of the source": func(c <-chan int, f func(context.Context, int) (int, error)) flow.Stream[int] {
			return flow.From(sources.Channel(c).Keyed(parity)).TryMap(f)
		},
		"of a key of the operator": func(c <-chan int, f func(context.Context, int) (int, error)) flow.Stream[int] {
			return flow.From(sources.Channel(c)).KeyBy(parity).ParMap(2, f)
		},
		"of a key, asynchronous": func(c <-chan int, f func(context.Context, int) (int, error)) flow.Stream[int] {
			return flow.From(sources.Channel(c).Keyed(parity)).ParMap(2, f)
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				fails := failsFirst(1, 3, 5)
				c, passed, came := barrierAt(t, 2, func(c <-chan int) flow.Stream[int] {
					return build(c, func(ctx context.Context, v int) (int, error) {
						if v == 1 {
							time.Sleep(time.Second) // 3 comes meanwhile
						}
						return fails(ctx, v)
					}).OnError(retry)
				})
				c <- 1
				c <- 3
				time.Sleep(2 * time.Second)
				c <- 2
				require.True(t, came(2))
				require.False(t, passed())
				time.Sleep(time.Second)
				c <- 5
				time.Sleep(70 * time.Second)
				require.True(t, came(1))
				require.False(t, came(3))
				require.False(t, passed(), "3 stood behind 1")
				time.Sleep(time.Minute)
				require.True(t, came(3))
				require.True(t, passed(), "5 came later")
				require.False(t, came(5))
				time.Sleep(2 * time.Minute)
				require.True(t, came(5))
			})
		})
	}
}

// What a policy takes away, or the source is given back, is not waited for.
func TestRuntime_BarrierPassesWhenWhatWaitedHasLeft(t *testing.T) {
	for name, policy := range map[string]flow.Policy{
		"skipped": flow.Retry(2, seconds(60)).Then(flow.Skip()), "handed back": flow.Retry(2, seconds(60)),
		"buried": flow.Retry(2, seconds(60)).Then(flow.DeadLetter(&collector[flow.Failure]{})),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := make(chan int)
				var passed func() bool
				watch := &observer{seen: func(rt stage.Runtime, v int) { passed = rt.Barrier() }}
				ended := make(chan error)
				s := flow.From(sources.Channel(c)).TryMap(failing(is(1))).OnError(policy)
				go func() { ended <- s.Via(watch).To(&collector[int]{}).Run(t.Context()) }()
				c <- 1
				synctest.Wait()
				c <- 2
				synctest.Wait()
				require.False(t, passed())
				time.Sleep(3 * time.Minute)
				synctest.Wait()
				require.True(t, passed())
				close(c)
				err := <-ended
				require.Equal(t, name == "handed back", err != nil)
			})
		})
	}
}

func TestRuntime_TellsTheEndOfTheInputFromThatOfTheRun(t *testing.T) {
	run := func(t *testing.T, p func(watch *observer) *flow.Pipeline, cancelled bool) (ended bool) {
		t.Helper()
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			watch := &observer{end: func(rt stage.Runtime) { ended = rt.Ended() }}
			if cancelled {
				time.AfterFunc(time.Minute, cancel)
			}
			err := p(watch).Run(ctx)
			if err != nil {
				require.ErrorIs(t, err, errTest)
			}
		})
		return ended
	}
	values := func() flow.Stream[int] { return flow.From(sources.Values(1, 2, 3)) }
	open := func() flow.Stream[int] { return flow.From(sources.Channel(endless(3))) }
	to := func(s flow.Stream[int]) *flow.Pipeline { return s.To(&collector[int]{}) }
	for name, c := range map[string]struct {
		want, cancelled bool
		p               func(watch *observer) *flow.Pipeline
	}{
		"sources without more": {true, false, func(w *observer) *flow.Pipeline { return to(flow.Merge(values(), values()).Via(w)) }},
		"cancelled":            {false, true, func(w *observer) *flow.Pipeline { return to(open().Via(w)) }},
		"one of two left":      {false, true, func(w *observer) *flow.Pipeline { return to(flow.Merge(values(), open()).Via(w)) }},
		"ended above":          {true, false, func(w *observer) *flow.Pipeline { return to(open().Take(2).Via(w)) }},
		"ended on one of two ways": {false, false, func(w *observer) *flow.Pipeline {
			return to(flow.Merge(open(), open().Take(2)).Via(w))
		}},
		"ended below": {false, false, func(w *observer) *flow.Pipeline { return to(open().Via(w).Take(2)) }},
		"ended elsewhere": {false, false, func(w *observer) *flow.Pipeline {
			return flow.Join(to(open().Take(2)), to(open().Via(w)))
		}},
		"failed at the end": {false, false, func(w *observer) *flow.Pipeline {
			return to(values().TryMap(failing(is(3))).OnError(flow.Stop()).Via(w))
		}},
	} {
		t.Run(name, func(t *testing.T) { require.Equal(t, c.want, run(t, c.p, c.cancelled)) })
	}
}

func TestRuntime_TellsWhatLiesAbove(t *testing.T) {
	see := func(t *testing.T, desc stage.Description, p func(watch *observer) *flow.Pipeline) (u stage.Upstream) {
		t.Helper()
		watch := &observer{desc: desc, seen: func(rt stage.Runtime, _ int) { u = rt.Upstream() }}
		require.NoError(t, p(watch).Run(t.Context()))
		return u
	}
	to := func(s flow.Stream[int]) *flow.Pipeline { return s.To(&collector[int]{}) }
	wait := func(int) time.Duration { return time.Minute }
	leased := func(d time.Duration) *sources.Memory[int] {
		return sources.Values(1).Redeliver(3, wait).WithLease(d)
	}
	parts := func() *sources.Memory[int] { return sources.Values(1).Partition(parity) }
	require.Equal(t, stage.Upstream{Partition: "values"},
		see(t, stage.Description{}, func(w *observer) *flow.Pipeline { return to(flow.From(sources.Values(1)).Via(w)) }))
	require.Equal(t, stage.Upstream{Redelivers: true, Redelivery: 3 * time.Minute},
		see(t, stage.Description{}, func(w *observer) *flow.Pipeline {
			return to(flow.Merge(flow.From(leased(2*time.Minute)), flow.From(sources.Values(1))).Via(w))
		}))
	for _, two := range [][]*sources.Memory[int]{{parts(), sources.Values(1)}, {sources.Values(1), parts()}, {parts()}} {
		var streams []flow.Stream[int]
		for _, src := range two {
			streams = append(streams, flow.From(src))
		}
		require.Empty(t, see(t, stage.Description{}, func(w *observer) *flow.Pipeline { return to(flow.Merge(streams...).Via(w)) }))
	}
	rest := stage.Description{Holds: true, HoldsLeft: true}
	require.Equal(t, 40*time.Second, see(t, rest, func(w *observer) *flow.Pipeline {
		other := &observer{desc: rest}
		return flow.From(leased(2*time.Minute)).Debounce(6*time.Second).Via(other).Via(w).
			To(&collector[int]{}, flow.Batched(5, 10*time.Second))
	}).HoldFor, "what batches need first, and then each its half")
	require.Zero(t, see(t, rest, func(w *observer) *flow.Pipeline { return to(flow.From(sources.Values(1)).Via(w)) }).HoldFor)
	require.Equal(t, time.Second, see(t, stage.Description{Holds: true, HoldsFor: time.Second}, func(w *observer) *flow.Pipeline {
		return to(flow.From(leased(time.Minute)).Via(w))
	}).HoldFor)
}

func TestValidate_LeavesTimeToHold(t *testing.T) {
	rest := &observer{desc: stage.Description{Holds: true, HoldsLeft: true}}
	s := func() flow.Stream[int] { return flow.From(sources.Values(1).WithLease(time.Minute)).Via(rest) }
	require.NoError(t, s().To(&collector[int]{}, flow.Batched(5, 47*time.Second)).Validate())
	require.ErrorContains(t, s().To(&collector[int]{}, flow.Batched(5, 48*time.Second)).Validate(), "at most 48s may be spent waiting")
}

func TestValidate_WantsRecordsThatCanBeRecognized(t *testing.T) {
	knows := &observer{desc: stage.Description{Holds: true, HoldsLeft: true, Recognizes: true}}
	s := func(src *sources.Memory[int]) *flow.Pipeline {
		return flow.Flatten(flow.From(src).Batch(2, time.Second)).Via(knows).To(&collector[int]{})
	}
	require.NoError(t, s(sources.Values(1)).Validate())
	require.ErrorContains(t, s(sources.Values(1).Redeliver(0, nil)).Validate(),
		`stage "observe" knows a record that comes again by its id, but stage "batch" above it makes one record of several`)
	one := flow.From(sources.Values(1).Redeliver(0, nil)).Debounce(time.Second).Via(knows)
	require.NoError(t, one.To(&collector[int]{}).Validate())
}
