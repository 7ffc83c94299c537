package client_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/broker"
	"github.com/rocketflow-io/rocketflow/client"
)

// allTypes is a topic of each type, at a server that recalls.
func allTypes(o *broker.Options) {
	o.Recall = true
	o.Topics = append(o.Topics,
		broker.Topic{Name: "reminders", Queues: 2, Type: broker.Delay},
		broker.Topic{Name: "transfers", Queues: 2, Type: broker.Transaction},
		broker.Topic{Name: "alarms", Queues: 4, Type: broker.Priority},
		broker.Topic{Name: "chats", Queues: 2, Type: broker.Lite})
}

func (r *rig) begin(p *client.Producer, opts ...client.TransactionOption) *client.Transaction {
	r.Helper()
	tx, err := p.BeginTransaction(opts...)
	require.NoError(r, err)
	return tx
}

// nothing polls for d and finds nothing.
func (r *rig) nothing(c *client.SimpleConsumer, d time.Duration) {
	r.Helper()
	for end := time.Now().Add(d); time.Now().Before(end); {
		got, err := c.Receive(r.Context(), 32, time.Minute)
		require.NoError(r, err)
		require.Empty(r, got)
	}
}

func TestDelay_ArrivesAtItsTimeAndNotBefore(t *testing.T) {
	inBubble(t, func(r *rig) {
		p, c := r.producer(), r.consumer("G", "reminders")
		for _, delay := range []time.Duration{-time.Hour, 700 * time.Millisecond, time.Minute, 10 * time.Minute} {
			due := time.Now().Add(delay)
			receipt, err := p.Send(r.Context(), &client.Message{Topic: "reminders", Body: []byte("x"), DeliveryTime: due})
			require.NoError(r, err)
			require.Equal(r, delay <= 0, receipt.RecallHandle == "", "what is due at once cannot be recalled")
			var got []*client.Delivery
			for len(got) == 0 {
				got, err = c.Receive(r.Context(), 1, time.Minute)
				require.NoError(r, err)
			}
			late := time.Since(due)
			require.GreaterOrEqual(r, late, time.Duration(0), delay)
			if delay > 0 {
				require.Less(r, late, 1200*time.Millisecond, delay)
				require.True(r, due.Truncate(time.Millisecond).Equal(got[0].DeliveryTime))
			}
			require.NoError(r, c.Ack(r.Context(), got...))
		}
	}, allTypes)
}

func TestPriority_ArrivesHighestFirst(t *testing.T) {
	inBubble(t, func(r *rig) {
		p := r.producer()
		for _, level := range []int{0, 3, 1, 2} {
			_, err := p.Send(r.Context(), &client.Message{Topic: "alarms", Body: []byte("x"), Priority: new(level)})
			require.NoError(r, err)
		}
		var levels []int
		for _, d := range r.receive(r.consumer("G", "alarms"), 4) {
			levels = append(levels, *d.Priority)
		}
		require.Equal(r, []int{3, 2, 1, 0}, levels)
	}, allTypes)
}

func TestRecall_TakesAMessageBackAndNoOther(t *testing.T) {
	inBubble(t, func(r *rig) {
		p, c := r.producer(), r.consumer("G", "reminders")
		send := func(body string) client.Receipt {
			m := &client.Message{Topic: "reminders", Body: []byte(body), DeliveryTime: time.Now().Add(time.Minute)}
			receipt, err := p.Send(r.Context(), m)
			require.NoError(r, err)
			return receipt
		}
		gone := send("gone")
		send("stays")
		id, err := r.producer().Recall(r.Context(), "reminders", gone.RecallHandle)
		require.NoError(r, err)
		require.Equal(r, gone.MessageID, id)
		_, err = p.Recall(r.Context(), "reminders", gone.RecallHandle)
		require.NoError(r, err, "again does no harm")
		r.nothing(c, 50*time.Second)
		require.Equal(r, []string{"stays"}, bodies(r.receive(c, 1)))
		r.nothing(c, 50*time.Second)
		_, err = p.Recall(r.Context(), "reminders", gone.RecallHandle)
		require.ErrorIs(r, err, client.ErrNotRecalled)
		require.ErrorContains(r, err, "it is due, or has been delivered")
		_, err = p.Recall(r.Context(), "reminders", "garbage")
		require.ErrorIs(r, err, client.ErrNotRecalled)
	}, allTypes)
	inBubble(t, func(r *rig) {
		p := r.producer()
		receipt, err := p.Send(r.Context(), &client.Message{Topic: "reminders", Body: []byte("x"), DeliveryTime: time.Now().Add(time.Minute)})
		require.NoError(r, err)
		_, err = p.Recall(r.Context(), "reminders", receipt.RecallHandle)
		require.ErrorContains(r, err, "set recallMessageEnable")
	}, allTypes, func(o *broker.Options) { o.Recall = false })
}

