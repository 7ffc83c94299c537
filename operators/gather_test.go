package operators_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/flow"
	"github.com/rocketflow-io/rocketflow/flow/flowtest"
	"github.com/rocketflow-io/rocketflow/operators"
)

func TestTap_SeesEachValueThatPasses(t *testing.T) {
	var seen []int
	b := start(t, operators.Tap(func(v int) { seen = append(seen, v) }))
	b.keep = true
	b.give(1, 2)
	require.Equal(t, []int{1, 2}, seen)
	require.Equal(t, seen, b.emitted)
	require.Equal(t, []bool{false, false}, b.settled())

	try := start(t, operators.TryTap(func(_ context.Context, v int) error {
		if v == 3 {
			return errTest
		}
		return nil
	}))
	require.Equal(t, []error{nil, errTest}, try.give(1, 3))
	require.Equal(t, []int{1}, try.emitted)
	require.Equal(t, []bool{true, false}, try.settled(), "rule 9")
}

// Rule 2, as for a flat map.
func TestFlatten_SettlesASliceWithTheLastOfItsValues(t *testing.T) {
	b := start(t, operators.Flatten[int]())
	b.keep = true
	b.give([]int{1, 2}, nil)
	require.Equal(t, []int{1, 2}, b.emitted)
	require.Equal(t, []bool{false, true}, b.settled())
	b.kept[0].Done()
	require.Equal(t, []bool{false, true}, b.settled())
	b.kept[1].Done()
	require.Equal(t, []bool{true, true}, b.settled())
}

func zero() int { return 0 }

func add(sum, v int) int {
	if v == 3 {
		panic(errTest)
	}
	return sum + v
}

func TestScan_EmitsWhatWasGatheredUpToEachValue(t *testing.T) {
	in, out := flowtest.NewInput(1, 2, 3, 4), flowtest.NewOutput[int]()
	p := flow.From(in).Scan(zero, add).OnError(flow.Skip()).To(out)
	require.NoError(t, flowtest.Run(t, p).Err)
	require.Equal(t, []int{1, 3, 7}, out.Values(), "a panic changes nothing")
	in.RequireAcked(t)

	in.Give(5)
	require.NoError(t, flowtest.Run(t, p).Err)
	require.Equal(t, []int{1, 3, 7, 5}, out.Values(), "each run begins anew")
	chunk(t, operators.Scan(zero, func(sum, v int) int { return sum + v }), nil, []int{1, 3, 6, 10}, 0)
}

// Rule 3: what is gathered holds the duty of each record.
func TestReduce_EmitsOneValueAtTheEnd(t *testing.T) {
	b := start(t, operators.Reduce(zero, func(sum, v int) int { return sum + v }))
	b.keep = true
	require.NoError(t, b.proc.Drain(t.Context()))
	b.give(1, 2, 3)
	require.Empty(t, b.emitted)
	require.NoError(t, b.proc.Drain(t.Context()))
	require.Equal(t, []int{6}, b.emitted)
	require.Equal(t, []bool{false, false, false}, b.settled())
	b.kept[0].Done()
	require.Equal(t, []bool{true, true, true}, b.settled())
}

// Each record is in one value that was written, also when the first was not.
func TestReduce_GathersAnewWhatComesAgain(t *testing.T) {
	in := flowtest.NewInput(1, 2, 4).Redeliver(flowtest.Redelivery{})
	out := flowtest.NewOutput[int]()
	p := flow.From(in).Map(func(v int) int { return v }).Reduce(zero, func(sum, v int) int { return sum + v }).To(out)
	res := flowtest.Run(t, p, flowtest.Fail("map", errTest).On(2).Times(1), flowtest.Fail("output", errTest).Times(1))
	require.NoError(t, res.Err)
	sum := 0
	for _, v := range out.Values() {
		sum += v
	}
	require.Equal(t, 7, sum)
	in.RequireAcked(t)
}

func TestReduce_DoesNotHoldRecordsThatHaveALease(t *testing.T) {
	p := flow.From(flowtest.NewInput(1).Lease(time.Minute)).Reduce(zero, add).To(flowtest.NewOutput[int]())
	require.ErrorContains(t, p.Run(t.Context()), `stage "reduce" may hold records without a bound in time`)
}
