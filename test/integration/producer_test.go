package integration

import (
	"bytes"
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/client"
	"github.com/rocketflow-io/rocketflow/test/rocketmq/target"
)

func undecided(context.Context, *client.Message) client.Resolution { return client.ResolutionUnknown }

func TestDelay_ArrivesAtItsTimeAndNotBefore(t *testing.T) {
	g := target.New(t)
	topic, group := g.CreateTopic(t, "DELAY", 2), g.CreateGroup(t, false, 16)
	c := newClient(t, g)
	p, sc := newProducer(t, c), newConsumer(t, c, group, topic)
	for _, delay := range []time.Duration{-time.Second, 2500 * time.Millisecond} {
		due := time.Now().Add(delay)
		_, err := p.Send(limited(t), &client.Message{Topic: topic, Body: []byte("x"), DeliveryTime: due})
		require.NoError(t, err)
		d := receive(t, sc, 1)[0]
		require.True(t, time.Now().After(due))
		require.WithinDuration(t, due, d.DeliveryTime, time.Millisecond)
		require.NoError(t, sc.Ack(limited(t), d))
	}
}

func TestRecall_TakesADelayedMessageBackAndNoOther(t *testing.T) {
	g := target.New(t)
	topic, group := g.CreateTopic(t, "DELAY", 2), g.CreateGroup(t, false, 16)
	c := newClient(t, g)
	p, sc := newProducer(t, c), newConsumer(t, c, group, topic)
	due := time.Now().Add(4 * time.Second)
	var receipts []client.Receipt
	for _, body := range []string{"gone", "stays"} {
		r, err := p.Send(limited(t), &client.Message{Topic: topic, Body: []byte(body), DeliveryTime: due})
		require.NoError(t, err)
		receipts = append(receipts, r)
	}
	id, err := newProducer(t, c).Recall(limited(t), topic, receipts[0].RecallHandle)
	require.NoError(t, err)
	require.Equal(t, receipts[0].MessageID, id)
	got := receive(t, sc, 1)
	require.Equal(t, []string{"stays"}, bodies(got))
	require.NoError(t, sc.Ack(limited(t), got...))
	more, err := sc.Receive(limited(t), 1, invisible)
	require.NoError(t, err)
	require.Empty(t, more)

	_, err = p.Recall(limited(t), topic, receipts[1].RecallHandle)
	require.ErrorIs(t, err, client.ErrNotRecalled)
	_, err = p.Recall(limited(t), topic, "garbage")
	require.ErrorIs(t, err, client.ErrNotRecalled)
	_, err = p.Recall(limited(t), g.CreateTopic(t, "DELAY", 1), receipts[1].RecallHandle)
	require.ErrorIs(t, err, client.ErrNotRecalled)
}

func TestTransaction_IsDeliveredOnceItIsCommitted(t *testing.T) {
	g := target.New(t)
	topic, group := g.CreateTopic(t, "TRANSACTION", 2), g.CreateGroup(t, false, 16)
	c := newClient(t, g)
	p, sc := newProducer(t, c, client.WithTransactionChecker(undecided)), newConsumer(t, c, group, topic)
	begin := func(body string) (*client.Transaction, client.Receipt) {
		tx, err := p.BeginTransaction()
		require.NoError(t, err)
		r, err := tx.Send(limited(t), &client.Message{Topic: topic, Body: []byte(body)})
		require.NoError(t, err)
		return tx, r
	}
	good, receipt := begin("good")
	bad, _ := begin("bad")
	early, err := sc.Receive(limited(t), 1, invisible)
	require.NoError(t, err)
	require.Empty(t, early)
	require.NoError(t, good.Commit(limited(t)))
	require.NoError(t, bad.Rollback(limited(t)))
	require.ErrorIs(t, good.Commit(limited(t)), client.ErrTransactionEnded)
	got := receive(t, sc, 1)
	require.Equal(t, []string{"good"}, bodies(got))
	require.Equal(t, receipt.MessageID, got[0].ID)
	require.True(t, got[0].Transactional)
	require.NoError(t, sc.Ack(limited(t), got...))
}

