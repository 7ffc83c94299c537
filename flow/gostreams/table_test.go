package gostreams_test

import (
	"cmp"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/reugn/go-streams"
	"github.com/reugn/go-streams/extension"
	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/flow"
	"github.com/rocketflow-io/rocketflow/flow/gostreams"
	"github.com/rocketflow-io/rocketflow/flow/stage"
	"github.com/rocketflow-io/rocketflow/sources"
)

// A behaviour is what go-streams asks of one of its flows: what comes out of an input. It holds for the
// flow itself, for the flow in a pipeline of ours, and for our operator in a graph of theirs.
type behaviour struct {
	name string
	in   []any // values, and pauses
	want []any
	// whole is what our operator gives, if it is more: the flow drops windows that begin before its first
	// value, or have not ended with the input.
	whole []any
	// unordered says that the flow promises no order.
	unordered bool
	// takes is the least time between the first input and the last output.
	takes time.Duration

	stock  func() streams.Flow
	inside map[string]transform // the stock flow in a pipeline, by adapter
	ours   func() streams.Flow
}

// transform adds the stock flow to a pipeline.
type transform func(flow.Stream[any]) flow.Stream[any]

// by puts an operator into a stream of any.
func by[I, O any](op stage.Operator[I, O]) transform {
	return func(s flow.Stream[any]) flow.Stream[any] {
		return s.Map(func(v any) I { return v.(I) }).Via(op).Map(func(v O) any { return v })
	}
}

// bubbleBegins is the time in a bubble when it begins.
var bubbleBegins = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

func ms(n int) time.Duration { return time.Duration(n) * time.Millisecond }

// feed gives the values of a script in their time.
func feed(script []any) chan any {
	in := make(chan any)
	go func() {
		defer close(in)
		for _, step := range script {
			if pause, ok := step.(time.Duration); ok {
				time.Sleep(pause)
				continue
			}
			in <- step
		}
	}()
	return in
}

// require compares what came out; what has no order is sorted.
func (b behaviour) require(t *testing.T, got []any) {
	t.Helper()
	require.GreaterOrEqual(t, time.Since(bubbleBegins), b.takes)
	if b.unordered {
		got = slices.SortedFunc(slices.Values(got), func(a, b any) int { return cmp.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
	}
	require.Equal(t, b.want, got)
}

// through gives what comes of a script in a graph of a flow between a stock source and a stock sink.
func (b behaviour) through(f streams.Flow) []any {
	sink := extension.NewChanSink(make(chan any))
	go extension.NewChanSource(feed(b.in)).Via(f).To(sink)
	var got []any
	for e := range sink.Out {
		got = append(got, e)
	}
	return got
}

func TestFlows_BehaveTheSameOnBothSidesOfTheBridge(t *testing.T) {
	for _, b := range slices.Concat(valueByValue(), together(), throttled(), windows(), keyed(), several()) {
		t.Run(b.name, func(t *testing.T) {
			t.Run("theirs", func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { b.require(t, b.through(b.stock())) })
			})
			for adapter, add := range b.inside {
				t.Run("theirs in ours/"+adapter, func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) { b.testInside(t, add) })
				})
			}
			if b.ours == nil {
				return
			}
			if b.whole != nil {
				b.want = b.whole
			}
			t.Run("ours in theirs", func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { b.require(t, b.through(b.ours())) })
			})
			t.Run("ours in theirs/deliveries", func(t *testing.T) {
				synctest.Test(t, b.testDeliveries)
			})
		})
	}
}

// testInside has each input settled as done.
func (b behaviour) testInside(t *testing.T, add transform) {
	t.Helper()
	src := sources.Channel(feed(b.in)).Recorded()
	out := &journal[any]{}
	require.NoError(t, add(flow.From(src)).To(out).Run(t.Context()))
	b.require(t, out.written())
	requireDone(t, src)
}

// testDeliveries has each input settled by what came of it.
func (b behaviour) testDeliveries(t *testing.T) {
	t.Helper()
	src := sources.Channel(feed(b.in)).Recorded()
	given := gostreams.SourceOf(t.Context(), src)
	out := &journal[any]{}
	sink := gostreams.SinkOf(t.Context(), out)
	given.Via(b.ours()).To(sink)
	require.NoError(t, sink.Wait())
	require.NoError(t, given.Wait())
	b.require(t, out.written())
	requireDone(t, src)
}

func requireDone(t *testing.T, src *sources.Memory[any]) {
	t.Helper()
	for _, o := range src.Outcomes() {
		require.True(t, o.Done, o.Value)
	}
}
