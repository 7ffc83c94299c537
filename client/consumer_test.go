package client_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/broker"
	"github.com/rocketflow-io/rocketflow/client"
)

func TestReceive_ReturnsNoneWhenThereAreNone(t *testing.T) {
	inBubble(t, func(r *rig) {
		start := time.Now()
		got, err := r.consumer("G", "orders").Receive(r.Context(), 32, time.Minute)
		require.NoError(r, err)
		require.Empty(r, got)
		require.LessOrEqual(r, time.Since(start), client.DefaultAwait)
	})
}

func TestReceive_EndsAtOnceWithItsContext(t *testing.T) {
	inBubble(t, func(r *rig) {
		c := r.consumer("G", "orders")
		ctx, cancel := context.WithTimeout(r.Context(), 2*time.Second) // less than a server would poll for
		defer cancel()
		start := time.Now()
		_, err := c.Receive(ctx, 32, time.Minute)
		require.ErrorIs(r, err, context.DeadlineExceeded)
		require.Less(r, time.Since(start), 2100*time.Millisecond)
	})
}

func TestReceive_TakesTopicsInTurn(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.send("orders", "o1", "o2")
		r.send("bills", "b1", "b2")
		c := r.consumer("G", "orders", "bills")
		got := r.receive(c, 4)
		require.ElementsMatch(r, []string{"o1", "o2", "b1", "b2"}, bodies(got))
		require.NoError(r, c.Ack(r.Context(), got...))
	})
}

func TestReceive_FollowsItsSubscriptions(t *testing.T) {
	inBubble(t, func(r *rig) {
		p := r.producer()
		for _, tag := range []string{"a", "b", "c"} {
			_, err := p.Send(r.Context(), &client.Message{Topic: "orders", Tag: tag, Body: []byte(tag)})
			require.NoError(r, err)
		}
		c, err := r.client.NewSimpleConsumer("G", map[string]client.Filter{"orders": client.Tag("a || c")})
		require.NoError(r, err)
		require.ElementsMatch(r, []string{"a", "c"}, bodies(r.receive(c, 2)))
		c.Unsubscribe("orders")
		_, err = c.Receive(r.Context(), 1, time.Minute)
		require.ErrorContains(r, err, "subscriptions: there are none")
		require.NoError(r, c.Subscribe("bills", client.Filter{}))
		r.send("bills", "x")
		require.Equal(r, []string{"x"}, bodies(r.receive(c, 1)))
	})
}

func TestReceive_NamesTheThingAndTheRemedy(t *testing.T) {
	inBubble(t, func(r *rig) {
		_, err := r.consumer("G", "nowhere").Receive(r.Context(), 1, time.Minute)
		require.ErrorIs(r, err, client.ErrTopicNotFound)
		require.ErrorContains(r, err, `"nowhere"`)

		_, err = r.consumer("nobody", "orders").Receive(r.Context(), 1, time.Minute)
		require.ErrorIs(r, err, client.ErrGroupNotFound)
		require.ErrorContains(r, err, `"nobody"`)
		require.ErrorContains(r, err, "create the consumer group")

		_, err = r.consumer("G", "secret").Receive(r.Context(), 1, time.Minute)
		require.ErrorIs(r, err, client.ErrForbidden)

		c := r.consumer("G", "orders")
		_, err = c.Receive(r.Context(), 0, time.Minute)
		require.ErrorContains(r, err, "maxMessages")
		_, err = c.Receive(r.Context(), 1, 13*time.Hour)
		require.ErrorIs(r, err, client.ErrIllegalInvisibleDuration)
		_, err = c.Receive(r.Context(), 1, time.Second) // only the server knows that this is too short
		require.ErrorIs(r, err, client.ErrIllegalInvisibleDuration)
		var refused *client.StatusError
		require.ErrorAs(r, err, &refused)
		require.EqualValues(r, 40011, refused.Code)
		require.NotEmpty(r, refused.RequestID)
	})
}

func TestReceive_RecoversWhenTheGroupIsCreated(t *testing.T) {
	inBubble(t, func(r *rig) {
		c := r.consumer("later", "orders")
		_, err := c.Receive(r.Context(), 1, time.Minute)
		require.ErrorIs(r, err, client.ErrGroupNotFound)
		require.NoError(r, r.broker.CreateGroup(broker.Group{Name: "later"}))
		r.send("orders", "a")
		require.Len(r, r.receive(c, 1), 1)
	})
}

func TestAck_EndsRedelivery(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.send("orders", "a", "b")
		c := r.consumer("G", "orders")
		first := r.receive(c, 2)
		require.NoError(r, c.Ack(r.Context(), first[0], first[0]))
		require.NoError(r, c.Ack(r.Context(), first[0]), "twice is no error")
		require.ErrorIs(r, first[0].Nack(r.Context(), 0), client.ErrSettled)
		time.Sleep(2 * time.Minute)
		again := r.receive(c, 1)
		require.Equal(r, bodies(first[1:]), bodies(again))
		require.Equal(r, 2, again[0].Attempt)
		require.NoError(r, again[0].Ack(r.Context()))
	})
}

