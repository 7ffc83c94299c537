package billing

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/client"
	"github.com/rocketflow-io/rocketflow/flow"
	"github.com/rocketflow-io/rocketflow/flow/flowtest"
)

// bench is the pipeline under test with its ends.
type bench struct {
	orders   *flowtest.Input[*client.Message]
	invoices *flowtest.Output[*client.Message]
	dead     *flowtest.Output[flow.Failure]
	bill     *flow.Pipeline
}

// newBench has a topic with two orders, and others if given.
func newBench(more ...*client.Message) *bench {
	b := &bench{
		orders: flowtest.NewInput(order(`{"id":"a","cents":1000}`), order(`{"id":"b","cents":200}`)).Give(more...).
			Named("orders").Shown(body).Redeliver(flowtest.Redelivery{}),
		invoices: flowtest.NewOutput[*client.Message]().Named("invoices"),
		dead:     flowtest.NewOutput[flow.Failure](),
	}
	b.bill = Bill(b.orders, fifth, b.invoices, b.dead)
	return b
}

// Run runs the pipeline until the topic is empty. It fails the test by itself if a stage loses an order.
func TestBill_DropsOrDeadLettersWhatIsNoOrder(t *testing.T) {
	b := newBench(order(`{"id":"gift","cents":0}`), order(`{"cents":5}`), order(`not JSON`))

	require.NoError(t, flowtest.Run(t, b.bill).Err)

	require.Equal(t, []Invoice{{"a", 1200}, {"b", 240}}, invoicesOf(t, b.invoices.Values()))
	require.Len(t, b.dead.Values(), 2)
	require.ErrorIs(t, b.dead.Values()[0].Err, errNoID)
	b.orders.RequireAcked(t) // or shows what became of each
}

// A failure is injected into a stage by its name: here each order finds the service down three times.
// What RocketMQ then lets pass, 16 s in all, takes no time.
func TestBill_TriesAgainByTheBackoffOfTheGroup(t *testing.T) {
	b := newBench()

	res := flowtest.Run(t, b.bill, flowtest.Fail("invoice", errDown).Tries(3))

	require.NoError(t, res.Err)
	require.Equal(t, 16*time.Second, res.Took)
	require.ElementsMatch(t, []Invoice{{"a", 1200}, {"b", 240}}, invoicesOf(t, b.invoices.Values()))
	b.orders.RequireAcked(t)
}

// A failure that does not go away must not look like a success, nor hold up others.
func TestBill_LeavesAnOrderUndoneThatKeepsFailing(t *testing.T) {
	b := newBench()
	costly := func(o Order) bool { return o.Cents >= 1000 }

	require.NoError(t, flowtest.Run(t, b.bill, flowtest.Fail("invoice", errDown).When(costly)).Err)

	require.Equal(t, []Invoice{{"b", 240}}, invoicesOf(t, b.invoices.Values()))
	require.Equal(t, []flowtest.State{flowtest.DeadLettered, flowtest.Acked}, b.orders.States())
	failed := b.orders.Outcomes()[0]
	require.Equal(t, "invoice", failed.Stage)
	require.ErrorIs(t, failed.Err, errDown)
	require.Len(t, failed.Deliveries, 17)
	require.Empty(t, b.dead.Values())
}

// Nothing may be lost when the process ends in the middle, even if there is no time to finish. The same
// input in another run stands for the topic after the restart.
func TestBill_LosesNothingWhenItIsStopped(t *testing.T) {
	b := newBench()
	ofB := func(m *client.Message) bool { return m.Keys[0] == "b" }

	res := flowtest.Run(t, b.bill,
		flowtest.Delay("invoices", time.Minute).When(ofB),
		flowtest.StopAfter(time.Second), flowtest.With(flow.WithDrainTimeout(time.Second)))

	var cut *flow.DrainError
	require.ErrorAs(t, res.Err, &cut)
	require.Equal(t, 2*time.Second, res.Took)
	require.Contains(t, b.orders.States(), flowtest.HandedBack)

	require.NoError(t, flowtest.Run(t, b.bill).Err)
	b.orders.RequireAcked(t)
	require.Subset(t, invoicesOf(t, b.invoices.Values()), []Invoice{{"a", 1200}, {"b", 240}})
}

// A duplicate is what at-least-once delivery permits: here the acknowledgement of an order gets lost.
// Who reads the invoices has to know them by their keys.
func TestBill_SendsADuplicateWithTheSameKeyWhenAnAckIsLost(t *testing.T) {
	b := newBench()
	b.orders.GiveRecords(flowtest.Record[*client.Message]{Value: order(`{"id":"c","cents":5}`), AckLost: true})

	require.NoError(t, flowtest.Run(t, b.bill).Err)

	keys := make(map[string]int)
	for _, m := range b.invoices.Values() {
		keys[m.Keys[0]]++
	}
	require.Equal(t, map[string]int{"a": 1, "b": 1, "c": 2}, keys)
	b.orders.RequireAcked(t)
}
