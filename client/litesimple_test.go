package client_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"

	"github.com/rocketflow-io/rocketflow/client"
)

func TestLiteSimpleConsumer_ReceivesWhatItSubscribesTo(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.sendLite("A", "1", "2")
		r.sendLite("B", "1")
		r.sendLite("C", "1")
		c := r.liteConsumer("L", "A", "B")
		got := r.receiveLite(c, time.Minute)
		require.ElementsMatch(r, []string{"A/1", "A/2", "B/1"}, liteBodies(got))
		require.Equal(r, "parent", got[0].Topic)
		require.NoError(r, c.Ack(r.Context(), got...))

		require.NoError(r, c.UnsubscribeLite(r.Context(), "A"))
		r.sendLite("A", "3")
		r.sendLite("B", "2")
		require.Equal(r, []string{"B/2"}, liteBodies(r.receiveLite(c, time.Minute)))
		settings, err := c.Settings(r.Context())
		require.NoError(r, err)
		require.Equal(r, 2000, settings.LiteTopics)
		require.Equal(r, 64, settings.LiteTopicLength)
	}, lite)
}

// One message that is not settled holds up its lite topic, and no other.
func TestLiteSimpleConsumer_HasEachLiteTopicInOrder(t *testing.T) {
	inBubble(t, func(r *rig) {
		c, other := r.liteConsumer("L", "A", "B"), r.liteConsumer("L", "A")
		r.sendLite("A", "1", "2", "3")
		time.Sleep(time.Second)
		var got []*client.Delivery
		for _, consumer := range []*client.LiteSimpleConsumer{c, other} { // one of them has it
			got = append(got, r.receiveLite(consumer, time.Minute)...)
		}
		require.Equal(r, []string{"A/1", "A/2", "A/3"}, liteBodies(got))
		r.sendLite("A", "4")
		r.sendLite("B", "1")
		require.NoError(r, c.Ack(r.Context(), r.receiveLite(c, time.Minute)...)) // B/1
		require.NoError(r, got[0].Ack(r.Context()))
		require.Empty(r, r.receiveLite(c, time.Minute))
		require.Empty(r, r.receiveLite(other, time.Minute))

		time.Sleep(time.Minute) // the lease on 2 is over
		var again []*client.Delivery
		for len(again) == 0 {
			again = append(r.receiveLite(c, time.Minute), r.receiveLite(other, time.Minute)...)
		}
		require.Equal(r, []string{"A/2", "A/3", "A/4"}, liteBodies(again))
	}, lite)
}

func TestLiteSimpleConsumer_BeginsWhereItIsTold(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.sendLite("A", "1", "2", "3")
		for _, c := range []struct {
			option client.LiteOption
			want   []string
		}{
			{client.Offset(2), []string{"A/3"}},
			{client.MinOffset(), []string{"A/1", "A/2", "A/3"}},
			{client.TailN(2), []string{"A/2", "A/3"}},
			{client.LastOffset(), []string{}},
			{client.MaxOffset(), []string{}},
		} {
			consumer := r.liteConsumer("L")
			require.NoError(r, consumer.SubscribeLite(r.Context(), "A", c.option))
			got := r.receiveLite(consumer, time.Minute)
			require.Equal(r, c.want, liteBodies(got))
			require.NoError(r, consumer.Ack(r.Context(), got...))
			require.NoError(r, consumer.Close())
		}
	}, lite)
}

// The lease is on the lite topic: what was received together comes again together.
func TestLiteSimpleConsumer_ReleasesALiteTopicAsAWhole(t *testing.T) {
	inBubble(t, func(r *rig) {
		c := r.liteConsumer("L", "A")
		r.sendLite("A", "1", "2", "3")
		got := r.receiveLite(c, time.Minute)
		require.Len(r, got, 3)
		begun := time.Now()
		require.NoError(r, c.ChangeInvisibleDuration(r.Context(), got[1], 2*time.Second))
		again := r.receiveLite(c, time.Minute)
		require.Equal(r, []string{"A/1", "A/2", "A/3"}, liteBodies(again))
		require.Equal(r, 2*time.Second, time.Since(begun).Round(100*time.Millisecond))
		require.NoError(r, again[0].Nack(r.Context(), 0))
		require.Len(r, r.receiveLite(c, time.Minute), 3)
	}, lite)
}

