package client_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/client"
)

func TestSend_DeliversEveryField(t *testing.T) {
	inBubble(t, func(r *rig) {
		sent := &client.Message{
			Topic: "orders", Body: []byte("hello"), Tag: "new", Keys: []string{"k1", "k2"},
			Properties:   map[string]string{"region": "eu"},
			TraceContext: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
		}
		receipt, err := r.producer().Send(r.Context(), sent)
		require.NoError(r, err)
		require.Equal(r, r.broker.Endpoint(), receipt.Endpoint)
		require.EqualValues(r, 0, receipt.Offset)

		d := r.receive(r.consumer("G", "orders"), 1)[0]
		require.NoError(r, d.Err)
		require.Equal(r, sent.Body, d.Body)
		require.Equal(r, sent.Tag, d.Tag)
		require.Equal(r, sent.Keys, d.Keys)
		require.Equal(r, sent.Properties, d.Properties)
		require.Equal(r, sent.TraceContext, d.TraceContext)
		require.Equal(r, receipt.MessageID, d.ID)
		require.Equal(r, 1, d.Attempt)
		require.Equal(r, r.broker.Endpoint(), d.Endpoint())
		require.True(r, d.BornTime.Equal(time.Now()))
		require.Equal(r, time.Now().Add(time.Minute), d.Expires())
	})
}

func TestSend_KeepsTheOrderOfAMessageGroup(t *testing.T) {
	inBubble(t, func(r *rig) {
		p := r.producer()
		for i := range 20 {
			_, err := p.Send(r.Context(), &client.Message{
				Topic: "steps", Body: fmt.Append(nil, i), MessageGroup: "one",
			})
			require.NoError(r, err)
		}
		var want []string
		for i := range 20 {
			want = append(want, fmt.Sprint(i))
		}
		got := r.receive(r.consumer("O", "steps"), 20)
		require.Equal(r, want, bodies(got))
		require.Equal(r, "one", got[0].MessageGroup)
	})
}

func TestSend_NamesTheThingAndTheRemedy(t *testing.T) {
	inBubble(t, func(r *rig) {
		p := r.producer()
		for _, c := range []struct {
			name    string
			message *client.Message
			kind    error
			says    []string
		}{
			{"missing topic", message("nowhere", "x"), client.ErrTopicNotFound, []string{`"nowhere"`, "code 40402", "create the topic"}},
			{"illegal topic", message("no way", "x"), client.ErrIllegalTopic, []string{`"no way"`}},
			{"empty body", message("orders", ""), client.ErrBodyEmpty, []string{"body"}},
			{"large body", message("orders", strings.Repeat("x", 4<<20+1)), client.ErrBodyTooLarge, []string{"4194305", "4194304"}},
			{"tag with a bar", &client.Message{Topic: "orders", Body: []byte("x"), Tag: "a|b"}, client.ErrIllegalTag, []string{"a|b"}},
			{"blank key", &client.Message{Topic: "orders", Body: []byte("x"), Keys: []string{" "}}, client.ErrIllegalKey, []string{`" "`}},
			{
				"long group", &client.Message{Topic: "steps", Body: []byte("x"), MessageGroup: strings.Repeat("g", 64)},
				client.ErrIllegalMessageGroup, []string{"64 bytes", "limit is 63"},
			},
			{
				"empty property", &client.Message{Topic: "orders", Body: []byte("x"), Properties: map[string]string{"a": ""}},
				client.ErrIllegalProperty, []string{`"a"`},
			},
			{
				"much property", &client.Message{Topic: "orders", Body: []byte("x"), Properties: map[string]string{"a": strings.Repeat("b", 16<<10)}},
				client.ErrPropertiesTooLarge, []string{"16385", "16384"},
			},
			{"reserved property", &client.Message{Topic: "orders", Body: []byte("x"), Properties: map[string]string{"KEYS": "b"}}, client.ErrIllegalProperty, []string{"KEYS"}},
			{"wrong type", message("steps", "x"), client.ErrMessageType, []string{"NORMAL", `"steps"`}},
			{"read-only topic", message("closed", "x"), client.ErrForbidden, []string{`"closed"`, "permission"}},
		} {
			_, err := p.Send(r.Context(), c.message)
			require.ErrorIs(r, err, c.kind, c.name)
			for _, text := range c.says {
				require.ErrorContains(r, err, text, c.name)
			}
		}
		_, err := p.Send(r.Context(), nil)
		require.ErrorContains(r, err, "message: is nil")
	})
}

