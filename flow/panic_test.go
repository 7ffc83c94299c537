package flow_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/cenkalti/backoff/v4"
	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/flow"
	"github.com/rocketflow-io/rocketflow/flow/stage"
	"github.com/rocketflow-io/rocketflow/operators"
	"github.com/rocketflow-io/rocketflow/sources"
)

// boom panics at 2.
func boom(v int) {
	if v == 2 {
		panic(errTest)
	}
}

func TestPanic_OfAFunctionIsAnErrorOfItsStage(t *testing.T) {
	for name, add := range map[string]func(flow.Stream[int]) flow.Stream[int]{
		"map":    func(s flow.Stream[int]) flow.Stream[int] { return s.Map(func(v int) int { boom(v); return v }) },
		"filter": func(s flow.Stream[int]) flow.Stream[int] { return s.Filter(func(v int) bool { boom(v); return true }) },
		"flat map": func(s flow.Stream[int]) flow.Stream[int] {
			return s.FlatMap(func(v int) []int { boom(v); return []int{v} })
		},
		"try map": func(s flow.Stream[int]) flow.Stream[int] {
			return s.TryMap(func(_ context.Context, v int) (int, error) { boom(v); return v, nil })
		},
		"try filter": func(s flow.Stream[int]) flow.Stream[int] {
			return s.TryFilter(func(_ context.Context, v int) (bool, error) { boom(v); return true, nil })
		},
		"try flat map": func(s flow.Stream[int]) flow.Stream[int] {
			return s.TryFlatMap(func(_ context.Context, v int) ([]int, error) { boom(v); return []int{v}, nil })
		},
		"parallel map": func(s flow.Stream[int]) flow.Stream[int] {
			return s.ParMap(2, func(_ context.Context, v int) (int, error) { boom(v); return v, nil })
		},
		"unordered parallel map": func(s flow.Stream[int]) flow.Stream[int] {
			return s.ParMapUnordered(2, func(_ context.Context, v int) (int, error) { boom(v); return v, nil })
		},
		"batch by bytes": func(s flow.Stream[int]) flow.Stream[int] {
			size := func(v int) int { boom(v); return 1 }
			limits := operators.Limits[int]{Bytes: 1, Size: size}
			return s.Via(operators.BatchBy[int, []int](limits)).Named("work").FlatMap(func(vs []int) []int { return vs })
		},
	} {
		t.Run(name, func(t *testing.T) {
			src := sources.Values(1, 2, 3).Recorded()
			out := &collector[int]{}
			graves := &collector[flow.Failure]{}
			p := add(flow.From(src)).OnError(flow.DeadLetter(graves)).To(out)
			require.NoError(t, p.Run(t.Context()))
			require.ElementsMatch(t, []int{1, 3}, out.values())
			require.Len(t, graves.values(), 1)
			var panicked *stage.PanicError
			require.ErrorAs(t, graves.values()[0].Err, &panicked)
			require.ErrorIs(t, panicked, errTest, "a panic with an error wraps it")
			require.Contains(t, string(panicked.Stack), "boom")
			n, _ := done(src)
			require.Equal(t, 3, n)
		})
	}
}

// Rule 9: a child's failure is its own, whatever the stage that it happens in.
func TestFlatMap_GoesOnWithTheSiblingsOfAChildThatFails(t *testing.T) {
	for name, f := range map[string]func(context.Context, int) (int, error){
		"error": failing(is(12)),
		"panic": func(_ context.Context, v int) (int, error) {
			if v == 12 {
				panic("child")
			}
			return v, nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			src := sources.Values(1, 2).Redeliver(2, nil)
			out := &collector[int]{}
			p := flow.From(src).FlatMap(func(v int) []int { return []int{10 * v, 10*v + 1, 10*v + 2} }).TryMap(f).To(out)
			require.NoError(t, p.Run(t.Context()))
			require.Subset(t, out.values(), []int{10, 11, 20, 21, 22})
			require.NotContains(t, out.values(), 12)
			outs := src.Outcomes()
			require.False(t, outs[0].Done, "a failure of one child wins")
			require.Equal(t, 2, outs[0].Attempts)
			require.True(t, outs[1].Done)
		})
	}
}

func TestPanic_OfAWriterIsAFailedWrite(t *testing.T) {
	for _, immediate := range []bool{false, true} {
		src := sources.Slice(numbers(10)).Recorded()
		graves := &collector[flow.Failure]{}
		out := &collector[int]{traits: stage.SinkTraits{Immediate: immediate}, before: func(_ context.Context, vs []int) error {
			for _, v := range vs {
				boom(v)
			}
			return nil
		}}
		p := flow.From(src).To(out, flow.OnWriteError(flow.DeadLetter(graves)))
		require.NoError(t, p.Run(t.Context()))
		require.Len(t, out.values(), 9, "the panic was isolated")
		require.Len(t, graves.values(), 1)
		require.Equal(t, 2, graves.values()[0].Value)
	}
}