func TestLiteSimpleConsumer_MovesToTheDeadLetters(t *testing.T) {
	inBubble(t, func(r *rig) {
		c := r.liteConsumer("L", "A")
		r.sendLite("A", "1", "2", "3")
		got := r.receiveLite(c, time.Minute)
		require.NoError(r, c.Ack(r.Context(), got[0]))
		require.NoError(r, c.ForwardToDeadLetterQueue(r.Context(), got[1]))
		require.NoError(r, c.Ack(r.Context(), got[2]))
		require.Equal(r, []string{"2"}, r.stored("%DLQ%L"))
		time.Sleep(2 * time.Minute)
		require.Empty(r, r.receiveLite(c, time.Minute))
	}, lite)
}

func TestLiteSimpleConsumer_TakesFromAnotherOfAnExclusiveGroup(t *testing.T) {
	inBubble(t, func(r *rig) {
		lost := make(chan string, 2)
		first, err := r.client.NewLiteSimpleConsumer("alone", "parent", client.WithUnsubscribeNotice(func(name string) { lost <- name }))
		require.NoError(r, err)
		require.NoError(r, first.SubscribeLite(r.Context(), "A"))
		require.NoError(r, first.SubscribeLite(r.Context(), "B"))
		require.NoError(r, first.SubscribeLite(r.Context(), "A", client.MinOffset()))
		synctest.Wait()
		require.Empty(r, lost, "not from itself")

		second := r.liteConsumer("alone", "A")
		require.Equal(r, "A", <-lost)
		require.Equal(r, []string{"B"}, first.LiteTopics())
		time.Sleep(2 * time.Minute) // what first tells servers from time to time does not take it back
		r.sendLite("A", "1")
		require.Equal(r, []string{"A/1"}, liteBodies(r.receiveLite(second, time.Minute)))
		require.Empty(r, lost)
	}, lite)
}

// The server forgets consumers that it does not hear of for three minutes.
func TestLiteSimpleConsumer_IsNotForgotten(t *testing.T) {
	inBubble(t, func(r *rig) {
		c := r.liteConsumer("L", "A")
		time.Sleep(time.Hour)
		r.sendLite("A", "1")
		require.Equal(r, []string{"A/1"}, liteBodies(r.receiveLite(c, time.Minute)))
	}, lite)
}

func TestLiteSimpleConsumer_HandsBackWhatNobodyWaitsFor(t *testing.T) {
	inBubble(t, func(r *rig) {
		c := r.liteConsumer("L", "A")
		ctx, cancel := context.WithTimeout(r.Context(), time.Second)
		defer cancel()
		_, err := c.Receive(ctx, 32, time.Minute)
		require.ErrorIs(r, err, context.DeadlineExceeded)
		require.NoError(r, c.Close())
		_, err = c.Receive(r.Context(), 32, time.Minute)
		require.ErrorIs(r, err, client.ErrClosed)
	}, lite)
}

