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

// A record is what a handler has seen, and what of it succeeded.
type record struct {
	mu        sync.Mutex
	calls     map[string]int      // by body
	succeeded map[string][]string // bodies by message group, in the order of their first success
	fails     func(body string, call int) bool
}

// newRecord is a handler that fails as it is told; calls of a body count from 1.
func newRecord(fails func(body string, call int) bool) *record {
	return &record{calls: make(map[string]int), succeeded: make(map[string][]string), fails: fails}
}

func (r *record) handle(_ context.Context, m *client.Message) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	body := string(m.Body)
	r.calls[body]++
	if r.fails(body, r.calls[body]) {
		return errors.New("not yet")
	}
	if !slices.Contains(r.succeeded[m.MessageGroup], body) {
		r.succeeded[m.MessageGroup] = append(r.succeeded[m.MessageGroup], body)
	}
	return nil
}

// of returns what has succeeded of a message group.
func (r *record) of(group string) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.succeeded[group])
}

// quick is a retry policy that takes no time.
func quick() *target.Exponential {
	return &target.Exponential{Initial: 200 * time.Millisecond, Max: 200 * time.Millisecond, Multiplier: 1}
}

// sendNumbers sends messages from 0 up, to the message groups in turn, if there are any.
func sendNumbers(t *testing.T, c *client.Client, topic string, n int, groups ...string) {
	t.Helper()
	p := newProducer(t, c)
	for i := range n {
		m := &client.Message{Topic: topic, Body: fmt.Append(nil, i)}
		if len(groups) > 0 {
			m.MessageGroup = groups[i%len(groups)]
		}
		_, err := p.Send(limited(t), m)
		require.NoError(t, err)
	}
}

func TestPushConsumer_EveryMessageEndsConsumedOrWithTheDeadLetters(t *testing.T) {
	const n = 50
	t.Parallel() // for what redeliveries take on the real server
	g := target.New(t)
	topic := g.CreateTopic(t, "NORMAL", 4)
	group := g.CreateGroupLike(t, target.Group{RetryMaxTimes: 2, Retry: quick()})
	c := newClient(t, g)
	sendNumbers(t, c, topic, n)

	r := newRecord(func(body string, call int) bool {
		last := body[len(body)-1]
		return last == '0' || last == '1' && call == 1
	})
	push(t, c, group, topic, r.handle)
	dead := receive(t, newConsumer(t, c, g.CreateGroup(t, false, 16), waitForDeadLetters(t, g, group)), n/10)
	var buried []string
	for _, d := range dead {
		buried = append(buried, string(d.Body))
		require.NoError(t, d.Ack(limited(t)))
	}
	require.ElementsMatch(t, []string{"0", "10", "20", "30", "40"}, buried)
	require.Eventually(t, func() bool { return len(r.of("")) == n-n/10 }, patience, 50*time.Millisecond)
	r.mu.Lock()
	defer r.mu.Unlock()
	for body, calls := range r.calls {
		switch body[len(body)-1] {
		case '0':
			require.Equal(t, 3, calls, body)
		case '1':
			require.Equal(t, 2, calls, body)
		default:
			require.Equal(t, 1, calls, body)
		}
	}
}

// waitForDeadLetters returns the topic of the group's dead letters, which is made with the first.
func waitForDeadLetters(t *testing.T, g *target.Target, group string) string {
	t.Helper()
	topic := "%DLQ%" + group
	require.Eventually(t, func() bool {
		n, err := g.Stored(t.Context(), topic)
		return err == nil && n > 0
	}, patience, 100*time.Millisecond)
	return topic
}

func TestPushConsumer_KeepsMessageGroupsInOrderThroughFailures(t *testing.T) {
	t.Parallel()
	for name, opts := range map[string][]client.PushOption{
		"by queue": nil, "accelerated": {client.WithFIFOAccelerator()},
		"with an explicit lease": {client.WithInvisibleDuration(time.Minute)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const each = 10
			groups := []string{"a", "b", "c"}
			g := target.New(t)
			topic := g.CreateTopic(t, "FIFO", 2)
			group := g.CreateGroupLike(t, target.Group{Ordered: true, RetryMaxTimes: 2, Retry: quick()})
			c := newClient(t, g)
			sendNumbers(t, c, topic, each*len(groups), groups...)

			const poison = "9" // the fourth of "a"
			r := newRecord(func(body string, call int) bool { return body == poison || len(body) == 1 && call == 1 })
			push(t, c, group, topic, r.handle, opts...)
			for i, key := range groups {
				var want []string
				for n := range each {
					if body := fmt.Sprint(n*len(groups) + i); body != poison {
						want = append(want, body)
					}
				}
				require.Eventually(t, func() bool { return len(r.of(key)) == len(want) }, patience, 20*time.Millisecond)
				require.Equal(t, want, r.of(key))
			}
			d := receive(t, newConsumer(t, c, g.CreateGroup(t, false, 16), waitForDeadLetters(t, g, group)), 1)[0]
			require.Equal(t, poison, string(d.Body))
			require.NoError(t, d.Ack(limited(t)))
		})
	}
}

func TestPushConsumer_TakesNoMoreThanItsCacheHolds(t *testing.T) {
	const n, limit = 40, 8
	g := target.New(t)
	topic, group := g.CreateTopic(t, "NORMAL", 2), g.CreateGroup(t, false, 16)
	c := newClient(t, g)
	sendNumbers(t, c, topic, n)
	proceed, began := make(chan struct{}), make(chan struct{}, n)
	push(t, c, group, topic, func(context.Context, *client.Message) error {
		began <- struct{}{}
		<-proceed
		return nil
	}, client.WithCacheLimit(limit, 1<<20), client.WithConcurrency(1), client.WithInvisibleDuration(5*time.Minute))
	<-began
	// The others are free for other consumers of the group.
	got := receive(t, newConsumer(t, c, group, topic), n-limit)
	close(proceed)
	for _, d := range got {
		require.NoError(t, d.Ack(limited(t)))
	}
	for range limit - 1 {
		<-began
	}
}

func TestPushConsumer_RunFailsForATopicThatDoesNotExist(t *testing.T) {
	g := target.New(t)
	pc, err := newClient(t, g).NewPushConsumer(g.CreateGroup(t, false, 16),
		map[string]client.Filter{"no-such-topic": client.All()}, func(context.Context, *client.Message) error { return nil })
	require.NoError(t, err)
	require.ErrorIs(t, pc.Run(limited(t)), client.ErrTopicNotFound)
}
