package flow_test

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/flow"
	"github.com/rocketflow-io/rocketflow/sources"
)

// An OnError behind windows is that of the windows and of the stages above them, whether late values have a
// stream of their own or not. Behind what makes one stream of several it is that of this stage alone.
func TestOnError_GoesUpTheWayOfTheResults(t *testing.T) {
	failing := func() flow.Stream[reading] {
		return flow.From(sources.Values(reading{"a", 5, 1}, reading{"a", 6, 2})).
			TryMap(func(_ context.Context, r reading) (reading, error) {
				if r.v == 1 {
					return r, errTest
				}
				return r, nil
			})
	}
	other := func() flow.Stream[reply] { return flow.From(sources.Values(answerAt("a", 6, 4))) }
	toLate := func(s flow.Stream[reading]) *flow.Pipeline { return s.To(&collector[reading]{}) }
	toLateReply := func(s flow.Stream[reply]) *flow.Pipeline { return s.To(&collector[reply]{}) }
	joined := func() flow.Joined[string, reading, reply] { return joinReadings(failing(), other(), 10, 10) }
	for name, c := range map[string]struct {
		pipeline *flow.Pipeline
		stages   int // with the policy
		skips    bool
	}{
		"windows": {hours(failing()).Agg(zero, plus).OnError(flow.Skip()).To(&collector[flow.Window[string, int]]{}), 4, true},
		"windows with Late": {failing().KeyBy(keyOfReading).Window(flow.Tumbling(hour), byEventTime(0)).Late(toLate).
			Agg(zero, plus).OnError(flow.Skip()).To(&collector[flow.Window[string, int]]{}), 4, true},
		"join":           {joined().DropLate().Inner(toldInner).OnError(flow.Skip()).To(&collector[string]{}), 2, false},
		"join with late": {joined().LateLeft(toLate).LateRight(toLateReply).Inner(toldInner).OnError(flow.Skip()).To(&collector[string]{}), 2, false},
		"merge":          {flow.Merge(failing(), flow.From(sources.Values(reading{"b", 7, 4}))).OnError(flow.Skip()).To(&collector[reading]{}), 1, false},
		"zip":            {failing().Zip(other()).OnError(flow.Skip()).To(&collector[flow.Pair[reading, reply]]{}), 2, false},
	} {
		require.Equal(t, c.stages, strings.Count(c.pipeline.Explain(), "on error: "+flow.Skip().String()), "%s\n%s", name, c.pipeline.Explain())
		if err := c.pipeline.Run(t.Context()); c.skips {
			require.NoError(t, err, name)
		} else {
			require.ErrorIs(t, err, errTest, name)
		}
	}
}

// It is that of the join when the pipeline runs, too, and one behind late values is not.
func TestOnError_BehindAJoinIsTheJoins(t *testing.T) {
	joined := func() flow.Joined[string, reading, reply] {
		return joinReadings(flow.From(sources.Values(reading{"a", 5, 1})), flow.From(sources.Values(answerAt("a", 6, 4))), 10, 10)
	}
	fails := func(reading, reply) string { panic(errTest) }
	skips := func(s flow.Stream[reading]) *flow.Pipeline { return s.OnError(flow.Skip()).To(&collector[reading]{}) }
	toLate := func(s flow.Stream[reply]) *flow.Pipeline { return s.To(&collector[reply]{}) }
	end := func(s flow.Stream[string]) *flow.Pipeline { return s.To(&collector[string]{}) }
	require.ErrorIs(t, end(joined().DropLate().Inner(fails)).Run(t.Context()), errTest)
	require.NoError(t, end(joined().DropLate().Inner(fails).OnError(flow.Skip())).Run(t.Context()))
	require.NoError(t, end(joined().LateLeft(skips).LateRight(toLate).Inner(fails).OnError(flow.Skip())).Run(t.Context()))

	late := end(joined().LateLeft(skips).LateRight(toLate).Inner(fails))
	require.ErrorIs(t, late.Run(t.Context()), errTest)
	require.Equal(t, 1, strings.Count(late.Explain(), "on error: "+flow.Skip().String()), late.Explain())
}