// Servers look for a message where the request says, so all requests name the lite topic; and since a lite
// topic has one lease, changes are always suspensions.
func TestLiteSimpleConsumer_NamesTheLiteTopicInAllRequests(t *testing.T) {
	onNetwork(t, one, func(n *network) {
		n.registers("a:8081")
		s := n.at("a:8081")
		var seen journal
		s.script(func() {
			s.receive = func(q *v2.ReceiveMessageRequest, stream grpc.ServerStreamingServer[v2.ReceiveMessageResponse]) error {
				seen.add("receive for %v, renewed %v", q.GetInvisibleDuration().AsDuration(), q.GetAutoRenew())
				return frames(nil, statusFrame(ok()), liteFrame("1", "A"), liteFrame("2", "B"), liteFrame("3", "A"))(q, stream)
			}
			s.ack = func(_ context.Context, q *v2.AckMessageRequest) (*v2.AckMessageResponse, error) {
				for _, e := range q.GetEntries() {
					seen.add("ack %s of %s", e.GetMessageId(), e.GetLiteTopic())
				}
				return &v2.AckMessageResponse{Status: ok()}, nil
			}
			s.change = func(_ context.Context, q *v2.ChangeInvisibleDurationRequest) (*v2.ChangeInvisibleDurationResponse, error) {
				seen.add("change %s of %s, suspended %v", q.GetMessageId(), q.GetLiteTopic(), q.GetSuspend())
				return &v2.ChangeInvisibleDurationResponse{Status: ok()}, nil
			}
			s.forward = func(_ context.Context, q *v2.ForwardMessageToDeadLetterQueueRequest) (*v2.ForwardMessageToDeadLetterQueueResponse, error) {
				seen.add("forward %s of %s", q.GetMessageId(), q.GetLiteTopic())
				return &v2.ForwardMessageToDeadLetterQueueResponse{Status: ok()}, nil
			}
		})
		c := n.liteConsumer()
		got, err := c.Receive(n.Context(), 32, time.Minute)
		require.NoError(n, err)
		require.NoError(n, got[0].Extend(n.Context(), time.Minute))
		require.NoError(n, c.Ack(n.Context(), got[0], got[1]))
		require.NoError(n, c.ForwardToDeadLetterQueue(n.Context(), got[2]))
		require.Equal(n, []string{
			"receive for 1m0s, renewed false", "change 1 of A, suspended true", "ack 1 of A", "ack 2 of B", "forward 3 of A",
		}, seen.all())
	})
}

// A consumer of the parent topic as a whole does not: the server would not find its messages there.
func TestSimpleConsumer_DoesNotNameALiteTopic(t *testing.T) {
	onNetwork(t, one, func(n *network) {
		s := n.at("a:8081")
		s.receive = frames(nil, statusFrame(ok()), liteFrame("1", "A"))
		s.ack = func(_ context.Context, q *v2.AckMessageRequest) (*v2.AckMessageResponse, error) {
			require.Nil(n, q.GetEntries()[0].LiteTopic)
			return &v2.AckMessageResponse{Status: ok()}, nil
		}
		c := n.consumer("parent")
		got, err := c.Receive(n.Context(), 1, time.Minute)
		require.NoError(n, err)
		require.Equal(n, "A", got[0].LiteTopic)
		require.NoError(n, c.Ack(n.Context(), got...))
	})
}

// A lite topic lives at one broker, so all of them are asked, each in its turn.
func TestLiteSimpleConsumer_AsksAllBrokers(t *testing.T) {
	onNetwork(t, two, func(n *network) {
		for _, address := range two {
			n.registers(address)
			s := n.at(address)
			s.script(func() { s.receive = frames(nil, statusFrame(ok()), liteFrame(address, "A")) })
		}
		c := n.liteConsumer()
		require.NoError(n, c.SubscribeLite(n.Context(), "A")) // by then both know the consumer
		asked := make(map[string]int)
		for range 4 {
			got, err := c.Receive(n.Context(), 32, time.Minute)
			require.NoError(n, err)
			asked[got[0].ID]++
			require.Equal(n, got[0].ID, got[0].Endpoint())
		}
		require.Equal(n, map[string]int{"a:8081": 2, "b:8081": 2}, asked)
	})
}

func TestNewLiteSimpleConsumer_RefusesWhatCannotBe(t *testing.T) {
	onNetwork(t, one, func(n *network) {
		_, err := n.client.NewLiteSimpleConsumer("", "a b", client.WithAwait(-1), client.WithReceiveRate(0))
		require.ErrorIs(n, err, client.ErrIllegalGroup)
		require.ErrorIs(n, err, client.ErrIllegalTopic)
		require.ErrorContains(n, err, "WithAwait")
		require.ErrorContains(n, err, "WithReceiveRate")
		require.NoError(n, n.client.Close())
		_, err = n.client.NewLiteSimpleConsumer("G", "parent")
		require.ErrorIs(n, err, client.ErrClosed)
	})
}

func liteFrame(id, liteTopic string) *v2.ReceiveMessageResponse {
	return messageFrame(id, func(m *v2.Message) {
		m.Topic.Name, m.SystemProperties.LiteTopic = "parent", &liteTopic
	})
}