func TestSendBatch_StoresAllAndGivesOurIDs(t *testing.T) {
	inBubble(t, func(r *rig) {
		const n = 300 // more than one request
		batch := make([]*client.Message, n)
		for i := range batch {
			batch[i] = message("orders", fmt.Sprint(i))
		}
		receipts, err := r.producer().SendBatch(r.Context(), batch)
		require.NoError(r, err)
		require.Len(r, receipts, n)
		byID := make(map[string]string)
		for _, d := range r.receive(r.consumer("G", "orders"), n) {
			byID[d.ID] = string(d.Body)
		}
		for i, receipt := range receipts {
			require.Equal(r, fmt.Sprint(i), byID[receipt.MessageID])
		}
	})
}

func TestSendBatch_SaysByIndexWhatFailed(t *testing.T) {
	onNetwork(t, single, func(r *network) {
		stored := r.at(single[0]).refusePoison()
		batch := []*client.Message{message("orders", "a"), message("orders", ""), message("orders", "poison"), message("orders", "d")}
		receipts, err := r.producer().SendBatch(r.Context(), batch)
		var failed *client.BatchError
		require.ErrorAs(r, err, &failed)
		require.Len(r, failed.Errors, 2)
		require.ErrorIs(r, failed.Errors[1], client.ErrBodyEmpty)
		require.ErrorIs(r, failed.Errors[2], client.ErrIllegalProperty)
		require.ErrorIs(r, err, client.ErrIllegalProperty)
		require.ErrorContains(r, err, "2 of 4 messages failed: message 1: body")
		require.NotEmpty(r, receipts[0].MessageID)
		require.ElementsMatch(r, []string{"a", "d"}, stored())
	})
}

func TestSendBatch_HoldsBackWhatWouldOvertakeItsGroup(t *testing.T) {
	inBubble(t, func(r *rig) {
		step := func(group, body string) *client.Message {
			return &client.Message{Topic: "steps", MessageGroup: group, Body: []byte(body)}
		}
		batch := []*client.Message{step("x", "x1"), step("y", "y1"), step("x", ""), step("y", "y2"), step("x", "x3")}
		_, err := r.producer().SendBatch(r.Context(), batch)
		var failed *client.BatchError
		require.ErrorAs(r, err, &failed)
		require.Len(r, failed.Errors, 2)
		require.ErrorIs(r, failed.Errors[2], client.ErrBodyEmpty)
		require.ErrorIs(r, failed.Errors[4], client.ErrNotSent)
		require.ElementsMatch(r, []string{"x1", "y1", "y2"}, r.stored("steps"))
	})
}

func TestSendBatch_RefusesSeveralTopics(t *testing.T) {
	inBubble(t, func(r *rig) {
		p := r.producer()
		_, err := p.SendBatch(r.Context(), []*client.Message{message("orders", "a"), message("bills", "b")})
		require.ErrorContains(r, err, `message 1 is for topic "bills"`)
		_, err = p.SendBatch(r.Context(), []*client.Message{message("orders", "a"), nil})
		require.ErrorContains(r, err, "message 1 is nil")
		receipts, err := p.SendBatch(r.Context(), nil)
		require.NoError(r, err)
		require.Empty(r, receipts)
		require.Empty(r, r.stored("orders"))
	})
}

func TestSendAsync_CallsBackOnceForEach(t *testing.T) {
	inBubble(t, func(r *rig) {
		const n = 500
		p := r.producer(client.WithWindow(50), client.WithSenders(4))
		var (
			mu  sync.Mutex
			ids = make(map[string]bool)
		)
		for i := range n {
			p.SendAsync(r.Context(), message("orders", fmt.Sprint(i)), func(receipt client.Receipt, err error) {
				require.NoError(r, err)
				mu.Lock()
				defer mu.Unlock()
				ids[receipt.MessageID] = true
			})
		}
		require.NoError(r, p.Flush(r.Context()))
		require.Len(r, ids, n)
		require.Len(r, r.stored("orders"), n)
	})
}