func TestTransaction_IsDecidedByTheCheckerOfARunAfterIt(t *testing.T) {
	g := target.New(t)
	topic, group := g.CreateTopic(t, "TRANSACTION", 2), g.CreateGroup(t, false, 16)
	c := newClient(t, g)
	first := newProducer(t, c, client.WithTransactionChecker(undecided))
	for _, body := range []string{"commit", "rollback"} {
		tx, err := first.BeginTransaction()
		require.NoError(t, err)
		_, err = tx.Send(limited(t), &client.Message{Topic: topic, Body: []byte(body)})
		require.NoError(t, err)
	}
	require.NoError(t, first.Close())

	var rolledBack atomic.Int32
	newProducer(t, c, client.WithTopics(topic), client.WithTransactionChecker(
		func(_ context.Context, m *client.Message) client.Resolution {
			if string(m.Body) == "commit" {
				return client.ResolutionCommit
			}
			rolledBack.Add(1)
			return client.ResolutionRollback
		}))
	sc := newConsumer(t, c, group, topic)
	require.Equal(t, []string{"commit"}, bodies(receive(t, sc, 1)))
	require.Eventually(t, func() bool { return rolledBack.Load() > 0 }, patience, 50*time.Millisecond)
	more, err := sc.Receive(limited(t), 1, invisible)
	require.NoError(t, err)
	require.Empty(t, more)
}

func TestPriority_ArrivesHighestFirst(t *testing.T) {
	g := target.New(t)
	topic, group := g.CreateTopic(t, "PRIORITY", 4), g.CreateGroup(t, false, 16)
	c := newClient(t, g)
	p := newProducer(t, c)
	for _, level := range []int{0, 1, 2, 3} {
		_, err := p.Send(limited(t), &client.Message{Topic: topic, Body: []byte("x"), Priority: new(level)})
		require.NoError(t, err)
	}
	sc := newConsumer(t, c, group, topic)
	var levels []int
	for _, d := range receive(t, sc, 4) {
		require.NotNil(t, d.Priority)
		levels = append(levels, *d.Priority)
	}
	require.ElementsMatch(t, []int{0, 1, 2, 3}, levels)
	t.Log("levels in the order of arrival:", levels)
}

func TestCompression_ArrivesAsItWasGiven(t *testing.T) {
	g := target.New(t)
	topic, group := g.CreateTopic(t, "NORMAL", 2), g.CreateGroup(t, false, 16)
	c := newClient(t, g)
	body := bytes.Repeat([]byte("compressible "), 10_000)
	_, err := newProducer(t, c, client.WithCompression(client.DefaultCompression)).
		Send(limited(t), &client.Message{Topic: topic, Body: body})
	require.NoError(t, err)
	d := receive(t, newConsumer(t, c, group, topic), 1)[0]
	require.NoError(t, d.Err)
	require.Equal(t, body, d.Body)
}

// Of each type one message, to a topic of each other type.
func TestSend_RefusesATypeThatTheTopicDoesNotTake(t *testing.T) {
	g := target.New(t)
	c := newClient(t, g)
	p := newProducer(t, c)
	messages := map[string]client.Message{
		"NORMAL": {}, "FIFO": {MessageGroup: "g"}, "DELAY": {DeliveryTime: time.Now().Add(time.Hour)}, "PRIORITY": {Priority: new(0)},
	}
	for takes := range messages {
		topic := g.CreateTopic(t, takes, 1)
		for kind, m := range messages {
			m.Topic, m.Body = topic, []byte("x")
			_, err := p.Send(limited(t), &m)
			if kind == takes {
				require.NoError(t, err, kind)
				continue
			}
			require.ErrorIs(t, err, client.ErrMessageType, "%s to %s", kind, takes)
		}
	}
}
