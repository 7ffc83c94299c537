package flow_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/flow"
	"github.com/rocketflow-io/rocketflow/sources"
)

// courses are generated streams, each of partitions that are out of order within a bound.
func courses(r *rand.Rand, outOfOrder int) [][]event {
	all := make([][]event, 1+r.IntN(4))
	number := 0
	for i := range all {
		now := make([]int, 1+r.IntN(2))
		for range r.IntN(300) {
			p := r.IntN(len(now))
			now[0] += r.IntN(9) // partitions of one stream advance together
			e := event{number, "k", fmt.Sprint(i, p), max(0, now[0]-r.IntN(outOfOrder+1))}
			all[i] = append(all[i], e)
			number++
		}
	}
	return all
}

func partOf(e event) string { return e.part }

func numbersOf(all []event) []int {
	numbers := make([]int, len(all))
	for i, e := range all {
		numbers[i] = e.number
	}
	slices.Sort(numbers)
	return numbers
}

func byTime(a, b event) int { return a.at - b.at }

// Whatever the streams' speeds, what comes of them is in order of time and complete.
func TestMergeOrdered_EqualsSorting(t *testing.T) {
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 1))
		outOfOrder := r.IntN(20)
		all := courses(r, outOfOrder)
		streams := make([]flow.Stream[event], len(all))
		for i, course := range all {
			streams[i] = flow.From(sources.Slice(course).Partition(partOf).ReadSize(1 + r.IntN(20)))
		}
		out := &collector[event]{}
		p := flow.MergeOrdered(flow.EventTime(event.when, secs(outOfOrder)), streams...).To(out)
		require.NoError(t, p.Run(t.Context()))
		require.True(t, slices.IsSortedFunc(out.values(), byTime), "seed %d", seed)
		require.Equal(t, numbersOf(slices.Concat(all...)), numbersOf(out.values()), "seed %d", seed)
	}
}

// Whatever fails and comes again: nothing is lost, and what is out of order is counted.
func TestMergeOrdered_LosesNothingThatFails(t *testing.T) {
	late := int64(0)
	for seed := range seedsOf(100) {
		synctest.Test(t, func(t *testing.T) {
			tr, r := trouble{seed}, rand.New(rand.NewPCG(seed, 1))
			outOfOrder := r.IntN(20)
			all := courses(r, outOfOrder)
			streams := make([]flow.Stream[event], len(all))
			srcs := make([]*sources.Memory[event], len(all))
			for i, course := range all {
				srcs[i] = sources.Slice(course).Partition(partOf).Redeliver(0, func(int) time.Duration { return time.Second })
				streams[i] = flow.From(srcs[i]).TryMap(tr.once(6, fmt.Sprint("above", i))).OnError(flow.Nack())
			}
			out := &collector[event]{}
			p := flow.MergeOrdered(flow.EventTime(event.when, secs(outOfOrder)), streams...).TryMap(tr.once(6, "below")).To(out)
			require.NoError(t, p.Run(t.Context()))
			require.Equal(t, numbersOf(slices.Concat(all...)), numbersOf(out.values()), "seed %d", seed)
			for _, src := range srcs {
				_, open := done(src)
				require.Zero(t, open, "seed %d", seed)
			}
			st, _ := p.Snapshot().Stage("merge by time")
			turns := int64(0)
			for i, e := range out.values()[:max(0, len(out.values())-1)] {
				if out.values()[i+1].at < e.at {
					turns++
				}
			}
			require.LessOrEqual(t, turns, st.Counters["late"], "seed %d", seed)
			late += st.Counters["late"]
		})
	}
	require.Greater(t, late, int64(100))
}

func TestMergeOrdered_WaitsForAStreamUntilItIsIdle(t *testing.T) {
	out := &collector[string]{}
	clock := flow.EventTime(reading.when, 5*time.Minute).Idle(10 * time.Minute)
	require.NoError(t, meet(t, nil, func(l flow.Stream[reading], r flow.Stream[reply]) *flow.Pipeline {
		right := r.Map(func(r reply) reading { return r.reading })
		return flow.MergeOrdered(clock, l, right).Map(func(r reading) string { return fmt.Sprint(r.at) }).To(out)
	}, func(m *meetup) {
		m.give(reading{"a", 10, 0}, reading{"a", 20, 0}, answerAt("b", 12, 0))
		require.Empty(t, out.values())
		m.give(answerAt("b", 25, 0))
		require.Equal(t, []string{"10", "12"}, out.values(), "what is 5 minutes behind both")
		for range 3 {
			time.Sleep(5 * time.Minute)
			m.give(reading{"a", 40, 0})
		}
		require.Equal(t, []string{"10", "12", "20", "25"}, out.values())
		m.give(answerAt("b", 24, 0), answerAt("b", 39, 0)) // late; not late
		require.Equal(t, []string{"10", "12", "20", "25", "24"}, out.values())
		require.Equal(t, []bool{true, true, false, false, false}, outcomes(m.left))
	}))
	require.Equal(t, []string{"10", "12", "20", "25", "24", "39", "40", "40", "40"}, out.values())
}

