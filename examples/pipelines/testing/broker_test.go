package billing

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/broker"
	"github.com/rocketflow-io/rocketflow/broker/brokertest"
	"github.com/rocketflow-io/rocketflow/client"
	"github.com/rocketflow-io/rocketflow/flow"
	"github.com/rocketflow-io/rocketflow/flow/flowtest"
	"github.com/rocketflow-io/rocketflow/sinks"
	"github.com/rocketflow-io/rocketflow/sources"
)

// The same pipeline between the real source and sink, on a broker in memory. All of it is made inside
// the bubble, and closed before the bubble ends. The broker redelivers by the backoff of its group, as
// a RocketMQ does, and its own statistics say that nothing is left.
func TestBill_OnABrokerWhileTheTaxServiceIsDownForHours(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := brokertest.New(t,
			brokertest.WithTopics(broker.Topic{Name: "orders"}, broker.Topic{Name: "invoices"}, broker.Topic{Name: "dead"}),
			brokertest.WithGroups(broker.Group{Name: "billing", Backoff: broker.RetryPolicy{Steps: []time.Duration{time.Hour}}}))
		c, err := client.New(b.Endpoint(), client.WithPlaintext(), client.WithDialer(b.Dialer()))
		require.NoError(t, err)
		defer func() { require.NoError(t, c.Close()) }()
		load := flow.From(sources.Values(order(`{"id":"a","cents":1000}`), order(`not JSON`))).
			To(sinks.RocketMQ(c, "orders"))
		require.NoError(t, load.Run(t.Context()))

		bill := Bill(sources.RocketMQ(c, "orders", "billing"), fifth,
			sinks.RocketMQ(c, "invoices"), sinks.DeadLetterTopic(c, "dead"))
		// A topic never ends, so the test says what it waits for; then the pipeline drains.
		res := flowtest.Run(t, bill,
			flowtest.Fail("invoice", errDown).Times(5),
			flowtest.StopWhen(func() bool { return len(b.Messages("invoices")) > 0 && backlog(t, b) == 0 }))

		require.NoError(t, res.Err)
		require.Greater(t, res.Took, 5*time.Hour)
		require.JSONEq(t, `{"order":"a","total":1200}`, string(b.Messages("invoices")[0].Body))
		require.Len(t, b.Messages("invoices"), 1)
		require.Equal(t, "not JSON", string(b.Messages("dead")[0].Body))
		require.Contains(t, b.Messages("dead")[0].Properties[sinks.PropertyError], "parse order")
	})
}

func backlog(t *testing.T, b *broker.Broker) int64 {
	t.Helper()
	stats, err := b.GroupStats("billing")
	require.NoError(t, err)
	return stats.Backlog
}
