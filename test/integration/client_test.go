package integration

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/client"
	"github.com/rocketflow-io/rocketflow/test/rocketmq/target"
)

func TestSend_DeliversEveryFieldUnchanged(t *testing.T) {
	g := target.New(t)
	topic, group := g.CreateTopic(t, "NORMAL", 4), g.CreateGroup(t, false, 16)
	c := newClient(t, g)
	sent := &client.Message{
		Topic: topic, Body: []byte("body"), Tag: "blue", Keys: []string{"k1", "k2"},
		Properties: map[string]string{"colour": "dark blue"},
	}
	receipt, err := newProducer(t, c).Send(limited(t), sent)
	require.NoError(t, err)

	sc := newConsumer(t, c, group, topic)
	d := receive(t, sc, 1)[0]
	require.Equal(t, receipt.MessageID, d.ID)
	require.Equal(t, topic, d.Topic)
	require.Equal(t, "body", string(d.Body))
	require.Equal(t, "blue", d.Tag)
	require.Equal(t, []string{"k1", "k2"}, d.Keys)
	require.Equal(t, "dark blue", d.Properties["colour"])
	require.Equal(t, 1, d.Attempt)
	require.NoError(t, d.Err)
	require.WithinDuration(t, time.Now(), d.BornTime, patience)
	require.NoError(t, sc.Ack(limited(t), d))
}

func TestAck_TakesManyAtOnceAndEmptiesTheBacklog(t *testing.T) {
	g := target.New(t)
	topic, group := g.CreateTopic(t, "NORMAL", 4), g.CreateGroup(t, false, 16)
	c := newClient(t, g)
	p := newProducer(t, c)
	sc := newConsumer(t, c, group, topic)
	want := make([]string, 100)
	for i := range want {
		want[i] = fmt.Sprint("m", i)
		_, err := p.Send(limited(t), &client.Message{Topic: topic, Body: []byte(want[i])})
		require.NoError(t, err)
	}
	got := receive(t, sc, len(want))
	require.ElementsMatch(t, want, bodies(got))
	require.NoError(t, sc.Ack(limited(t), got...))
	require.Eventually(t, func() bool {
		n, err := g.Backlog(t.Context(), group, topic)
		return err == nil && n == 0
	}, patience, 50*time.Millisecond)
}

func TestSendBatch_GivesEachMessageItsOwnReceipt(t *testing.T) {
	g := target.New(t)
	topic, group := g.CreateTopic(t, "NORMAL", 4), g.CreateGroup(t, false, 16)
	c := newClient(t, g)
	batch := make([]*client.Message, 50)
	for i := range batch {
		batch[i] = &client.Message{Topic: topic, Body: fmt.Append(nil, i)}
	}
	receipts, err := newProducer(t, c).SendBatch(limited(t), batch)
	require.NoError(t, err)
	require.Len(t, receipts, len(batch))

	sc := newConsumer(t, c, group, topic)
	got := receive(t, sc, len(batch))
	ids := make(map[string]string)
	for _, d := range got {
		ids[d.ID] = string(d.Body)
	}
	for i, r := range receipts {
		require.Equal(t, fmt.Sprint(i), ids[r.MessageID])
	}
	require.NoError(t, sc.Ack(limited(t), got...))
}

func TestSendAsync_CallsBackForEachMessage(t *testing.T) {
	g := target.New(t)
	topic, group := g.CreateTopic(t, "NORMAL", 4), g.CreateGroup(t, false, 16)
	c := newClient(t, g)
	p := newProducer(t, c, client.WithWindow(16))
	var mu sync.Mutex
	ids := make(map[string]bool)
	for i := range 200 {
		p.SendAsync(limited(t), &client.Message{Topic: topic, Body: fmt.Append(nil, i)}, func(r client.Receipt, err error) {
			mu.Lock()
			defer mu.Unlock()
			ids[r.MessageID] = err == nil
		})
	}
	require.NoError(t, p.Flush(limited(t)))
	mu.Lock()
	require.Len(t, ids, 200)
	require.NotContains(t, ids, "")
	mu.Unlock()
	sc := newConsumer(t, c, group, topic)
	require.NoError(t, sc.Ack(limited(t), receive(t, sc, 200)...))
}

func TestNack_BringsTheMessageBackWithTheNextAttempt(t *testing.T) {
	t.Parallel()
	g := target.New(t)
	topic, group := g.CreateTopic(t, "NORMAL", 1), g.CreateGroup(t, false, 16)
	c := newClient(t, g)
	_, err := newProducer(t, c).Send(limited(t), &client.Message{Topic: topic, Body: []byte("again")})
	require.NoError(t, err)
	sc := newConsumer(t, c, group, topic)

	first := receive(t, sc, 1)[0]
	require.NoError(t, first.Nack(limited(t), 0))
	second := receive(t, sc, 1)[0]
	require.Equal(t, first.ID, second.ID)
	require.Equal(t, 2, second.Attempt)

	require.NoError(t, second.Nack(limited(t), 0, client.Suspend()))
	third := receive(t, sc, 1)[0]
	require.Equal(t, 2, third.Attempt, "a suspended delivery counts as no attempt")
	require.NoError(t, third.Ack(limited(t)))
}

