package sinks

import (
	"strconv"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/broker"
	"github.com/rocketflow-io/rocketflow/client"
	"github.com/rocketflow-io/rocketflow/flow/stage"
)

// rig is a broker in a bubble of virtual time, and a client of it.
type rig struct {
	*testing.T
	broker *broker.Broker
	client *client.Client
}

func inBubble(t *testing.T, test func(r *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { test(newRig(t)) })
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
	inBubble(t, func(r *rig) {
		s := RocketMQ(r.client, "out")
		require.Equal(r, stage.SinkTraits{Name: "rocketmq out", OrderedKeys: true}, s.SinkTraits())
		w := openSink(r.T, s)
		var want []string
		var messages []*client.Message
		for i := range 300 {
			want = append(want, strconv.Itoa(i))
			messages = append(messages, message(want[i]))
		}
		require.NoError(r, w.Write(r.Context(), batch(messages...)))
		require.Equal(r, want, bodies(r.broker, "out"))
		require.Equal(r, "elsewhere", messages[0].Topic, "a message is not changed")
	})
}

func TestRocketMQ_NamesTheMessagesThatWereNotSent(t *testing.T) {
	inBubble(t, func(r *rig) {
		w := openSink(r.T, RocketMQOf(r.client, "out", func(s string) (*client.Message, error) {
			switch s {
			case "broken":
				return nil, errBroken
			case "nil":
				return nil, nil
			}
			return message(s), nil
		}))
		huge := strings.Repeat("x", 5<<20)
		err := w.Write(r.Context(), batch("a", "broken", huge, "nil", "b"))
		var failed *stage.BatchError
		require.ErrorAs(r, err, &failed)
		require.Len(r, failed.Failed, 3)
		require.ErrorIs(r, failed.Failed[1], errBroken)
		require.ErrorIs(r, failed.Failed[2], client.ErrBodyTooLarge)
		require.True(r, stage.IsPermanent(failed.Failed[1]) && stage.IsPermanent(failed.Failed[2]) && stage.IsPermanent(failed.Failed[3]))
		require.Equal(r, []string{"a", "b"}, bodies(r.broker, "out"))
	})
}

func TestRocketMQ_StopsAGroupAtItsFirstFailure(t *testing.T) {
	inBubble(t, func(r *rig) {
		w := openSink(r.T, RocketMQ(r.client, "steps"))
		grouped := func(group, body string) *client.Message {
			return &client.Message{MessageGroup: group, Body: []byte(body)}
		}
		err := w.Write(r.Context(), batch(grouped("g", "g1"), grouped("g", ""), grouped("h", "h1"), grouped("g", "g3")))
		var failed *stage.BatchError
		require.ErrorAs(r, err, &failed)
		require.Len(r, failed.Failed, 2)
		require.ErrorIs(r, failed.Failed[1], client.ErrBodyEmpty)
		require.ErrorIs(r, failed.Failed[3], client.ErrNotSent)
		require.ErrorIs(r, failed.Failed[3], stage.ErrHandedBack)
		require.Equal(r, []string{"g1", "h1"}, bodies(r.broker, "steps"))
	})
}

// Rule 8: messages of a key go one after the other where no message group keeps their order.
func TestRocketMQ_StopsAKeyAtItsFirstFailure(t *testing.T) {
	inBubble(t, func(r *rig) {
		w := openSink(r.T, RocketMQ(r.client, "out"))
		keyed := batch(message("a1"), message(""), message("b1"), message("a3"), message("b2"))
		keys := []string{"a", "a", "b", "a", "b"}
		keyed.Info = func(i int) stage.Info { return stage.Info{Key: keys[i]} }
		err := w.Write(r.Context(), keyed)
		var failed *stage.BatchError
		require.ErrorAs(r, err, &failed)
		require.Len(r, failed.Failed, 2)
		require.ErrorIs(r, failed.Failed[1], client.ErrBodyEmpty)
		require.ErrorIs(r, failed.Failed[3], stage.ErrHandedBack)
		require.Equal(r, []string{"a1", "b1", "b2"}, bodies(r.broker, "out"))
	})
}

func TestRocketMQ_KeepsTheOrderOfAKeyWhoseGroupsDiffer(t *testing.T) {
	inBubble(t, func(r *rig) {
		w := openSink(r.T, RocketMQ(r.client, "steps"))
		var messages []*client.Message
		for i, group := range []string{"x", "x", "y", "x"} {
			messages = append(messages, &client.Message{MessageGroup: group, Body: []byte(strconv.Itoa(i))})
		}
		messages[2].Body = nil // cannot be sent
		keyed := batch(messages...)
		keyed.Info = func(int) stage.Info { return stage.Info{Key: "k"} }
		err := w.Write(r.Context(), keyed)
		var failed *stage.BatchError
		require.ErrorAs(r, err, &failed)
		require.Len(r, failed.Failed, 2)
		require.ErrorIs(r, failed.Failed[3], stage.ErrHandedBack)
		require.Equal(r, []string{"0", "1"}, bodies(r.broker, "steps"))
	})
}

func TestRocketMQ_FailsForGoodWithoutItsTopic(t *testing.T) {
	inBubble(t, func(r *rig) {
		w := openSink(r.T, RocketMQ(r.client, "missing", WithConcurrency(4), WithProducer(client.WithMaxAttempts(1))))
		err := w.Write(r.Context(), batch(message("a"), message("b")))
		var failed *stage.BatchError
		require.ErrorAs(r, err, &failed)
		require.Len(r, failed.Failed, 2)
		require.ErrorIs(r, failed.Failed[1], client.ErrTopicNotFound)
		require.True(r, stage.IsPermanent(failed.Failed[1]))
	})
}

func TestRocketMQ_OpenFailsWithABadOption(t *testing.T) {
	inBubble(t, func(r *rig) {
		_, err := RocketMQ(r.client, "out", WithProducer(client.WithWindow(0))).Open(r.Context())
		require.ErrorContains(r, err, `sinks: send to "out"`)
		require.True(r, stage.IsPermanent(err))
	})
}

func TestDeadLetterTopic_SendsAMessageThatTheServerTakes(t *testing.T) {
	inBubble(t, func(r *rig) {
		require.NoError(r, openSink(r.T, DeadLetterTopic(r.client, "out")).Write(r.Context(), batch(stage.Failure{
			Stage: "parse", Err: errBroken, Source: &client.Message{Body: []byte("b"), MessageGroup: "g"},
		})))
		stored := r.broker.Messages("out")
		require.Len(r, stored, 1)
		require.Equal(r, "b", string(stored[0].Body))
		require.Equal(r, "broken", stored[0].Properties[PropertyError])
	})
}
