package integration

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/client"
	"github.com/rocketflow-io/rocketflow/test/rocketmq/target"
)

// A witness is a handler that keeps what it has seen: the attempts of each body, and for each message
// group the bodies that were consumed, in order.
type witness struct {
	fails func(m *client.Message) bool

	mu       sync.Mutex
	attempts map[string][]int
	consumed map[string][]string
	total    int // consumed
}

func newWitness(fails func(m *client.Message) bool) *witness {
	return &witness{fails: fails, attempts: make(map[string][]int), consumed: make(map[string][]string)}
}

func (w *witness) handle(_ context.Context, m *client.Message) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.attempts[string(m.Body)] = append(w.attempts[string(m.Body)], m.Attempt)
	if w.fails(m) {
		return errors.New("not consumed")
	}
	w.consumed[m.MessageGroup] = append(w.consumed[m.MessageGroup], string(m.Body))
	w.total++
	return nil
}

func (w *witness) await(t *testing.T, n int) {
	t.Helper()
	require.Eventually(t, func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		return w.total >= n
	}, patience, 10*time.Millisecond)
}

// seen returns the attempts of each body so far.
func (w *witness) seen() map[string][]int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return maps.Clone(w.attempts)
}

// push runs a consumer, and returns what ends it.
func push(t *testing.T, c *client.Client, group, topic string, handle client.Handler, opts ...client.PushOption) (end func()) {
	t.Helper()
	pc, err := c.NewPushConsumer(group, map[string]client.Filter{topic: client.All()}, handle, opts...)
	require.NoError(t, err)
	ended := make(chan error, 1)
	go func() { ended <- pc.Run(t.Context()) }()
	end = sync.OnceFunc(func() {
		require.NoError(t, pc.Close())
		require.NoError(t, <-ended)
	})
	t.Cleanup(end)
	return end
}

func sendAll(t *testing.T, c *client.Client, messages ...*client.Message) {
	t.Helper()
	_, err := newProducer(t, c).SendBatch(limited(t), messages)
	require.NoError(t, err)
}

func never(*client.Message) bool { return false }

func TestPushConsumer_ConsumesAllAndAcknowledges(t *testing.T) {
	t.Parallel()
	g := target.New(t)
	topic, group := g.CreateTopic(t, "NORMAL", 4), g.CreateGroup(t, false, 16)
	c := newClient(t, g)
	var messages []*client.Message
	for i := range 500 {
		messages = append(messages, &client.Message{Topic: topic, Body: fmt.Append(nil, i)})
	}
	sendAll(t, c, messages...)
	w := newWitness(never)
	end := push(t, c, group, topic, w.handle)
	w.await(t, len(messages))
	begun := time.Now()
	end()
	require.Less(t, time.Since(begun), 5*time.Second)
	require.Len(t, w.seen(), len(messages))

	sc := newConsumer(t, c, group, topic)
	got, err := sc.Receive(limited(t), 32, invisible)
	require.NoError(t, err)
	require.Empty(t, got, "all are acknowledged")
}

func TestPushConsumer_ConsumesAgainWhatFailed(t *testing.T) {
	t.Parallel()
	g := target.New(t)
	topic, group := g.CreateTopic(t, "NORMAL", 1), g.CreateGroup(t, false, 16)
	c := newClient(t, g)
	w := newWitness(func(m *client.Message) bool { return m.Attempt == 1 })
	push(t, c, group, topic, w.handle)
	sendAll(t, c, &client.Message{Topic: topic, Body: []byte("a")}, &client.Message{Topic: topic, Body: []byte("b")})
	w.await(t, 2)
	require.Equal(t, map[string][]int{"a": {1, 2}, "b": {1, 2}}, w.seen())
}

func TestPushConsumer_KeepsOrderWhateverFails(t *testing.T) {
	t.Parallel()
	for name, opts := range map[string][]client.PushOption{"by queue": nil, "by message group": {client.WithFIFOAccelerator()}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := target.New(t)
			topic, group := g.CreateTopic(t, "FIFO", 4), g.CreateGroup(t, true, 16)
			c := newClient(t, g)
			const groups, each = 8, 20
			want := make(map[string][]string)
			var messages []*client.Message
			for i := range groups * each {
				key, body := fmt.Sprint("g", i%groups), fmt.Sprintf("%d of g%d", i/groups, i%groups)
				want[key] = append(want[key], body)
				messages = append(messages, &client.Message{Topic: topic, MessageGroup: key, Body: []byte(body)})
			}
			sendAll(t, c, messages...)
			w := newWitness(func(m *client.Message) bool { return string(m.Body) == "3 of g1" && m.Attempt < 3 })
			push(t, c, group, topic, w.handle, opts...)
			w.await(t, len(messages))
			require.Equal(t, want, w.consumed)
			require.Equal(t, []int{1, 2, 3}, w.seen()["3 of g1"])
		})
	}
}

func TestPushConsumer_MovesToTheDeadLettersWhatKeepsFailing(t *testing.T) {
	t.Parallel()
	for name, ordered := range map[string]bool{"concurrent": false, "FIFO": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := target.New(t)
			kind, key := "NORMAL", ""
			if ordered {
				kind, key = "FIFO", "g"
			}
			topic, group := g.CreateTopic(t, kind, 1), g.CreateGroup(t, ordered, 1)
			c := newClient(t, g)
			w := newWitness(func(m *client.Message) bool { return string(m.Body) == "a" })
			push(t, c, group, topic, w.handle)
			sendAll(t, c, &client.Message{Topic: topic, MessageGroup: key, Body: []byte("a")},
				&client.Message{Topic: topic, MessageGroup: key, Body: []byte("b")})
			w.await(t, 1)
			reader := g.CreateGroup(t, false, 16)
			var sc *client.SimpleConsumer
			require.Eventually(t, func() bool { // the topic is made with the first dead letter
				sc = newConsumer(t, c, reader, "%DLQ%"+group)
				_, err := sc.Settings(t.Context())
				return err == nil
			}, patience, 500*time.Millisecond)
			require.Equal(t, []string{"a"}, bodies(receive(t, sc, 1)))
			require.Equal(t, []int{1, 2}, w.seen()["a"])
		})
	}
}

func TestPushConsumer_HandsBackWhatItHasNotConsumed(t *testing.T) {
	t.Parallel()
	for name, ordered := range map[string]bool{"concurrent": false, "FIFO": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := target.New(t)
			kind, key := "NORMAL", ""
			if ordered {
				kind, key = "FIFO", "g"
			}
			topic, group := g.CreateTopic(t, kind, 1), g.CreateGroup(t, ordered, 16)
			c := newClient(t, g)
			var messages []*client.Message
			for i := range 10 {
				messages = append(messages, &client.Message{Topic: topic, MessageGroup: key, Body: fmt.Append(nil, i)})
			}
			sendAll(t, c, messages...)
			begun, proceed := make(chan struct{}, 1), make(chan struct{})
			end := push(t, c, group, topic, func(context.Context, *client.Message) error {
				begun <- struct{}{}
				<-proceed
				return nil
			}, client.WithConcurrency(1), client.WithInvisibleDuration(time.Hour))
			<-begun
			time.AfterFunc(100*time.Millisecond, func() { close(proceed) })
			end()
			w := newWitness(never)
			push(t, c, group, topic, w.handle)
			w.await(t, 9)
			require.Len(t, w.seen(), 9)
		})
	}
}
