package billing

import (
	"context"
	"encoding/json"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/rocketflow-io/rocketflow/broker"
	"github.com/rocketflow-io/rocketflow/broker/brokertest"
	"github.com/rocketflow-io/rocketflow/client"
	"github.com/rocketflow-io/rocketflow/flow"
	"github.com/rocketflow-io/rocketflow/sinks"
	"github.com/rocketflow-io/rocketflow/sources"
)

// A pipeline that has ended leaves no goroutine behind, and the tests hold it to that.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func order(body string) *client.Message { return &client.Message{Body: []byte(body)} }

func invoicesOf(t *testing.T, messages []*client.Message) (all []Invoice) {
	t.Helper()
	for _, m := range messages {
		var i Invoice
		require.NoError(t, json.Unmarshal(m.Body, &i))
		all = append(all, i)
	}
	return all
}

var errDown = errors.New("the tax service is down")

// First, what a pipeline does with values. A source in memory ends by itself, so Run returns when
// all of them are settled. Made to redeliver, it behaves like a topic; and it can be asked what
// became of each message, which is what a pipeline is answerable for.
func TestBill_SettlesEachOrder(t *testing.T) {
	orders := sources.Values(
		order(`{"id":"a","cents":1000}`),
		order(`{"id":"gift","cents":0}`),
		order(`{"cents":5}`),
		order(`{"id":"b","cents":200}`),
	).Redeliver(3, nil)
	invoices, dead := sinks.Collect[*client.Message](), sinks.Collect[flow.Failure]()
	asked := 0
	tax := func(_ context.Context, cents int) (int, error) {
		if asked++; asked == 1 {
			return 0, errDown
		}
		return cents / 5, nil
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

// A failure that does not go away must not look like a success.
func TestBill_LeavesAnOrderUndoneThatKeepsFailing(t *testing.T) {
	orders := sources.Values(order(`{"id":"a","cents":1000}`)).Redeliver(3, nil)
	invoices, dead := sinks.Collect[*client.Message](), sinks.Collect[flow.Failure]()
	down := func(context.Context, int) (int, error) { return 0, errDown }

	require.NoError(t, Bill(orders, down, invoices, dead).Run(t.Context()))

	outcome := orders.Outcomes()[0]
	require.False(t, outcome.Done)
	require.ErrorIs(t, outcome.Err, errDown)
	require.Equal(t, 3, outcome.Attempts)
	require.Empty(t, invoices.Values())
	require.Empty(t, dead.Values())
}

// Time is virtual in a bubble. Here the source hands a failed order out again after an hour, and
// then after two; the test takes no time at all, and can still ask how much has passed.
func TestBill_TriesAgainForHours(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		orders := sources.Values(order(`{"id":"a","cents":1000}`)).
			Redeliver(0, func(attempt int) time.Duration { return time.Duration(attempt) * time.Hour })
		invoices := sinks.Collect[*client.Message]()
		began := time.Now()
		tax := func(_ context.Context, cents int) (int, error) {
			if time.Since(began) < 3*time.Hour {
				return 0, errDown
			}
			return cents / 5, nil
		}

		require.NoError(t, Bill(orders, tax, invoices, sinks.Collect[flow.Failure]()).Run(t.Context()))

		require.Equal(t, 3*time.Hour, time.Since(began))
		require.Equal(t, 3, orders.Outcomes()[0].Attempts)
		require.Equal(t, []Invoice{{"a", 1200}}, invoicesOf(t, invoices.Values()))
	})
}

// Last, the same pipeline between the real source and sink, on a broker in memory. All of it is
// made inside the bubble, and closed before the bubble ends. The broker redelivers by the backoff
// of its group, as a RocketMQ does, and its own statistics say that nothing is left.
func TestBill_OnABrokerThatIsDownForHours(t *testing.T) {
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

		var asked atomic.Int32
		tax := func(_ context.Context, cents int) (int, error) {
			if asked.Add(1) <= 5 {
				return 0, errDown
			}
			return cents / 5, nil
		}
		bill := Bill(sources.RocketMQ(c, "orders", "billing"), tax,
			sinks.RocketMQ(c, "invoices"), sinks.DeadLetterTopic(c, "dead"))
		began := time.Now()
		ctx, stop := context.WithCancel(t.Context())
		ran := make(chan error, 1)
		go func() { ran <- bill.Run(ctx) }()

		// A topic never ends, so the test waits for what it wants to see, and drains the pipeline.
		for len(b.Messages("invoices")) == 0 || backlog(t, b) > 0 {
			time.Sleep(time.Minute)
		}
		stop()
		require.NoError(t, <-ran)

		require.Greater(t, time.Since(began), 5*time.Hour)
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