func TestPanic_OfAReaderEndsTheRun(t *testing.T) {
	out := &collector[int]{}
	values := func(yield func(int) bool) {
		yield(1)
		panic(errTest)
	}
	err := flow.FromSeq(values).To(out).Run(t.Context())
	var panicked *stage.PanicError
	require.ErrorAs(t, err, &panicked)
	require.ErrorIs(t, err, errTest)
}

// An acknowledgement that is lost is not a success: the source may deliver again.
func TestPanic_OfASettlerIsALostOutcome(t *testing.T) {
	src := &settlingSource{values: []int{1, 2}, settle: func() error { panic("settler") }}
	p := flow.From[int](src).To(&collector[int]{})
	require.NoError(t, p.Run(t.Context()))
	st, _ := p.Snapshot().Stage("settlingSource")
	require.Equal(t, 2, st.Source.Lost)
}

// A backoff is the user's as well: its panic is an error of the stage, and the record's.
func TestPanic_OfABackOffIsAnErrorOfItsStage(t *testing.T) {
	for name, newBackOff := range map[string]func() backoff.BackOff{
		"constructor": func() backoff.BackOff { panic(errBackOff) },
		"next":        func() backoff.BackOff { return panickingBackOff{} },
		"nil":         func() backoff.BackOff { return nil },
	} {
		t.Run(name, func(t *testing.T) {
			src := sources.Values(1, 2, 3).Recorded()
			out, graves := &collector[int]{}, &collector[flow.Failure]{}
			p := flow.From(src).TryMap(failing(is(2))).Named("work").
				OnError(flow.Retry(3, newBackOff).Then(flow.DeadLetter(graves))).To(out)
			require.NoError(t, p.Run(t.Context()))
			require.Equal(t, []int{1, 3}, out.values())
			require.Len(t, graves.values(), 1)
			f := graves.values()[0]
			require.Equal(t, []any{"work", 1, 2}, []any{f.Stage, f.Attempt, f.Value})
			var panicked *stage.PanicError
			require.ErrorAs(t, f.Err, &panicked)
			require.ErrorIs(t, f.Err, errTest, "what was to be tried again is told as well")
			st, _ := p.Snapshot().Stage("work")
			require.Equal(t, []int64{1, 1}, []int64{st.Panics, st.DeadLettered})
			n, _ := done(src)
			require.Equal(t, 3, n)
		})
	}
}

var errBackOff = errors.New("backoff")

type panickingBackOff struct{}

func (panickingBackOff) NextBackOff() time.Duration { panic(errBackOff) }
func (panickingBackOff) Reset()                     {}

func TestSettle_CountsAsLostWhatItsErrorNames(t *testing.T) {
	for name, c := range map[string]struct {
		err        error
		lost, done int
	}{
		"two":                   {&stage.BatchError{Failed: map[int]error{0: errTest, 2: errTest}}, 2, 1},
		"wrapped":               {fmt.Errorf("settle: %w", &stage.BatchError{Failed: map[int]error{1: errTest}}), 1, 2},
		"none":                  {&stage.BatchError{}, 3, 0},
		"one that is not there": {&stage.BatchError{Failed: map[int]error{3: errTest}}, 3, 0},
		"all":                   {errTest, 3, 0},
		"nothing":               {nil, 0, 3},
	} {
		t.Run(name, func(t *testing.T) {
			src := &settlingSource{values: []int{1, 2, 3}, settle: func() error { return c.err }}
			p := flow.From[int](src).To(&collector[int]{})
			require.NoError(t, p.Run(t.Context()))
			st, _ := p.Snapshot().Stage("settlingSource")
			require.Equal(t, []int{c.lost, c.done}, []int{st.Source.Lost, st.Source.Done})
		})
	}
}

func TestPanic_OfAnOpenerIsAnError(t *testing.T) {
	op := func(start func() error) runtimeOperator {
		return runtimeOperator{start: func(stage.Runtime, stage.Emitter[int]) (stage.Processor[int], error) {
			return processor{}, start()
		}}
	}
	for name, p := range map[string]*flow.Pipeline{
		"source":   flow.From[int](openedSource{}).To(&collector[int]{}),
		"sink":     flow.From(sources.Values(1)).To(openedSink{}),
		"operator": flow.From(sources.Values(1)).Via(op(func() error { panic(errTest) })).To(&collector[int]{}),
	} {
		t.Run(name, func(t *testing.T) {
			require.ErrorIs(t, p.Run(t.Context()), errTest)
		})
	}
}

// openedSource and openedSink panic when they are opened.
type (
	openedSource struct{}
	openedSink   struct{}
)

func (openedSource) Open(context.Context) (stage.Reader[int], error) { panic(errTest) }

func (openedSink) Open(context.Context) (stage.Writer[int], error) { panic(errTest) }