func TestForwardToDeadLetterQueue_MovesTheMessage(t *testing.T) {
	g := target.New(t)
	topic, group := g.CreateTopic(t, "NORMAL", 1), g.CreateGroup(t, false, 16)
	c := newClient(t, g)
	_, err := newProducer(t, c).Send(limited(t), &client.Message{Topic: topic, Body: []byte("poison"), Keys: []string{"k"}})
	require.NoError(t, err)
	sc := newConsumer(t, c, group, topic)
	d := receive(t, sc, 1)[0]
	require.NoError(t, sc.ForwardToDeadLetterQueue(limited(t), d))

	dead := newConsumer(t, c, g.CreateGroup(t, false, 16), "%DLQ%"+group)
	buried := receive(t, dead, 1)[0]
	require.Equal(t, "poison", string(buried.Body))
	require.Equal(t, []string{"k"}, buried.Keys)
	require.NoError(t, buried.Ack(limited(t)))
}

func TestFIFO_KeepsTheOrderOfAMessageGroup(t *testing.T) {
	g := target.New(t)
	topic, group := g.CreateTopic(t, "FIFO", 4), g.CreateGroup(t, true, 16)
	c := newClient(t, g)
	p := newProducer(t, c)
	want := make(map[string][]string)
	for i := range 30 {
		key := fmt.Sprint("g", i%3)
		want[key] = append(want[key], fmt.Sprint(i))
		_, err := p.Send(limited(t), &client.Message{Topic: topic, Body: fmt.Append(nil, i), MessageGroup: key})
		require.NoError(t, err)
	}
	sc := newConsumer(t, c, group, topic)
	settings, err := sc.Settings(limited(t))
	require.NoError(t, err)
	require.True(t, settings.FIFO)
	require.Equal(t, 17, settings.MaxAttempts)
	got := make(map[string][]string)
	for n := 0; n < 30; {
		ds := receive(t, sc, 1)
		for _, d := range ds {
			got[d.MessageGroup] = append(got[d.MessageGroup], string(d.Body))
		}
		require.NoError(t, sc.Ack(limited(t), ds...))
		n += len(ds)
	}
	require.Equal(t, want, got)
}

func TestReceive_FiltersByTag(t *testing.T) {
	g := target.New(t)
	topic, group := g.CreateTopic(t, "NORMAL", 1), g.CreateGroup(t, false, 16)
	c := newClient(t, g)
	p := newProducer(t, c)
	for _, tag := range []string{"a", "b", "c", "a"} {
		_, err := p.Send(limited(t), &client.Message{Topic: topic, Body: []byte(tag), Tag: tag})
		require.NoError(t, err)
	}
	sc, err := c.NewSimpleConsumer(group, map[string]client.Filter{topic: client.Tag("a || c")})
	require.NoError(t, err)
	defer func() { require.NoError(t, sc.Close()) }()
	got := receive(t, sc, 3)
	require.ElementsMatch(t, []string{"a", "a", "c"}, bodies(got))
	require.NoError(t, sc.Ack(limited(t), got...))
}

func TestReceive_GivesNothingWhenThereIsNothing(t *testing.T) {
	t.Parallel()
	g := target.New(t)
	sc := newConsumer(t, newClient(t, g), g.CreateGroup(t, false, 16), g.CreateTopic(t, "NORMAL", 1))
	got, err := sc.Receive(limited(t), 32, invisible)
	require.NoError(t, err)
	require.Empty(t, got)
}

func TestReceive_EndsWithItsContext(t *testing.T) {
	g := target.New(t)
	sc := newConsumer(t, newClient(t, g), g.CreateGroup(t, false, 16), g.CreateTopic(t, "NORMAL", 1))
	ctx, cancel := context.WithCancelCause(t.Context())
	stopped := errors.New("stopped")
	time.AfterFunc(100*time.Millisecond, func() { cancel(stopped) })
	_, err := sc.Receive(ctx, 32, invisible)
	require.ErrorIs(t, err, stopped)
}

func TestErrors_NameWhatIsWrong(t *testing.T) {
	g := target.New(t)
	topic := g.CreateTopic(t, "NORMAL", 1)
	c := newClient(t, g)
	p := newProducer(t, c)

	_, err := p.Send(limited(t), &client.Message{Topic: "no-such-topic", Body: []byte("x")})
	require.ErrorIs(t, err, client.ErrTopicNotFound)
	require.ErrorContains(t, err, "no-such-topic")
	var status *client.StatusError
	require.ErrorAs(t, err, &status)
	require.NotEmpty(t, status.RequestID)

	_, err = p.Send(limited(t), &client.Message{Topic: topic, Body: []byte(strings.Repeat("x", 4<<20+1))})
	require.ErrorIs(t, err, client.ErrBodyTooLarge)

	_, err = p.Send(limited(t), &client.Message{Topic: topic, Body: []byte("x"), MessageGroup: "g"})
	require.ErrorIs(t, err, client.ErrMessageType)
}

func TestReceive_NamesAGroupThatDoesNotExist(t *testing.T) {
	g := target.New(t)
	if g.Mode() == target.Cluster {
		t.Skip("in CLUSTER mode the server creates a group that it does not know")
	}
	topic := g.CreateTopic(t, "NORMAL", 1)
	sc := newConsumer(t, newClient(t, g), "no-such-group", topic)
	_, err := sc.Receive(limited(t), 1, invisible)
	require.ErrorIs(t, err, client.ErrGroupNotFound)
	require.ErrorContains(t, err, "no-such-group")
}

func TestSend_FailsWhereNobodyListens(t *testing.T) {
	c, err := client.New("127.0.0.1:1", client.WithPlaintext())
	require.NoError(t, err)
	defer func() { require.NoError(t, c.Close()) }()
	p := newProducer(t, c)
	_, err = p.Send(limited(t), &client.Message{Topic: "t", Body: []byte("x")})
	require.ErrorIs(t, err, client.ErrUnavailable)
	require.ErrorContains(t, err, "127.0.0.1:1")
}
