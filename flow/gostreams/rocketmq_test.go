package gostreams_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	streamflow "github.com/reugn/go-streams/flow"
	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/broker"
	"github.com/rocketflow-io/rocketflow/broker/brokertest"
	"github.com/rocketflow-io/rocketflow/client"
	"github.com/rocketflow-io/rocketflow/flow/gostreams"
	"github.com/rocketflow-io/rocketflow/operators"
)

// bill makes an order's bill; the first attempt at a bad one gives a message that cannot be sent.
func bill(d *client.Delivery) *gostreams.Delivery[*client.Message] {
	m := &client.Message{Body: []byte("bill for " + string(d.Body))}
	if string(d.Body) == "bad" && d.Attempt == 1 {
		m.Body = nil
	}
	return gostreams.Wrap(d).With(m)
}

func source(ctx context.Context, r *rig, opts ...gostreams.SourceOption) *gostreams.Source {
	r.Helper()
	s, err := gostreams.NewSource(ctx, r.client, "orders", "billing", opts...)
	require.NoError(r, err)
	r.Cleanup(func() { require.NoError(r, s.Close()) })
	return s
}

func sink(r *rig, topic string, opts ...gostreams.Option) *gostreams.Sink {
	r.Helper()
	s, err := gostreams.NewSink(r.Context(), r.client, topic, opts...)
	require.NoError(r, err)
	return s
}

func (r *rig) acked() int64 {
	stats, err := r.broker.GroupStats("billing")
	require.NoError(r, err)
	return stats.Acked
}

// The way through a stock Map: acknowledged after the write, and delivered again when that failed.
func TestRocketMQ_AcknowledgesAfterTheSend(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.send("orders", "a", "bad", "c")
		ctx, cancel := context.WithCancel(r.Context())
		orders, bills := source(ctx, r), sink(r, "bills")
		ran := make(chan struct{})
		go func() {
			defer close(ran)
			orders.Via(streamflow.NewMap(bill, 1)).To(bills)
		}()
		time.Sleep(900 * time.Millisecond)
		synctest.Wait()
		require.ElementsMatch(r, []string{"bill for a", "bill for c"}, r.stored("bills"))
		require.EqualValues(r, 2, r.acked(), "the bad one is not done with")

		time.Sleep(time.Minute)
		synctest.Wait()
		require.Contains(r, r.stored("bills"), "bill for bad")
		require.EqualValues(r, 3, r.acked())
		cancel()
		<-ran
		require.NoError(r, orders.Wait())
		require.NoError(r, bills.Err())
	})
}

func TestRocketMQ_CarriesTheDutyThroughOurOperators(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.send("orders", "a", "drop", "bad")
		ctx, cancel := context.WithTimeout(r.Context(), time.Minute)
		defer cancel()
		orders, bills := source(ctx, r), sink(r, "bills")
		keep := func(m *client.Message) bool { return string(m.Body) != "drop" }
		billed := func(m *client.Message) *client.Message {
			if string(m.Body) == "bad" && m.Attempt == 1 {
				return &client.Message{} // cannot be sent
			}
			return &client.Message{Body: m.Body}
		}
		orders.
			Via(gostreams.Flow(operators.Filter(keep))).
			Via(streamflow.NewPassThrough()).
			Via(gostreams.Flow(operators.Map(billed))).
			To(bills)
		require.ElementsMatch(r, []string{"a", "bad"}, r.stored("bills"))
		require.EqualValues(r, 3, r.acked())
	})
}

func TestRocketMQ_GivesDeliveriesToSettleByHand(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.send("orders", "a")
		ctx, cancel := context.WithCancel(r.Context())
		orders := source(ctx, r)
		d := (<-orders.Out()).(*client.Delivery)
		require.Equal(r, "a", string(d.Body))
		cancel()
		require.NoError(r, orders.Wait())
		require.NoError(r, d.Ack(r.Context()), "the source has ended; what it gave can be settled")
		require.EqualValues(r, 1, r.acked())
	})
}

