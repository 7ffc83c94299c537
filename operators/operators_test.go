package operators_test

import (
	"context"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/flow/stage"
	"github.com/rocketflow-io/rocketflow/operators"
)

func even(v int) bool { return v%2 == 0 }

func tryEven(_ context.Context, v int) (bool, error) {
	if v == 3 {
		return false, errTest
	}
	return even(v), nil
}

func tryText(_ context.Context, v int) (string, error) {
	if v == 3 {
		return "", errTest
	}
	return strconv.Itoa(v), nil
}

// Rule 2: map moves the duty.
func TestMap_MovesTheDutyToTheResult(t *testing.T) {
	b := start(t, operators.Map(strconv.Itoa))
	b.keep = true
	require.Equal(t, []error{nil, nil}, b.give(1, 2))
	require.Equal(t, []string{"1", "2"}, b.emitted)
	require.Equal(t, []bool{false, false}, b.settled())
	b.kept[1].Done()
	require.Equal(t, []bool{false, true}, b.settled())
}

// Rule 9: what fails is untouched, and nothing was emitted for it.
func TestTry_LeavesARecordThatFailsUntouched(t *testing.T) {
	m := start(t, operators.TryMap(tryText))
	require.Equal(t, []error{nil, errTest}, m.give(1, 3))
	require.Equal(t, []string{"1"}, m.emitted)
	require.Equal(t, []bool{true, false}, m.settled())

	f := start(t, operators.TryFilter(tryEven))
	require.Equal(t, []error{nil, errTest, nil}, f.give(1, 3, 4))
	require.Equal(t, []int{4}, f.emitted)
	require.Equal(t, []bool{true, false, true}, f.settled())

	fm := start(t, operators.TryFlatMap(func(ctx context.Context, v int) ([]string, error) {
		s, err := tryText(ctx, v)
		return []string{s, s}, err
	}))
	require.Equal(t, []error{errTest, nil}, fm.give(3, 4))
	require.Equal(t, []string{"4", "4"}, fm.emitted)
	require.Equal(t, []bool{false, true}, fm.settled())
}

// Rule 2: a filter that drops, settles done.
func TestFilter_SettlesWhatItDrops(t *testing.T) {
	b := start(t, operators.Filter(even))
	b.keep = true
	b.give(1, 2, 3)
	require.Equal(t, []int{2}, b.emitted)
	require.Equal(t, []bool{true, false, true}, b.settled())
}

// Rule 2: taken one by one, the duties could reach zero with the first emission.
func TestFlatMap_TakesAllDutiesBeforeTheFirstEmission(t *testing.T) {
	b := start(t, operators.FlatMap(func(v int) []int { return []int{v, v, v} }))
	seen := 0
	b.onEmit = func(r stage.Record[int]) {
		require.Equal(t, []bool{false}, b.settled(), "emission %d", seen)
		seen++
	}
	b.give(1)
	require.Equal(t, 3, seen)
	require.Equal(t, []bool{true}, b.settled())
}

func TestFlatMap_SettlesWhatBecomesNothing(t *testing.T) {
	b := start(t, operators.FlatMap(func(int) []int { return nil }))
	b.give(1, 2)
	require.Empty(t, b.emitted)
	require.Equal(t, []bool{true, true}, b.settled())
}

// A chunk is processed as its records would be one by one.
func TestChunks_DoWhatProcessDoes(t *testing.T) {
	chunk(t, operators.Map(strconv.Itoa), nil, []string{"1", "2", "3", "4"}, 0)
	chunk(t, operators.TryMap(tryText), []int{2}, []string{"1", "2", "4"}, 0)
	chunk(t, operators.Filter(even), nil, []int{2, 4}, 2)
	chunk(t, operators.TryFilter(tryEven), []int{2}, []int{2, 4}, 1)
	chunk(t, operators.Skip[int](3), nil, []int{4}, 3)
	chunk(t, operators.Skip[int](5), nil, nil, 4)
}

// chunk gives 1 to 4 in a chunk, and goes on behind each failure as the engine does.
func chunk[O any](t *testing.T, op stage.Operator[int, O], failed []int, out []O, dropped int) {
	t.Helper()
	proc, ok := start(t, op).proc.(stage.Chunker[int, O])
	require.True(t, ok)
	c := &stage.Chunk[int, O]{}
	for v := range 4 {
		c.In = append(c.In, stage.Record[int]{Value: v + 1})
	}
	var at []int
	for {
		if err := proc.ProcessChunk(t.Context(), c); err == nil {
			break
		}
		at = append(at, c.At)
		c.At++
	}
	var values []O
	for _, r := range c.Out {
		values = append(values, r.Value)
	}
	require.Equal(t, failed, at)
	require.Equal(t, out, values)
	require.Len(t, c.Dropped, dropped)
}

// Rule 3: a batch holds the duty of each member.
func TestBatch_HoldsTheDutiesOfItsMembers(t *testing.T) {
	b := start(t, operators.Batch[int, []int](2, 0))
	b.keep = true
	b.give(1, 2, 3)
	require.Equal(t, [][]int{{1, 2}}, b.emitted)
	require.Equal(t, []bool{false, false, false}, b.settled())
	b.kept[0].Done()
	require.Equal(t, []bool{true, true, false}, b.settled())
	require.NoError(t, b.proc.Drain(t.Context()))
	require.Equal(t, [][]int{{1, 2}, {3}}, b.emitted)
	require.NoError(t, b.proc.Drain(t.Context()))
	require.Len(t, b.emitted, 2, "never an empty slice")
}

func TestBatch_EmitsAtTheAgeOfTheOldest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t, operators.Batch[int, []int](10, time.Second))
		b.give(1)
		time.Sleep(600 * time.Millisecond)
		b.give(2)
		time.Sleep(399 * time.Millisecond)
		require.Empty(t, b.out())
		time.Sleep(time.Millisecond)
		synctest.Wait()
		require.Equal(t, [][]int{{1, 2}}, b.out())
		b.end()
		b.goes.Wait()
	})
}

func TestParMap_EmitsInOrderAndCompletesEach(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		op := operators.ParMap(4, func(ctx context.Context, v int) (string, error) {
			time.Sleep(time.Duration(10-v) * time.Second) // the first is the slowest
			return tryText(ctx, v)
		})
		b := start(t, op)
		require.Equal(t, []error{nil, nil, nil, nil}, b.give(1, 2, 3, 4))
		require.NoError(t, b.proc.Drain(t.Context()))
		b.end()
		b.goes.Wait()
		require.Equal(t, []string{"1", "2", "4"}, b.emitted)
		require.Equal(t, []error{nil, nil, errTest, nil}, b.completed)
	})
}

func TestParMap_HandsBackWhatHasNotBegunWhenTheRunMustEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t, operators.ParMapUnordered(1, func(ctx context.Context, v int) (int, error) {
			<-ctx.Done()
			return v, nil
		}))
		b.give(1, 2, 3)
		synctest.Wait()
		b.end()
		b.goes.Wait()
		require.NoError(t, b.proc.Drain(t.Context()))
		require.Equal(t, []int{1}, b.emitted, "what has begun is finished")
		require.Equal(t, []error{nil, stage.ErrHandedBack, stage.ErrHandedBack}, b.completed)
	})
}