func TestTransaction_IsDeliveredOnceItIsCommitted(t *testing.T) {
	inBubble(t, func(r *rig) {
		p, c := r.producer(client.WithTransactionChecker(undecided)), r.consumer("G", "transfers")
		good, bad := r.begin(p), r.begin(p)
		receipt, err := good.Send(r.Context(), message("transfers", "good"))
		require.NoError(r, err)
		_, err = bad.Send(r.Context(), message("transfers", "bad"))
		require.NoError(r, err)
		r.nothing(c, 5*time.Second)
		require.NoError(r, good.Commit(r.Context()))
		require.NoError(r, bad.Rollback(r.Context()))
		got := r.receive(c, 1)
		require.Equal(r, []string{"good"}, bodies(got))
		require.Equal(r, receipt.MessageID, got[0].ID)
		require.True(r, got[0].Transactional)
		require.NoError(r, c.Ack(r.Context(), got...))
		r.nothing(c, time.Minute)
	}, allTypes)
}

func TestTransaction_IsDecidedByTheCheckerOfARunAfterIt(t *testing.T) {
	inBubble(t, func(r *rig) {
		first := r.producer(client.WithTransactionChecker(undecided))
		for _, body := range []string{"commit", "rollback", "unknown"} {
			tx := r.begin(first)
			_, err := tx.Send(r.Context(), message("transfers", body))
			require.NoError(r, err)
		}
		require.NoError(r, first.Close())

		var mu sync.Mutex
		asked := make(map[string]int)
		check := func(_ context.Context, m *client.Message) client.Resolution {
			mu.Lock()
			defer mu.Unlock()
			asked[string(m.Body)]++
			switch string(m.Body) {
			case "commit":
				return client.ResolutionCommit
			case "rollback":
				return client.ResolutionRollback
			}
			return client.ResolutionUnknown
		}
		c := r.consumer("G", "transfers")
		second := r.producer(client.WithTopics("transfers"), client.WithTransactionChecker(check))
		time.Sleep(100 * time.Second)
		synctest.Wait()
		require.Equal(r, []string{"commit"}, bodies(r.receive(c, 1)))
		require.NoError(r, second.Close())
		require.Equal(r, 1, asked["commit"])
		require.Equal(r, 1, asked["rollback"])
		require.Equal(r, 3, asked["unknown"])
	}, allTypes)
}

func TestTransaction_CannotBeEndedOnceTheServerHasForgottenIt(t *testing.T) {
	inBubble(t, func(r *rig) {
		p := r.producer(client.WithTransactionChecker(undecided))
		time.Sleep(25 * time.Second) // the first round of checks then comes too early, the next too late
		tx := r.begin(p)
		_, err := tx.Send(r.Context(), message("transfers", "x"))
		require.NoError(r, err)
		time.Sleep(31 * time.Second)
		require.ErrorIs(r, tx.Commit(r.Context()), client.ErrTransactionExpired)
		time.Sleep(5 * time.Second)
		require.NoError(r, tx.Commit(r.Context()), "the check has brought it back to mind")
		require.Len(r, r.receive(r.consumer("G", "transfers"), 1), 1)
	}, allTypes)
}

func TestSend_OfATypeThatTheTopicDoesNotTake(t *testing.T) {
	inBubble(t, func(r *rig) {
		p := r.producer(client.WithTransactionChecker(undecided))
		for topic, m := range map[string]*client.Message{
			"reminders": {}, "orders": {Priority: new(1)}, "bills": {LiteTopic: "l"},
			"steps": {DeliveryTime: time.Now()}, "chats": {MessageGroup: "g"}, "transfers": {}, "alarms": {},
		} {
			m.Topic, m.Body = topic, []byte("x")
			_, err := p.Send(r.Context(), m)
			require.ErrorIs(r, err, client.ErrMessageType, topic)
		}
		_, err := r.begin(p).Send(r.Context(), message("orders", "x"))
		require.ErrorIs(r, err, client.ErrMessageType)
		_, err = p.Send(r.Context(), &client.Message{Topic: "chats", Body: []byte("x"), LiteTopic: "room-1"})
		require.NoError(r, err)
	}, allTypes)
}