func TestRocketMQ_HandsBackWhatNobodyTook(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.send("orders", "a", "b", "c")
		ctx, cancel := context.WithCancel(r.Context())
		orders := source(ctx, r)
		out := orders.Out()
		first := (<-out).(*client.Delivery)
		require.NoError(r, first.Ack(r.Context()))
		synctest.Wait()
		cancel()
		_, open := <-out
		require.False(r, open)
		require.NoError(r, orders.Wait())

		begun := time.Now()
		again, stop := context.WithCancel(r.Context())
		next := source(again, r)
		var bodies []string
		for len(bodies) < 2 {
			d := (<-next.Out()).(*client.Delivery)
			require.Equal(r, 1, d.Attempt, "nobody tried it")
			require.NoError(r, d.Ack(r.Context()))
			bodies = append(bodies, string(d.Body))
		}
		require.ElementsMatch(r, slices.DeleteFunc([]string{"a", "b", "c"}, func(s string) bool {
			return s == string(first.Body)
		}), bodies)
		require.Less(r, time.Since(begun), 30*time.Second, "and not when the lease of 5 minutes has ended")
		stop()
		require.NoError(r, next.Wait())
	})
}

func TestRocketMQ_DoesNotGiveWhatIsNoLongerLeased(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.send("orders", "a", "b")
		ctx, cancel := context.WithCancel(r.Context())
		defer cancel()
		orders := source(ctx, r, gostreams.WithInvisibleDuration(30*time.Second))
		out := orders.Out()
		first := (<-out).(*client.Delivery)
		require.NoError(r, first.Ack(r.Context()))
		time.Sleep(time.Minute) // the other waits in the source
		seen := 0
		for d := range out {
			seen++
			require.True(r, time.Now().Before(d.(*client.Delivery).Expires()))
			require.NoError(r, d.(*client.Delivery).Ack(r.Context()))
			cancel()
		}
		require.Equal(r, 1, seen)
		require.EqualValues(r, 2, r.acked())
	})
}

func TestNewSource_EndsByAnErrorThatStays(t *testing.T) {
	inBubble(t, func(r *rig) {
		s, err := gostreams.NewSource(r.Context(), r.client, "nowhere", "billing")
		require.NoError(r, err)
		require.Empty(r, all(s))
		require.ErrorIs(r, s.Err(), client.ErrTopicNotFound)
		require.NoError(r, s.Close())
	}, brokertest.WithoutAutoCreate(), brokertest.WithGroups(broker.Group{Name: "billing"}))
}

func TestNewSink_HandsBackWhenItCannotSend(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.send("orders", "a")
		ctx, cancel := context.WithTimeout(r.Context(), 30*time.Second)
		defer cancel()
		bills := sink(r, "nowhere", gostreams.WithNackDelay(func(int) time.Duration { return 10 * time.Second }))
		attempts := 0
		source(ctx, r).Via(streamflow.NewMap(func(d *client.Delivery) *gostreams.Delivery[*client.Message] {
			attempts = d.Attempt
			return bill(d)
		}, 1)).To(bills)
		require.Greater(r, attempts, 1)
		require.Zero(r, r.acked())
		require.NoError(r, bills.Err(), "nothing is lost")
	}, brokertest.WithoutAutoCreate(), brokertest.WithGroups(broker.Group{Name: "billing"}),
		brokertest.WithTopics(broker.Topic{Name: "orders"}))
}

func TestNewSink_TakesPlainMessages(t *testing.T) {
	inBubble(t, func(r *rig) {
		m := &client.Message{Body: []byte("to the sink's topic")}
		bills := sink(r, "bills")
		given(m, &client.Message{Topic: "others", Body: []byte("to its own")}, "no message", (*client.Message)(nil)).
			Via(streamflow.NewPassThrough()).To(bills)
		require.Equal(r, []string{"to the sink's topic"}, r.stored("bills"))
		require.Equal(r, []string{"to its own"}, r.stored("others"))
		require.Empty(r, m.Topic, "it is the caller's")
		var failed *gostreams.FailedError
		require.ErrorAs(r, bills.Err(), &failed)
		require.Equal(r, 2, failed.Count)
	})
}

func TestNewSource_RefusesWhatCannotBe(t *testing.T) {
	inBubble(t, func(r *rig) {
		_, err := gostreams.NewSource(r.Context(), r.client, strings.Repeat("x", 1000), "billing")
		require.ErrorIs(r, err, client.ErrIllegalTopic)
		_, err = gostreams.NewSource(r.Context(), r.client, "orders", "billing", gostreams.WithMaxMessages(0))
		require.ErrorContains(r, err, "must be positive")
		_, err = gostreams.NewSink(r.Context(), r.client, "")
		require.ErrorContains(r, err, "no topic")
		s, err := gostreams.NewSource(r.Context(), r.client, "orders", "billing")
		require.NoError(r, err)
		require.NoError(r, s.Close(), "it was never started")
	})
}
