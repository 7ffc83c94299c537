package operators

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/flow/stage"
)

// The outcome of a pane's result and a value of that pane that comes again can be in one turn.
func TestKept_OpensAPaneInTheTurnThatClosesIt(t *testing.T) {
	at := func(d time.Duration) instant { return instantOf(time.Unix(0, 0).Add(d)) }
	w := keptWindowing[string, int, int, Window[string, int]]{windowing: windowing[string, int, int, Window[string, int]]{
		Windowing: Windowing[string, int]{
			Windows: Tumbling(time.Minute), Clock: EventTime(func(int) time.Time { return time.Time{} }, 0),
		},
		agg: Aggregation[int, int]{Init: func() int { return 0 }, Add: func(a, v int) int { return a + v }},
	}}
	p := &keeper[string, int, int, Window[string, int]]{keptWindowing: w, high: at(time.Hour), pastFor: time.Hour}
	given := keptPane[int]{start: at(0), end: at(time.Minute), value: 20, results: 1}
	k := &keptKey[string, int]{row: keptRow[int]{closed: never, panes: []keptPane[int]{given}}}
	p.shut(&keptTurn[string, int, int]{}, k)
	require.Empty(t, k.row.panes)
	require.Len(t, k.toPast, 1)

	again := &keptValue[string, int]{at: at(time.Second), info: stage.Info{Attempt: 2}}
	again.Value = 3
	became, _ := (&placing[string, int, int, Window[string, int]]{keptWindowing: &p.keptWindowing, mark: p.high, past: never}).place(k, again)
	require.Equal(t, keptCounted, became)
	given.value, given.dirty = 23, true
	require.Equal(t, []keptPane[int]{given}, k.row.panes, "the same pane, with its revisions")
	require.Empty(t, k.toPast)
}

// endedRuntime is that of an operator whose input has ended.
type endedRuntime struct{ stage.Runtime }

func (endedRuntime) Ended() bool { return true }

// A value that waited for another try can be counted when the end of the input has been given, but before the
// engine looks whether anything waits: then there is more to give.
func TestKept_IsUnfinishedWhenAValueIsCountedAfterTheEnd(t *testing.T) {
	p := &keeper[string, int, int, Window[string, int]]{rt: endedRuntime{}}
	require.False(t, p.Unfinished())
	p.freshen(&keptTurn[string, int, int]{became: []keptBecame{{keptOutcome: keptAgain}, {keptOutcome: keptLate}}})
	require.False(t, p.Unfinished(), "nothing was counted")
	p.freshen(&keptTurn[string, int, int]{became: []keptBecame{{keptOutcome: keptCounted}}})
	require.True(t, p.Unfinished())
}