func TestSendAsync_KeepsTheOrderOfEachGroup(t *testing.T) {
	inBubble(t, func(r *rig) {
		p := r.producer(client.WithSenders(8))
		for i := range 50 {
			for _, group := range []string{"x", "y", "z"} {
				p.SendAsync(r.Context(), &client.Message{
					Topic: "steps", MessageGroup: group, Body: fmt.Append(nil, i),
				}, nil)
			}
		}
		require.NoError(r, p.Flush(r.Context()))
		next := make(map[string]int)
		for _, d := range r.receive(r.consumer("G", "steps"), 150) {
			require.Equal(r, fmt.Sprint(next[d.MessageGroup]), string(d.Body))
			next[d.MessageGroup]++
		}
	})
}

func TestProducer_KeepsTheOrderOfAGroupOverAllWaysOfSending(t *testing.T) {
	onNetwork(t, single, func(r *network) {
		var order []string
		server := r.at(single[0])
		server.script(func() {
			well := server.send
			server.send = func(ctx context.Context, q *v2.SendMessageRequest) (*v2.SendMessageResponse, error) {
				time.Sleep(time.Second)
				order = append(order, string(q.GetMessages()[0].GetBody()))
				return well(ctx, q)
			}
		})
		p := r.producer()
		step := func(body string) *client.Message {
			return &client.Message{Topic: "steps", MessageGroup: "one", Body: []byte(body)}
		}
		p.SendAsync(r.Context(), step("0"), nil)
		p.SendAsync(r.Context(), step("1"), nil)
		_, err := p.Send(r.Context(), step("2"))
		require.NoError(r, err)
		p.SendAsync(r.Context(), step("3"), nil)
		_, err = p.SendBatch(r.Context(), []*client.Message{step("4"), step("5")})
		require.NoError(r, err)
		require.Equal(r, []string{"0", "1", "2", "3", "4", "5"}, order)
	})
}

func TestSendAsync_SettlesOnePoisonMessageByItself(t *testing.T) {
	onNetwork(t, single, func(r *network) {
		stored := r.at(single[0]).refusePoison()
		p := r.producer(client.WithSenders(1))
		var failed []string
		for i := range 100 {
			m := message("orders", fmt.Sprint(i))
			if i == 60 {
				m.Body = []byte("poison")
			}
			p.SendAsync(r.Context(), m, func(_ client.Receipt, err error) {
				if err != nil {
					failed = append(failed, fmt.Sprint(i, ": ", err))
				}
			})
		}
		require.NoError(r, p.Flush(r.Context()))
		require.Len(r, failed, 1)
		require.Contains(r, failed[0], "60: ")
		require.Len(r, stored(), 99)
	})
}

func TestProducer_RefusesAfterClose(t *testing.T) {
	inBubble(t, func(r *rig) {
		p := r.producer()
		require.NoError(r, p.Close())
		require.NoError(r, p.Close())
		_, err := p.Send(r.Context(), message("orders", "a"))
		require.ErrorIs(r, err, client.ErrClosed)
		_, err = p.SendBatch(r.Context(), []*client.Message{message("orders", "a")})
		require.ErrorIs(r, err, client.ErrClosed)
		p.SendAsync(r.Context(), message("orders", "a"), func(_ client.Receipt, asyncErr error) { err = asyncErr })
		require.ErrorIs(r, err, client.ErrClosed)
		require.NoError(r, p.Flush(context.Background()))
	})
}

func TestNewProducer_ReportsAllFaults(t *testing.T) {
	inBubble(t, func(r *rig) {
		_, err := r.client.NewProducer(client.WithMaxAttempts(0), client.WithWindow(-1), client.WithTopics("a b"))
		require.ErrorIs(r, err, client.ErrIllegalTopic)
		require.ErrorContains(r, err, "WithMaxAttempts")
		require.ErrorContains(r, err, "WithWindow")
	})
}
