package flow_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/flow"
	"github.com/rocketflow-io/rocketflow/flow/stage"
	"github.com/rocketflow-io/rocketflow/operators"
	"github.com/rocketflow-io/rocketflow/sources"
)

// Rule 5: one poison row takes no other along, whether the sink names it or not.
func TestBatched_DeadLettersThePoisonRowAlone(t *testing.T) {
	const poison = 700
	for name, write := range map[string]func(context.Context, []int) error{
		"named": func(_ context.Context, vs []int) error {
			var failed stage.BatchError
			for i, v := range vs {
				if v == poison {
					failed.Fail(i, errTest)
				}
			}
			return failed.OrNil()
		},
		"unnamed": func(_ context.Context, vs []int) error {
			for _, v := range vs {
				if v == poison {
					return errTest
				}
			}
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			src := sources.Slice(numbers(1000)).ReadSize(64).Recorded()
			out := &collector[int]{before: write}
			graves := &collector[flow.Failure]{}
			p := flow.From(src).To(out, flow.Batched(500, time.Hour), flow.OnWriteError(flow.DeadLetter(graves)))
			require.NoError(t, p.Run(t.Context()))
			require.Len(t, out.values(), 999)
			require.Len(t, graves.values(), 1)
			require.Equal(t, poison, graves.values()[0].Value)
			n, _ := done(src)
			require.Equal(t, 1000, n)
			require.LessOrEqual(t, out.calls, 2+2*9, "halving takes two writes for each power of two")
		})
	}
}

// A system that is down is not written to for each value.
func TestBatched_BoundsTheSearchForPoison(t *testing.T) {
	src := sources.Slice(numbers(512)).ReadSize(512).Redeliver(1, nil)
	out := &collector[int]{before: func(context.Context, []int) error { return errTest }}
	require.NoError(t, flow.From(src).To(out, flow.Batched(512, 0)).Run(t.Context()))
	require.Less(t, out.calls, 50)
	n, _ := done(src)
	require.Zero(t, n)
}

// An error that names an index outside the batch names nothing: the outcome of all is unknown.
func TestBatched_TakesAWrongNameForNone(t *testing.T) {
	src := sources.Slice(numbers(8)).Recorded()
	out := &collector[int]{before: func(_ context.Context, vs []int) error {
		if len(vs) > 1 {
			return &stage.BatchError{Failed: map[int]error{99: errTest}}
		}
		return nil
	}}
	require.NoError(t, flow.From(src).To(out).Run(t.Context()))
	n, _ := done(src)
	require.Equal(t, 8, n)
	require.Greater(t, out.calls, 8, "each was written by itself in the end")
}

func TestBatched_WritesByCountOrByTheAgeOfTheOldest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := make(chan int)
		go func() {
			defer close(c)
			for i := range 8 {
				c <- i // at 0, 400, 800, … ms
				time.Sleep(400 * time.Millisecond)
			}
		}()
		out := &collector[int]{}
		begun := time.Now()
		require.NoError(t, flow.FromChan(c).To(out, flow.Batched(3, time.Second)).Run(t.Context()))
		require.Equal(t, [][]int{{0, 1, 2}, {3, 4, 5}, {6, 7}}, out.batches)
		require.Equal(t, 800*time.Millisecond, out.times[0].Sub(begun), "by count")

		out = &collector[int]{}
		begun = time.Now()
		c2 := make(chan int)
		go func() {
			defer close(c2)
			for i := range 6 {
				c2 <- i
				time.Sleep(400 * time.Millisecond)
			}
		}()
		require.NoError(t, flow.FromChan(c2).To(out, flow.Batched(100, time.Second)).Run(t.Context()))
		require.Equal(t, [][]int{{0, 1, 2}, {3, 4, 5}}, out.batches)
		require.Equal(t, time.Second, out.times[0].Sub(begun), "by the age of the oldest, not of the newest")
	})
}

// The age is that of the first value, however long the read takes that it came in.
func TestBatched_CountsTheAgeFromTheFirstValue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, c := range []struct{ age, written time.Duration }{
			{age: time.Second, written: 1300 * time.Millisecond},
			{age: 100 * time.Millisecond, written: 900 * time.Millisecond}, // the end of the read
		} {
			values := make(chan int)
			out := &collector[int]{}
			slowly := func(v int) []int {
				time.Sleep(300 * time.Millisecond)
				return []int{v}
			}
			begun := time.Now()
			end := begin(t, flow.Join(
				flow.From(sources.Values(1, 2, 3)).FlatMap(slowly).To(out, flow.Batched(100, c.age)),
				flow.FromChan(values).To(&collector[int]{}))) // which keeps the run from its end
			time.Sleep(time.Minute)
			synctest.Wait()
			require.Equal(t, [][]int{{1, 2, 3}}, out.batches)
			require.Equal(t, c.written, out.times[0].Sub(begun))
			end()
		}
	})
}

func TestBatch_IsCompleteByCountBytesOrAge(t *testing.T) {
	size := func(s string) int { return len(s) }
	batches := func(t *testing.T, l operators.Limits[string], gap time.Duration, values ...string) [][]string {
		t.Helper()
		var got [][]string
		synctest.Test(t, func(t *testing.T) {
			c := make(chan string)
			go func() {
				defer close(c)
				for _, v := range values {
					c <- v
					time.Sleep(gap)
				}
			}()
			out := &collector[[]string]{}
			p := flow.FromChan(c).Via(operators.BatchBy[string, []string](l)).To(out)
			require.NoError(t, p.Run(t.Context()))
			got = out.values()
		})
		return got
	}
	require.Equal(t, [][]string{{"a", "b"}, {"c"}}, batches(t, operators.Limits[string]{Count: 2}, 0, "a", "b", "c"))
	require.Equal(t, [][]string{{"aa", "bb"}, {"ccc"}, {"larger"}, {"d"}},
		batches(t, operators.Limits[string]{Bytes: 5, Size: size}, 0, "aa", "bb", "ccc", "larger", "d"))
	require.Equal(t, [][]string{{"a", "b", "c"}, {"d", "e"}},
		batches(t, operators.Limits[string]{Count: 100, Age: time.Second}, 400*time.Millisecond, "a", "b", "c", "d", "e"))
}

// Rule 3: a batch holds the duty of each member.
func TestBatch_SettlesItsMembersTogether(t *testing.T) {
	src := sources.Slice(numbers(6)).Redeliver(1, nil)
	out := &collector[[]int]{before: func(_ context.Context, bs [][]int) error {
		var failed stage.BatchError
		for i, b := range bs {
			if b[0] == 3 {
				failed.Fail(i, errTest)
			}
		}
		return failed.OrNil()
	}}
	require.NoError(t, flow.From(src).Batch(3, 0).To(out).Run(t.Context()))
	for i, o := range src.Outcomes() {
		require.Equal(t, i < 3, o.Done, "value %d", i)
	}
}