// A stream that is ahead is read no further than its source may have in the pipeline. When all streams
// have so much, the oldest goes out.
func TestMergeOrdered_HoldsNoMoreThanFits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var read atomic.Int64
		ahead := func(yield func(int) bool) {
			for i := 0; i < 30_000 && yield(i); i++ {
				read.Add(1)
			}
		}
		behind := make(chan int)
		// Nothing is released by the watermark: all is within the disorder.
		at := func(n int) time.Time { return time.Unix(int64(n), 0) }
		out := &collector[int]{}
		p := flow.MergeOrdered(flow.EventTime(at, 20*time.Hour).Idle(100*time.Hour), flow.From(sources.Seq(ahead)), flow.From(sources.Channel(behind))).To(out)
		ended := make(chan error)
		go func() { ended <- p.Run(context.Background()) }()
		synctest.Wait()
		require.LessOrEqual(t, read.Load(), int64(9000))
		require.Empty(t, out.values())
		for i := range 6000 {
			behind <- i
		}
		time.Sleep(time.Second)
		synctest.Wait()
		require.NotEmpty(t, out.values())
		require.True(t, slices.IsSorted(out.values()))
		close(behind)
		require.NoError(t, <-ended)
		require.Len(t, out.values(), 36_000)
		require.True(t, slices.IsSorted(out.values()), "the other one is idle in the end")
		st, _ := p.Snapshot().Stage("merge by time")
		require.Positive(t, st.Counters["early"])
	})
}

// What a lease leaves no more time for goes out in time, with what is older.
func TestMergeOrdered_KeepsToTheLease(t *testing.T) {
	out := &collector[string]{}
	require.NoError(t, meet(t, func(l *sources.Memory[reading], r *sources.Memory[reply]) {
		l.WithLease(5 * time.Minute)
	}, func(l flow.Stream[reading], r flow.Stream[reply]) *flow.Pipeline {
		right := r.Map(func(r reply) reading { return r.reading })
		return flow.MergeOrdered(byEventTime(60).Idle(10*time.Hour), l, right).Map(func(r reading) string { return fmt.Sprint(r.at) }).To(out)
	}, func(m *meetup) {
		m.give(reading{"a", 10, 0}, reading{"a", 30, 0}, answerAt("b", 12, 0), answerAt("b", 31, 0), reading{"a", 20, 0})
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		require.Equal(t, []string{"10", "12", "20", "30"}, out.values())
		for _, o := range m.left.Outcomes() {
			require.True(t, o.Done)
			require.Equal(t, 1, o.Attempts)
		}
		m.cancel()
		synctest.Wait()
		require.Equal(t, []bool{true, false}, outcomes(m.right), "what has not had its turn is handed back")
	}))
}

func TestMergeOrdered_IsValidated(t *testing.T) {
	validate := func(s flow.Stream[reading]) error { return s.To(&collector[reading]{}).Validate() }
	one := func() flow.Stream[reading] { return flow.From(sources.Values(reading{}).WithLease(time.Hour)) }
	require.NoError(t, validate(flow.MergeOrdered(byEventTime(1), one(), one())))
	require.ErrorContains(t, validate(flow.MergeOrdered(byEventTime(1))), "there are no streams")
	require.ErrorContains(t, validate(flow.MergeOrdered(flow.ProcessingTime[reading](), one())), "or use Merge")
	require.ErrorContains(t, validate(flow.MergeOrdered(byEventTime(1).Idle(0), one())), "hold up the others for ever")
	require.ErrorContains(t, validate(flow.MergeOrdered(byEventTime(-1), one())), "neither may be negative")
	keyed := flow.From(sources.Values(reading{}).Keyed(keyOfReading))
	require.ErrorContains(t, validate(flow.MergeOrdered(byEventTime(1), one(), keyed)), "orders by key")
	sums := hours(flow.MergeOrdered(byEventTime(1), one(), one())).Agg(zero, plus).To(&collector[flow.Window[string, int]]{})
	require.NoError(t, sums.Validate(), "its records stay what they were, so windows know them")
	text := sums.Explain()
	require.Contains(t, text, "merge by time; from s1, s2")
	require.Contains(t, text, "in the order of event time, 1m0s out of order; holds records for as long as their lease leaves")
}
