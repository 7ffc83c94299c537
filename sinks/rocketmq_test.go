package sinks

import (
	"strconv"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/broker"
	"github.com/rocketflow-io/rocketflow/broker/brokertest"
	"github.com/rocketflow-io/rocketflow/client"
	"github.com/rocketflow-io/rocketflow/flow/stage"
)

// inBubble runs a test against a broker in a bubble of virtual time.
func inBubble(t *testing.T, test func(t *testing.T, b *broker.Broker, c *client.Client)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := brokertest.New(t, brokertest.WithoutAutoCreate(), brokertest.WithTopics(
			broker.Topic{Name: "out", Queues: 1}, broker.Topic{Name: "steps", Queues: 1, Type: broker.FIFO}))
		c, err := client.New(b.Endpoint(), client.WithPlaintext(), client.WithDialer(b.Dialer()))
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, c.Close()) })
		test(t, b, c)
	})
}

func bodies(b *broker.Broker, topic string) []string {
	var all []string
	for _, m := range b.Messages(topic) {
		all = append(all, string(m.Body))
	}
	return all
}

func message(body string) *client.Message {
	return &client.Message{Topic: "elsewhere", Body: []byte(body)}
}

func TestRocketMQ_SendsToItsTopicInOrder(t *testing.T) {
	inBubble(t, func(t *testing.T, b *broker.Broker, c *client.Client) {
		s := RocketMQ(c, "out")
		require.Equal(t, stage.SinkTraits{Name: "rocketmq out", OrderedKeys: true}, s.SinkTraits())
		w := openSink(t, s)
		var want []string
		var messages []*client.Message
		for i := range 300 {
			want = append(want, strconv.Itoa(i))
			messages = append(messages, message(want[i]))
		}
		require.NoError(t, w.Write(t.Context(), batch(messages...)))
		require.Equal(t, want, bodies(b, "out"))
		require.Equal(t, "elsewhere", messages[0].Topic, "a message is not changed")
	})
}

func TestRocketMQ_NamesTheMessagesThatWereNotSent(t *testing.T) {
	inBubble(t, func(t *testing.T, b *broker.Broker, c *client.Client) {
		w := openSink(t, RocketMQOf(c, "out", func(s string) (*client.Message, error) {
			switch s {
			case "broken":
				return nil, errBroken
			case "nil":
				return nil, nil
			}
			return message(s), nil
		}))
		huge := strings.Repeat("x", 5<<20)
		err := w.Write(t.Context(), batch("a", "broken", huge, "nil", "b"))
		var failed *stage.BatchError
		require.ErrorAs(t, err, &failed)
		require.Len(t, failed.Failed, 3)
		require.ErrorIs(t, failed.Failed[1], errBroken)
		require.ErrorIs(t, failed.Failed[2], client.ErrBodyTooLarge)
		require.True(t, stage.IsPermanent(failed.Failed[1]) && stage.IsPermanent(failed.Failed[2]) && stage.IsPermanent(failed.Failed[3]))
		require.Equal(t, []string{"a", "b"}, bodies(b, "out"))
	})
}

func TestRocketMQ_StopsAGroupAtItsFirstFailure(t *testing.T) {
	inBubble(t, func(t *testing.T, b *broker.Broker, c *client.Client) {
		w := openSink(t, RocketMQ(c, "steps"))
		grouped := func(group, body string) *client.Message {
			return &client.Message{MessageGroup: group, Body: []byte(body)}
		}
		err := w.Write(t.Context(), batch(grouped("g", "g1"), grouped("g", ""), grouped("h", "h1"), grouped("g", "g3")))
		var failed *stage.BatchError
		require.ErrorAs(t, err, &failed)
		require.Len(t, failed.Failed, 2)
		require.ErrorIs(t, failed.Failed[1], client.ErrBodyEmpty)
		require.ErrorIs(t, failed.Failed[3], client.ErrNotSent)
		require.ErrorIs(t, failed.Failed[3], stage.ErrHandedBack)
		require.Equal(t, []string{"g1", "h1"}, bodies(b, "steps"))
	})
}

// Rule 8: messages of a key go one after the other where no message group keeps their order.
func TestRocketMQ_StopsAKeyAtItsFirstFailure(t *testing.T) {
	inBubble(t, func(t *testing.T, b *broker.Broker, c *client.Client) {
		w := openSink(t, RocketMQ(c, "out"))
		keyed := batch(message("a1"), message(""), message("b1"), message("a3"), message("b2"))
		keys := []string{"a", "a", "b", "a", "b"}
		keyed.Info = func(i int) stage.Info { return stage.Info{Key: keys[i]} }
		err := w.Write(t.Context(), keyed)
		var failed *stage.BatchError
		require.ErrorAs(t, err, &failed)
		require.Len(t, failed.Failed, 2)
		require.ErrorIs(t, failed.Failed[1], client.ErrBodyEmpty)
		require.ErrorIs(t, failed.Failed[3], stage.ErrHandedBack)
		require.Equal(t, []string{"a1", "b1", "b2"}, bodies(b, "out"))
	})
}

func TestRocketMQ_FailsForGoodWithoutItsTopic(t *testing.T) {
	inBubble(t, func(t *testing.T, _ *broker.Broker, c *client.Client) {
		w := openSink(t, RocketMQ(c, "missing", WithConcurrency(4), WithProducer(client.WithMaxAttempts(1))))
		err := w.Write(t.Context(), batch(message("a"), message("b")))
		var failed *stage.BatchError
		require.ErrorAs(t, err, &failed)
		require.Len(t, failed.Failed, 2)
		require.ErrorIs(t, failed.Failed[1], client.ErrTopicNotFound)
		require.True(t, stage.IsPermanent(failed.Failed[1]))
	})
}

func TestRocketMQ_OpenFailsWithABadOption(t *testing.T) {
	inBubble(t, func(t *testing.T, _ *broker.Broker, c *client.Client) {
		_, err := RocketMQ(c, "out", WithProducer(client.WithWindow(0))).Open(t.Context())
		require.ErrorContains(t, err, `sinks: send to "out"`)
		require.True(t, stage.IsPermanent(err))
	})
}

func TestDeadLetterTopic_SendsAMessageThatTheServerTakes(t *testing.T) {
	inBubble(t, func(t *testing.T, b *broker.Broker, c *client.Client) {
		require.NoError(t, openSink(t, DeadLetterTopic(c, "out")).Write(t.Context(), batch(stage.Failure{
			Stage: "parse", Err: errBroken, Source: &client.Message{Body: []byte("b"), MessageGroup: "g"},
		})))
		stored := b.Messages("out")
		require.Len(t, stored, 1)
		require.Equal(t, "b", string(stored[0].Body))
		require.Equal(t, "broken", stored[0].Properties[PropertyError])
	})
}
