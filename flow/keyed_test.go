package flow_test

import (
	"context"
	"fmt"
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

func parity(v int) string { return []string{"even", "odd"}[v%2] }

// Rule 8: values of one key pass a fallible stage one at a time; other keys go on.
func TestKeyed_HoldsOnlyTheKeyThatWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := sources.Slice(numbers(8)).Keyed(parity).Redeliver(0, nil)
		tries := 0
		out := &collector[int]{}
		p := flow.From(src).TryMap(func(_ context.Context, v int) (int, error) {
			if v == 2 {
				if tries++; tries < 3 {
					return 0, errTest
				}
			}
			return v, nil
		}).OnError(flow.Retry(5, seconds(60))).To(out)
		require.NoError(t, p.Run(t.Context()))
		require.Equal(t, []int{0, 1, 3, 5, 7, 2, 4, 6}, out.values())
	})
}

// Rule 8: what was read behind a record that is handed back is handed back unprocessed.
func TestKeyed_HandsBackWhatStandsBehindAFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := sources.Slice(numbers(8)).Keyed(parity).Redeliver(0, func(int) time.Duration { return time.Minute })
		failed := false
		out := &collector[int]{}
		p := flow.From(src).TryMap(func(_ context.Context, v int) (int, error) {
			if v == 2 && !failed {
				failed = true
				return 0, errTest
			}
			return v, nil
		}).To(out)
		require.NoError(t, p.Run(t.Context()))
		require.Equal(t, []int{0, 1, 3, 5, 7, 2, 4, 6}, out.values())
		for _, o := range src.Outcomes() {
			require.True(t, o.Done)
			behind := o.Value == 4 || o.Value == 6
			require.Equal(t, behind, o.HandedBack > 0, "value %d", o.Value)
		}
	})
}

func TestKeyed_FreesAKeyWhoseRecordIsSettledAtOnce(t *testing.T) {
	immediate := stage.SinkTraits{Immediate: true, MaxBatch: 1}
	for name, add := range map[string]func(flow.Stream[int]) flow.Stream[int]{
		"dropped":      func(s flow.Stream[int]) flow.Stream[int] { return s.Filter(func(v int) bool { return v > 3 }) },
		"written":      func(s flow.Stream[int]) flow.Stream[int] { return s.Map(func(v int) int { return v }) },
		"skipped":      func(s flow.Stream[int]) flow.Stream[int] { return s.TryMap(failing(is(1))).OnError(flow.Skip()) },
		"flat to none": func(s flow.Stream[int]) flow.Stream[int] { return s.FlatMap(func(int) []int { return nil }) },
		"in parallel": func(s flow.Stream[int]) flow.Stream[int] {
			return s.ParMap(3, failing(is(1))).OnError(flow.Skip())
		},
	} {
		t.Run(name, func(t *testing.T) {
			src := sources.Slice(numbers(20)).Keyed(func(int) string { return "one" }).Redeliver(0, nil)
			require.NoError(t, add(flow.From(src)).To(&collector[int]{traits: immediate}).Run(t.Context()))
			n, _ := done(src)
			require.Equal(t, 20, n)
		})
	}
}

// Rule 8: what a writer leaves out behind a failure of another key, with which it has the message group of a
// topic in common, is not overtaken by later values of its own key.
func TestKeyed_IsNotOvertakenWhereTheWriterLeftItOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := sources.Slice(numbers(8)).Keyed(parity).Redeliver(0, nil)
		out := &collector[int]{traits: stage.SinkTraits{OrderedKeys: true, MaxBatch: 2}}
		failures := 0
		out.before = func(_ context.Context, values []int) error {
			var failed stage.BatchError
			if values[0] == 0 && failures < 2 {
				failures++
				failed.Fail(0, errTest)
				for i := range values[1:] {
					failed.Fail(i+1, stage.ErrHandedBack)
				}
			}
			return failed.OrNil()
		}
		p := flow.From(src).To(out, flow.OnWriteError(flow.Retry(3, seconds(60))))
		require.NoError(t, p.Run(t.Context()))
		require.Equal(t, []int{1, 3, 5, 7, 0, 2, 4, 6}, out.values())
	})
}

