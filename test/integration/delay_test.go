package integration

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/client"
	"github.com/rocketflow-io/rocketflow/test/rocketmq/target"
)

func TestDelay_DeliversNothingBeforeItsTime(t *testing.T) {
	t.Parallel()
	g := target.New(t)
	topic, group := g.CreateTopic(t, "DELAY", 2), g.CreateGroup(t, false, 16)
	c := newClient(t, g)
	p, sc := newProducer(t, c), newConsumer(t, c, group, topic)
	due := make(map[string]time.Time)
	for name, after := range map[string]time.Duration{"soon": 1500 * time.Millisecond, "later": 3 * time.Second, "past": -time.Hour} {
		due[name] = time.Now().Add(after)
		receipt, err := p.Send(limited(t), &client.Message{Topic: topic, Body: []byte(name), DeliveryTime: due[name]})
		require.NoError(t, err)
		require.Equal(t, after > 0, receipt.RecallHandle != "", "what is due at once cannot be recalled")
	}
	for range due {
		d := receive(t, sc, 1)[0]
		require.False(t, time.Now().Before(due[string(d.Body)]), "%s came too early", d.Body)
		require.WithinDuration(t, due[string(d.Body)], d.DeliveryTime, time.Millisecond)
		require.NoError(t, d.Ack(limited(t)))
	}
}

func TestRecall_TakesBackWhatIsNotDue(t *testing.T) {
	t.Parallel()
	g := target.New(t)
	topic, group := g.CreateTopic(t, "DELAY", 1), g.CreateGroup(t, false, 16)
	c := newClient(t, g)
	p, sc := newProducer(t, c), newConsumer(t, c, group, topic)
	delayed := func(body string) client.Receipt {
		r, err := p.Send(limited(t), &client.Message{Topic: topic, Body: []byte(body), DeliveryTime: time.Now().Add(4 * time.Second)})
		require.NoError(t, err)
		return r
	}
	taken, kept := delayed("taken back"), delayed("kept")
	id, err := newProducer(t, c).Recall(limited(t), topic, taken.RecallHandle) // by another producer
	require.NoError(t, err)
	require.Equal(t, taken.MessageID, id)

	d := receive(t, sc, 1)[0]
	require.Equal(t, kept.MessageID, d.ID)
	require.NoError(t, d.Ack(limited(t)))
	left, err := sc.Receive(limited(t), 32, invisible)
	require.NoError(t, err)
	require.Empty(t, bodies(left))

	_, err = p.Recall(limited(t), topic, kept.RecallHandle)
	require.ErrorIs(t, err, client.ErrNotRecalled, "it is due")
	_, err = p.Recall(limited(t), topic, "not a handle")
	require.ErrorIs(t, err, client.ErrNotRecalled)
}