func TestAck_NamesWhatHasExpired(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.send("orders", "a", "b")
		c := r.consumer("G", "orders")
		late, err := c.Receive(r.Context(), 1, 10*time.Second)
		require.NoError(r, err)
		time.Sleep(11 * time.Second)
		fresh, err := c.Receive(r.Context(), 1, time.Minute)
		require.NoError(r, err)

		err = c.Ack(r.Context(), late[0], fresh[0])
		require.ErrorIs(r, err, client.ErrReceiptExpired)
		var failed *client.AckError
		require.ErrorAs(r, err, &failed)
		require.Len(r, failed.Failed, 1)
		require.Same(r, late[0], failed.Failed[0].Delivery)
		require.ErrorContains(r, err, "1 of 2 deliveries not acknowledged: message "+late[0].ID)

		err = late[0].Ack(r.Context())
		var refused *client.StatusError
		require.ErrorAs(r, err, &refused)
		require.EqualValues(r, 40013, refused.Code)
	})
}

func TestAck_RefusesWhatAnotherReceived(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.send("orders", "a")
		one, other := r.consumer("G", "orders"), r.consumer("G", "orders")
		got := r.receive(one, 1)
		require.ErrorContains(r, other.Ack(r.Context(), got[0]), "number 0 was not received by this consumer")
		require.ErrorContains(r, one.Ack(r.Context(), got[0], nil), "number 1")
		require.NoError(r, one.Ack(r.Context(), got[0]))
	})
}

func TestNack_BringsTheMessageBackAfterTheTime(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.send("orders", "a")
		c := r.consumer("G", "orders")
		first := r.receive(c, 1)[0]
		require.NoError(r, first.Nack(r.Context(), 5*time.Second))
		require.ErrorIs(r, first.Extend(r.Context(), time.Minute), client.ErrSettled)
		start := time.Now()
		second := r.receive(c, 1)[0]
		require.GreaterOrEqual(r, time.Since(start), 5*time.Second)
		require.Equal(r, 2, second.Attempt)
		require.NoError(r, second.Nack(r.Context(), 0, client.Suspend()))
		require.Equal(r, 2, r.receive(c, 1)[0].Attempt, "suspended, so not counted")
	})
}

func TestExtend_KeepsTheLeaseUnderANewReceipt(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.send("orders", "a")
		c := r.consumer("G", "orders")
		d := r.receive(c, 1)[0]
		time.Sleep(50 * time.Second)
		require.NoError(r, d.Extend(r.Context(), time.Hour))
		require.Equal(r, time.Now().Add(time.Hour), d.Expires())
		time.Sleep(50 * time.Minute)
		require.NoError(r, d.Ack(r.Context()))
		time.Sleep(time.Hour)
		got, err := c.Receive(r.Context(), 1, time.Minute)
		require.NoError(r, err)
		require.Empty(r, got)
	})
}

func TestForwardToDeadLetterQueue_MovesTheRightMessage(t *testing.T) {
	for name, extend := range map[string]bool{"as received": false, "after its lease was changed": true} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(r *rig) {
				r.send("orders", "a", "b", "c")
				c := r.consumer("G", "orders")
				d := r.receive(c, 3)[1]
				if extend {
					require.NoError(r, c.ChangeInvisibleDuration(r.Context(), d, time.Minute))
				}
				require.NoError(r, c.ForwardToDeadLetterQueue(r.Context(), d))
				require.Equal(r, []string{string(d.Body)}, r.stored("%DLQ%G"))
				require.ErrorIs(r, d.Ack(r.Context()), client.ErrSettled)
			})
		})
	}
}

func TestSettings_AreTheServersForTheGroup(t *testing.T) {
	inBubble(t, func(r *rig) {
		s, err := r.consumer("G", "orders").Settings(r.Context())
		require.NoError(r, err)
		require.False(r, s.FIFO)
		require.Equal(r, 17, s.MaxAttempts)
		require.Equal(r, 32, s.ReceiveBatchSize)
		require.Equal(r, 20*time.Second, s.LongPolling)
		require.Equal(r, 5*time.Second, s.Backoff.Delay(2))
		require.Equal(r, 2*time.Hour, s.Backoff.Delay(99))

		s, err = r.consumer("O", "steps").Settings(r.Context())
		require.NoError(r, err)
		require.True(r, s.FIFO)
	})
}

func TestNewSimpleConsumer_ReportsAllFaults(t *testing.T) {
	inBubble(t, func(r *rig) {
		_, err := r.client.NewSimpleConsumer("", map[string]client.Filter{"a b": client.SQL("")}, client.WithAwait(0))
		require.ErrorIs(r, err, client.ErrIllegalGroup)
		require.ErrorIs(r, err, client.ErrIllegalTopic)
		require.ErrorIs(r, err, client.ErrIllegalFilter)
		require.ErrorContains(r, err, "WithAwait")
	})
}
