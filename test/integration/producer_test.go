package integration

import (
	"bytes"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/client"
	"github.com/rocketflow-io/rocketflow/test/rocketmq/target"
)

// The words by which a refusal is recognized are the server's, so it is what must be asked.
func TestRecall_SaysWhyTheServerDoesNot(t *testing.T) {
	t.Parallel()
	g := target.New(t)
	topic, other, group := g.CreateTopic(t, "DELAY", 1), g.CreateTopic(t, "DELAY", 1), g.CreateGroup(t, false, 16)
	c := newClient(t, g)
	p := newProducer(t, c)
	r, err := p.Send(limited(t), &client.Message{Topic: topic, Body: []byte("x"), DeliveryTime: time.Now().Add(8 * time.Second)})
	require.NoError(t, err)
	refused := func(topic, handle, advice string) {
		t.Helper()
		_, err := p.Recall(limited(t), topic, handle)
		require.ErrorIs(t, err, client.ErrNotRecalled)
		require.ErrorContains(t, err, advice)
	}
	refused(other, r.RecallHandle, "name the topic that the message was sent to")
	refused(topic, "garbage", "use the handle of the receipt as it is")
	receive(t, newConsumer(t, c, group, topic), 1)
	refused(topic, r.RecallHandle, "it is due, or has been delivered")
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
	require.Equal(t, []int{3, 2, 1, 0}, levels)
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
