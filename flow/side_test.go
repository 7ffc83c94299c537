package flow_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/flow"
	"github.com/rocketflow-io/rocketflow/flow/flowtest"
)

// beside gives the even values as a stream, and the odd ones to a function.
func beside(s flow.Stream[int], odd func(flow.Stream[int]) *flow.Pipeline) flow.Stream[int] {
	return parting(s, func(v int) bool { return v%2 == 1 }, odd)
}

// parting gives values as a stream, and others to a function: as late for windows of one value each, which
// are an operator with a side stream.
func parting(s flow.Stream[int], isLate func(int) bool, late func(flow.Stream[int]) *flow.Pipeline) flow.Stream[int] {
	when := func(v int) time.Time {
		if isLate(v) {
			return day.Add(-hour)
		}
		return day.Add(time.Duration(v) * time.Second)
	}
	return s.KeyBy(func(int) string { return "" }).Window(flow.Tumbling(time.Second), flow.EventTime(when, 0)).Late(late).
		Collect().Map(func(w flow.Window[string, []int]) int { return w.Value[0] })
}

func TestSide_IsPartOfWhatTheStreamBecomes(t *testing.T) {
	same := func(v int) int { return v }
	for name, end := range map[string]func(flow.Stream[int], *flowtest.Output[int]) *flow.Pipeline{
		"at once": func(s flow.Stream[int], out *flowtest.Output[int]) *flow.Pipeline { return s.To(out) },
		"further down": func(s flow.Stream[int], out *flowtest.Output[int]) *flow.Pipeline {
			return s.Named("even").Map(same).OnError(flow.Stop()).Map(same).To(out)
		},
		"by several ways": func(s flow.Stream[int], out *flowtest.Output[int]) *flow.Pipeline {
			b := s.Broadcast(2)
			p := flow.Merge(b[0].Filter(func(int) bool { return false }), b[1]).To(out)
			return flow.Join(p, p)
		},
	} {
		t.Run(name, func(t *testing.T) {
			in := flowtest.NewInput(numbers(6)...)
			evens, odds := flowtest.NewOutput[int](), flowtest.NewOutput[int]().Named("odds")
			p := end(beside(flow.From(in), func(s flow.Stream[int]) *flow.Pipeline { return s.To(odds) }), evens)
			require.NoError(t, flowtest.Run(t, p).Err)
			require.Equal(t, []int{0, 2, 4}, evens.Values())
			require.Equal(t, []int{1, 3, 5}, odds.Values())
			in.RequireAcked(t)
			require.Equal(t, 1, strings.Count(p.Explain(), "odds"), p.Explain())
			require.Equal(t, 1, strings.Count(p.Mermaid(), "-->|late|"), p.Mermaid())
		})
	}
}

// Each of two operators has ends beside, one of them within the other's.
func TestSide_MayHaveSidesOfItsOwn(t *testing.T) {
	in := flowtest.NewInput(numbers(9)...)
	evens, odds, rest := flowtest.NewOutput[int](), flowtest.NewOutput[int]().Named("odds"), flowtest.NewOutput[int]().Named("rest")
	inner := func(s flow.Stream[int]) *flow.Pipeline {
		many := func(s flow.Stream[int]) *flow.Pipeline { return s.To(rest) }
		return parting(s, func(v int) bool { return v >= 4 }, many).To(odds)
	}
	p := beside(flow.From(in), inner).To(evens)
	require.NoError(t, flowtest.Run(t, p).Err)
	require.Equal(t, []int{0, 2, 4, 6, 8}, evens.Values())
	require.Equal(t, []int{1, 3}, odds.Values())
	require.Equal(t, []int{5, 7}, rest.Values())
	in.RequireAcked(t)
}

func TestSide_IsValidated(t *testing.T) {
	from := func() flow.Stream[int] { return flow.From(flowtest.NewInput(1)) }
	out := func() *flowtest.Output[int] { return flowtest.NewOutput[int]() }
	for want, side := range map[string]func(flow.Stream[int]) *flow.Pipeline{
		"Late: the function gave no pipeline": func(flow.Stream[int]) *flow.Pipeline { return nil },
		"1 of its streams go nowhere":         func(flow.Stream[int]) *flow.Pipeline { return from().To(out()) },
		"the sink is nil":                     func(s flow.Stream[int]) *flow.Pipeline { return s.To(nil) },
	} {
		require.ErrorContains(t, beside(from(), side).To(out()).Validate(), want)
	}
	require.ErrorContains(t, beside(from(), func(flow.Stream[int]) *flow.Pipeline { return flow.Join() }).To(out()).Validate(),
		"Late: the function gave no pipeline")
}
