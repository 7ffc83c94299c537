package integration

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/client"
	"github.com/rocketflow-io/rocketflow/test/rocketmq/target"
)

// liteTarget is a server with a parent topic.
func liteTarget(t *testing.T) (g *target.Target, parent string) {
	t.Helper()
	g = target.New(t)
	if g.Mode() == target.Local {
		t.Skip("RocketMQ serves lite topics in CLUSTER mode alone: LOCAL answers subscriptions with an internal error")
	}
	return g, g.CreateTopic(t, "LITE", 4)
}

func sendLite(t *testing.T, p *client.Producer, parent, liteTopic string, bodies ...string) {
	t.Helper()
	for _, body := range bodies {
		_, err := p.Send(limited(t), &client.Message{Topic: parent, LiteTopic: liteTopic, Body: []byte(body)})
		require.NoError(t, err)
	}
}

func newLiteConsumer(
	t *testing.T, c *client.Client, group, parent string, opts ...client.LiteSimpleOption,
) *client.LiteSimpleConsumer {
	t.Helper()
	lc, err := c.NewLiteSimpleConsumer(group, parent, append(opts, client.WithAwait(5*time.Second))...)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, lc.Close()) })
	return lc
}

// receiveLite gathers deliveries until there are n.
func receiveLite(t *testing.T, lc *client.LiteSimpleConsumer, n int) []*client.Delivery {
	t.Helper()
	var got []*client.Delivery
	for len(got) < n {
		batch, err := lc.Receive(limited(t), 32, invisible)
		require.NoError(t, err)
		got = append(got, batch...)
	}
	return got
}

// ofLite returns the bodies of one lite topic.
func ofLite(liteTopic string, ds []*client.Delivery) []string {
	return bodies(slices.DeleteFunc(slices.Clone(ds), func(d *client.Delivery) bool { return d.LiteTopic != liteTopic }))
}

func TestLite_ASimpleConsumerReceivesEachLiteTopicInOrder(t *testing.T) {
	t.Parallel()
	g, parent := liteTarget(t)
	c := newClient(t, g)
	p := newProducer(t, c)
	lc := newLiteConsumer(t, c, g.CreateGroupLike(t, target.Group{RetryMaxTimes: 3, Lite: &target.Lite{Parent: parent}}), parent)
	sendLite(t, p, parent, "early", "1", "2")
	for _, name := range []string{"early", "late"} {
		require.NoError(t, lc.SubscribeLite(limited(t), name))
	}
	sendLite(t, p, parent, "late", "1", "2", "3")
	sendLite(t, p, parent, "other", "1")
	got := receiveLite(t, lc, 5)
	require.Equal(t, []string{"1", "2"}, ofLite("early", got))
	require.Equal(t, []string{"1", "2", "3"}, ofLite("late", got))
	require.NoError(t, lc.Ack(limited(t), got...))

	// Held up by one that is not settled, released as a whole.
	sendLite(t, p, parent, "late", "4", "5")
	held := receiveLite(t, lc, 1)
	for len(held) < 2 {
		t.Log("4 came alone") // it was asked for before 5 was there
		require.NoError(t, held[0].Nack(limited(t), 0))
		held = receiveLite(t, lc, 1)
	}
	sendLite(t, p, parent, "late", "6")
	sendLite(t, p, parent, "early", "3")
	require.Equal(t, []string{"3"}, bodies(receiveLite(t, lc, 1)))
	begun := time.Now()
	require.NoError(t, lc.ChangeInvisibleDuration(limited(t), held[1], 2*time.Second))
	require.Equal(t, []string{"4", "5", "6"}, bodies(receiveLite(t, lc, 3)))
	require.Greater(t, time.Since(begun), time.Second)
}

func TestLite_AConsumerBeginsWhereItIsTold(t *testing.T) {
	g, parent := liteTarget(t)
	c := newClient(t, g)
	sendLite(t, newProducer(t, c), parent, "A", "1", "2", "3")
	group := g.CreateGroupLike(t, target.Group{RetryMaxTimes: 3, Lite: &target.Lite{Parent: parent}})
	for _, begin := range []struct {
		option client.LiteOption
		want   []string
	}{
		{client.Offset(2), []string{"3"}},
		{client.MinOffset(), []string{"1", "2", "3"}},
		{client.TailN(2), []string{"2", "3"}}, // of where the group is: at the end, by now
	} {
		lc := newLiteConsumer(t, c, group, parent)
		require.NoError(t, lc.SubscribeLite(limited(t), "A", begin.option))
		got := receiveLite(t, lc, len(begin.want))
		require.Equal(t, begin.want, bodies(got))
		require.NoError(t, lc.Ack(limited(t), got...))
		require.NoError(t, lc.Close())
	}
}

