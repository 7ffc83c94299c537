package flow_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/flow"
	"github.com/rocketflow-io/rocketflow/flow/flowtest"
	"github.com/rocketflow-io/rocketflow/flow/stage"
)

// byParity deals with one even value and one odd one at a time.
type byParity struct{ processor }

func (byParity) KeyOf(v int) uint64 { return uint64(v % 2) }

// Rule 9: for a synchronous operator as for one that works on goroutines of its own.
func TestKeyer_HoldsBackOnlyTheKeyThatWaits(t *testing.T) {
	failed := false
	op := runtimeOperator{
		desc: stage.Description{Name: "keyed", Fallible: true},
		start: func(_ stage.Runtime, next stage.Emitter[int]) (stage.Processor[int], error) {
			return byParity{processor{func(ctx context.Context, r stage.Record[int]) error {
				if r.Value == 2 && !failed {
					failed = true
					return errTest
				}
				next.Emit(ctx, r)
				return nil
			}}}, nil
		},
	}
	in, out := flowtest.NewInput(numbers(7)...), flowtest.NewOutput[int]()
	p := flow.From(in).Via[int](op).OnError(flow.Retry(1, seconds(60))).To(out)
	res := flowtest.Run(t, p)
	require.NoError(t, res.Err)
	require.Equal(t, time.Minute, res.Took)
	require.Equal(t, []int{0, 1, 3, 5, 2, 4, 6}, out.Values())
	in.RequireAcked(t)
}
