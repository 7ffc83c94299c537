package integration

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/client"
	"github.com/rocketflow-io/rocketflow/flow"
	"github.com/rocketflow-io/rocketflow/sinks"
	"github.com/rocketflow-io/rocketflow/sources"
	"github.com/rocketflow-io/rocketflow/test/rocketmq/target"
)

// A message that fails waits in the server for each of its delays, and is dead-lettered in the end; one
// that passes holds up no other.
func TestRetryTopic_BringsBackWhatFailed(t *testing.T) {
	t.Parallel()
	g := target.New(t)
	topic, later, dead := g.CreateTopic(t, "NORMAL", 2), g.CreateTopic(t, "DELAY", 2), g.CreateTopic(t, "NORMAL", 1)
	group, again, undertaker := g.CreateGroup(t, false, 16), g.CreateGroup(t, false, 16), g.CreateGroup(t, false, 16)
	c := newClient(t, g)
	p := newProducer(t, c)
	ids := make(map[string]string)
	for _, body := range []string{"passes", "recovers", "never"} {
		receipt, err := p.Send(limited(t), &client.Message{Topic: topic, Body: []byte(body), Properties: map[string]string{"own": body}})
		require.NoError(t, err)
		ids[body] = receipt.MessageID
	}
	var mu sync.Mutex
	var problems []string
	tries, begun := make(map[string][]time.Time), make(map[string]int)
	written := make(chan string, 10)
	retry := sinks.RetryTopic(c, later, sinks.DeadLetterTopic(c, dead), time.Second, 3*time.Second)
	pipe := flow.Merge(
		flow.From(sources.RocketMQ(c, topic, group)), flow.From(sources.RetryTopic(c, later, again)),
	).ParMap(4, func(_ context.Context, m *client.Message) (string, error) {
		mu.Lock()
		defer mu.Unlock()
		body := string(m.Body)
		if m.ID != ids[body] || m.Topic != topic || m.Properties["own"] != body || sinks.Retries(m) != begun[body] {
			problems = append(problems, body)
		}
		begun[body]++
		tries[body] = append(tries[body], time.Now())
		if body == "never" || body == "recovers" && begun[body] < 3 {
			return "", errors.New("broken")
		}
		return body, nil
	}).OnError(flow.DeadLetter(retry)).To(sinks.Func(func(_ context.Context, body string) error {
		written <- body
		return nil
	}))
	ctx, stop := context.WithCancel(limited(t))
	ran := make(chan error, 1)
	go func() { ran <- pipe.Run(ctx) }()
	require.Equal(t, "passes", <-written)
	require.Equal(t, "recovers", <-written)
	d := receive(t, newConsumer(t, c, undertaker, dead), 1)[0]
	require.Equal(t, "never", string(d.Body))
	require.Equal(t, []string{"2", topic, ids["never"], "broken"}, []string{
		d.Properties[sinks.PropertyRetries], d.Properties[sinks.PropertyTopic], d.Properties[sinks.PropertyMessageID], d.Properties[sinks.PropertyError],
	})
	require.NoError(t, d.Ack(limited(t)))
	stop()
	require.NoError(t, <-ran)
	require.Empty(t, problems, "they are what they were")
	require.Equal(t, map[string]int{"passes": 1, "recovers": 3, "never": 3}, begun)
	for _, body := range []string{"recovers", "never"} {
		at := tries[body]
		require.GreaterOrEqual(t, at[1].Sub(at[0]), 900*time.Millisecond)
		require.GreaterOrEqual(t, at[2].Sub(at[1]), 2900*time.Millisecond)
	}
}
