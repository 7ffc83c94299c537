package billing

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/client"
	"github.com/rocketflow-io/rocketflow/flow"
	"github.com/rocketflow-io/rocketflow/sinks"
	"github.com/rocketflow-io/rocketflow/sources"
)

// The least that a test needs: what a pipeline does with values. A source in memory ends by itself, so
// Run returns when all of them are settled. Made to redeliver, it behaves like a topic; and it can be
// asked what became of each message, which is what a pipeline is answerable for.
func TestBill_SettlesEachOrder(t *testing.T) {
	orders := sources.Values(
		order(`{"id":"a","cents":1000}`),
		order(`{"id":"gift","cents":0}`),
		order(`{"cents":5}`),
		order(`{"id":"b","cents":200}`),
	).Redeliver(3, nil)
	invoices, dead := sinks.Collect[*client.Message](), sinks.Collect[flow.Failure]()
	asked := 0
	tax := func(ctx context.Context, cents int) (int, error) {
		if asked++; asked == 1 {
			return 0, errDown
		}
		return fifth(ctx, cents)
	}

	require.NoError(t, Bill(orders, tax, invoices, dead).Run(t.Context()))

	// The failure of the first order has held up neither the others nor itself for good.
	require.ElementsMatch(t, []Invoice{{"a", 1200}, {"b", 240}}, invoicesOf(t, invoices.Values()))
	require.Len(t, dead.Values(), 1)
	require.ErrorIs(t, dead.Values()[0].Err, errNoID)
	require.Equal(t, "parse", dead.Values()[0].Stage)

	for i, attempts := range []int{2, 1, 1, 1} {
		outcome := orders.Outcomes()[i]
		require.True(t, outcome.Done, i)
		require.Equal(t, attempts, outcome.Attempts, i)
	}
}