func TestLite_AnExclusiveGroupGivesALiteTopicToTheLastThatSubscribes(t *testing.T) {
	g, parent := liteTarget(t)
	c := newClient(t, g)
	group := g.CreateGroupLike(t, target.Group{RetryMaxTimes: 3, Lite: &target.Lite{Parent: parent, Exclusive: true}})
	lost := make(chan string, 10)
	first := newLiteConsumer(t, c, group, parent, client.WithUnsubscribeNotice(func(name string) { lost <- name }))
	for _, name := range []string{"A", "B"} {
		require.NoError(t, first.SubscribeLite(limited(t), name))
	}
	require.NoError(t, first.SubscribeLite(limited(t), "B", client.MinOffset())) // takes it from nobody
	second := newLiteConsumer(t, c, group, parent)
	require.NoError(t, second.SubscribeLite(limited(t), "A"))
	select {
	case name := <-lost:
		require.Equal(t, "A", name)
	case <-limited(t).Done():
		t.Fatal("nobody was told")
	}
	require.Equal(t, []string{"B"}, first.LiteTopics())
	sendLite(t, newProducer(t, c), parent, "A", "1")
	require.Equal(t, []string{"1"}, bodies(receiveLite(t, second, 1)))
	require.Empty(t, lost)
}

func TestLite_APushConsumerConsumesEachLiteTopicInOrder(t *testing.T) {
	t.Parallel()
	const liteTopics, messages = 5, 20
	g, parent := liteTarget(t)
	c := newClient(t, g)
	var mu sync.Mutex
	seen := make(map[string][]string)
	total := 0
	done := make(chan struct{})
	suspended := false
	lp, err := c.NewLitePushConsumer(
		g.CreateGroupLike(t, target.Group{RetryMaxTimes: 3, Lite: &target.Lite{Parent: parent}}), parent,
		func(_ context.Context, m *client.Message) error {
			mu.Lock()
			defer mu.Unlock()
			if m.LiteTopic == "L1" && string(m.Body) == "7" && !suspended {
				suspended = true
				return client.SuspendFor(time.Second)
			}
			if m.LiteTopic == "L2" && string(m.Body) == "5" && m.Attempt == 1 {
				return errors.New("not at first")
			}
			seen[m.LiteTopic] = append(seen[m.LiteTopic], string(m.Body))
			if total++; total == liteTopics*messages {
				close(done)
			}
			return nil
		})
	require.NoError(t, err)
	ended := make(chan error, 1)
	go func() { ended <- lp.Run(t.Context()) }()
	p := newProducer(t, c)
	var want []string
	for i := range messages {
		want = append(want, fmt.Sprint(i))
	}
	for i := range liteTopics {
		name := fmt.Sprint("L", i)
		require.NoError(t, lp.SubscribeLite(limited(t), name))
		sendLite(t, p, parent, name, want...)
	}
	select {
	case <-done:
	case <-limited(t).Done():
		t.Fatal("not all were consumed")
	}
	require.NoError(t, lp.Close())
	require.NoError(t, <-ended)
	for i := range liteTopics {
		require.Equal(t, want, seen[fmt.Sprint("L", i)])
	}
}

func TestLite_APushConsumerMovesWhatItCannotConsumeToTheDeadLetters(t *testing.T) {
	t.Parallel()
	g, parent := liteTarget(t)
	c := newClient(t, g)
	group := g.CreateGroupLike(t, target.Group{RetryMaxTimes: 1, Lite: &target.Lite{Parent: parent}})
	var mu sync.Mutex
	var seen []string
	done := make(chan struct{})
	lp, err := c.NewLitePushConsumer(group, parent, func(_ context.Context, m *client.Message) error {
		mu.Lock()
		defer mu.Unlock()
		seen = append(seen, fmt.Sprintf("%s, attempt %d", m.Body, m.Attempt))
		switch string(m.Body) {
		case "poison":
			return errors.New("cannot be consumed")
		case "last":
			close(done)
		}
		return nil
	})
	require.NoError(t, err)
	require.NoError(t, lp.SubscribeLite(limited(t), "A"))
	ended := make(chan error, 1)
	go func() { ended <- lp.Run(t.Context()) }()
	sendLite(t, newProducer(t, c), parent, "A", "first", "poison", "last")
	select {
	case <-done:
	case <-limited(t).Done():
		t.Fatal("the last was not consumed")
	}
	require.NoError(t, lp.Close())
	require.NoError(t, <-ended)
	require.Equal(t, []string{"first, attempt 1", "poison, attempt 1", "poison, attempt 2", "last, attempt 1"}, seen)
	require.Eventually(t, func() bool {
		stored, err := g.Stored(limited(t), "%DLQ%"+group)
		return err == nil && stored == 1
	}, patience, 100*time.Millisecond)
}

func TestLite_SubscriptionsAreRefused(t *testing.T) {
	g, parent := liteTarget(t)
	c := newClient(t, g)
	group := g.CreateGroupLike(t, target.Group{RetryMaxTimes: 3, Lite: &target.Lite{Parent: parent, Quota: 2}})
	ordinary := g.CreateGroup(t, false, 3)
	lc := newLiteConsumer(t, c, group, parent)
	for _, name := range []string{"A", "B"} {
		require.NoError(t, lc.SubscribeLite(limited(t), name))
	}
	require.ErrorIs(t, lc.SubscribeLite(limited(t), "C"), client.ErrQuota)
	require.Error(t, newLiteConsumer(t, c, ordinary, parent).SubscribeLite(limited(t), "A"), "not a group of lite topics")
	require.Error(t, newLiteConsumer(t, c, group, g.CreateTopic(t, "LITE", 1)).SubscribeLite(limited(t), "A"), "bound to another")
}
