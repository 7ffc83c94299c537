package flow_test

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/flow"
	"github.com/rocketflow-io/rocketflow/sources"
)

func TestFromSeq_GivesTheValuesAgainInEachRun(t *testing.T) {
	out := &collector[int]{}
	p := flow.FromSeq(slices.Values(numbers(100))).To(out)
	require.NoError(t, p.Run(t.Context()))
	require.NoError(t, p.Run(t.Context()))
	require.Equal(t, append(numbers(100), numbers(100)...), out.values())
}

func TestFromChan_DoesNotWaitForMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := make(chan int)
		out := &collector[int]{}
		go func() {
			for i := range 3 {
				c <- i
				time.Sleep(time.Hour)
			}
			close(c)
		}()
		require.NoError(t, flow.FromChan(c).To(out).Run(t.Context()))
		require.Equal(t, [][]int{{0}, {1}, {2}}, out.batches)
	})
}

func TestAll_HandsOutValuesOneByOne(t *testing.T) {
	src := sources.Slice(numbers(5)).Recorded()
	var got []int
	for v, err := range flow.From(src).Map(func(v int) int { return 10 * v }).All(t.Context()) {
		require.NoError(t, err)
		n, _ := done(src)
		require.LessOrEqual(t, n, len(got), "a value is settled when the next one is asked for")
		got = append(got, v)
	}
	require.Equal(t, []int{0, 10, 20, 30, 40}, got)
	n, _ := done(src)
	require.Equal(t, 5, n)
}

func TestAll_EndsTheRunWhenTheLoopIsLeft(t *testing.T) {
	src := sources.Slice(numbers(500)).ReadSize(5).Redeliver(0, nil)
	for v, err := range flow.From(src).All(t.Context()) {
		require.NoError(t, err)
		if v == 7 {
			break
		}
	}
	n, open := done(src)
	require.Equal(t, 8, n)
	require.Positive(t, open, "what was read and not seen is handed back")
}

func TestAll_HandsBackTheValueThatTheLoopPanicsAt(t *testing.T) {
	src := sources.Slice(numbers(5)).Redeliver(0, nil)
	require.PanicsWithValue(t, "loop", func() {
		for v, err := range flow.From(src).OnError(flow.Skip()).All(t.Context()) {
			require.NoError(t, err)
			if v == 2 {
				panic("loop")
			}
		}
	})
	n, _ := done(src)
	require.Equal(t, 2, n)
}

func TestAll_EndsWithTheErrorOfTheRun(t *testing.T) {
	var got []int
	var last error
	for v, err := range flow.From(sources.Values(1, 2, 3)).TryMap(failing(is(2))).All(t.Context()) {
		if last = err; err == nil {
			got = append(got, v)
		}
	}
	require.Equal(t, []int{1, 3}, got)
	require.ErrorIs(t, last, errTest)
}