// Rule 8: a batch has at most one value of a key, unless the writer keeps their order itself.
func TestKeyed_WritesOneValueOfAKeyAtATime(t *testing.T) {
	for _, ordered := range []bool{false, true} {
		t.Run(fmt.Sprintf("ordered keys %v", ordered), func(t *testing.T) {
			var mu sync.Mutex
			most, writing := 0, map[string]int{}
			count := func(vs []int, by int) {
				mu.Lock()
				defer mu.Unlock()
				for _, v := range vs {
					writing[parity(v)] += by
					most = max(most, writing[parity(v)])
				}
			}
			synctest.Test(t, func(t *testing.T) {
				src := sources.Slice(numbers(40)).Keyed(parity).Redeliver(0, nil)
				traits := stage.SinkTraits{Concurrency: 3, OrderedKeys: ordered}
				if ordered {
					traits.Concurrency = 1
				}
				out := &collector[int]{traits: traits, before: func(_ context.Context, vs []int) error {
					count(vs, 1)
					time.Sleep(time.Second)
					count(vs, -1)
					return nil
				}}
				require.NoError(t, flow.From(src).To(out).Run(t.Context()))
				require.Len(t, out.values(), 40)
				even := slices.DeleteFunc(out.values(), func(v int) bool { return v%2 > 0 })
				require.True(t, slices.IsSorted(even))
			})
			require.Equal(t, ordered, most > 1)
		})
	}
}

// What a writer with ordered keys leaves out behind a failure has not failed: Skip must not skip it.
func TestKeyed_WritesAgainWhatAWriterLeftOut(t *testing.T) {
	src := sources.Slice(numbers(10)).Keyed(func(int) string { return "one" }).Redeliver(0, nil)
	out := &collector[int]{traits: stage.SinkTraits{OrderedKeys: true}, before: func(_ context.Context, vs []int) error {
		var failed stage.BatchError
		for i, v := range vs {
			if v == 3 || len(failed.Failed) > 0 {
				failed.Fail(i, errTest)
			}
		}
		return failed.OrNil()
	}}
	p := flow.From(src).To(out, flow.OnWriteError(flow.Skip()), flow.As("out"))
	require.NoError(t, p.Run(t.Context()))
	require.Equal(t, []int{0, 1, 2, 4, 5, 6, 7, 8, 9}, out.values())
	st, _ := p.Snapshot().Stage("out")
	require.EqualValues(t, 1, st.Skipped)
}

func TestKeyed_RefusesOperatorsThatHold(t *testing.T) {
	src := sources.Values(1).Keyed(parity)
	err := flow.From(src).Batch(2, time.Second).To(&collector[[]int]{}).Validate()
	require.ErrorContains(t, err, `stage "batch" holds records, but source "values" orders by key`)
	require.ErrorContains(t, err, "flow.Batched")
	require.NoError(t, flow.From(src).To(&collector[int]{}, flow.Batched(2, time.Second)).Validate())
}

// What waited for its key until its lease was over is an old copy: its source has delivered it again.
func TestKeyed_BeginsNothingWhoseLeaseIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var calls []int
		src := sources.Values(0, 1, 2).Keyed(func(int) string { return "one" }).WithLease(time.Minute).Redeliver(0, nil)
		out := &collector[int]{}
		p := flow.From(src).ParMap(3, func(_ context.Context, v int) (int, error) {
			mu.Lock()
			calls = append(calls, v)
			first := len(calls) == 1
			mu.Unlock()
			if first {
				time.Sleep(65 * time.Second)
				return 0, errTest
			}
			return v, nil
		}).Named("work").OnError(flow.Skip()).To(out)
		require.NoError(t, p.Run(t.Context()))
		require.Equal(t, []int{0, 0, 1, 2}, calls, "the old copies of 1 and 2 turned back")
		require.Equal(t, []int{0, 1, 2}, out.values())
		st, _ := p.Snapshot().Stage("work")
		require.EqualValues(t, 1, st.LeaseExpired, "1, and 2 stands behind it")
	})
}
