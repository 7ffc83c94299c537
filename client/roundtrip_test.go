package client_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/client"
)

func TestSend_DeliversEveryField(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		sent := &client.Message{
			Topic: "orders", Body: []byte("hello"), Tag: "new", Keys: []string{"k1", "k2"},
			Properties: map[string]string{"region": "eu"}, TraceContext: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
		}
		receipt, err := r.producer(t).Send(t.Context(), sent)
		require.NoError(t, err)
		require.Equal(t, r.broker.Endpoint(), receipt.Endpoint)
		require.EqualValues(t, 0, receipt.Offset)

		d := receive(t, r.consumer(t, "G", "orders"), 1)[0]
		require.NoError(t, d.Err)
		require.Equal(t, sent.Body, d.Body)
		require.Equal(t, sent.Tag, d.Tag)
		require.Equal(t, sent.Keys, d.Keys)
		require.Equal(t, sent.Properties, d.Properties)
		require.Equal(t, sent.TraceContext, d.TraceContext)
		require.Equal(t, receipt.MessageID, d.ID)
		require.Equal(t, 1, d.Attempt)
		require.Equal(t, r.broker.Endpoint(), d.Endpoint())
		require.Equal(t, time.Now(), d.BornTime.Local())
		require.Equal(t, time.Now().Add(time.Minute), d.Expires())
	})
}

func TestReceive_ReturnsNoneWhenThereAreNone(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		got, err := r.consumer(t, "G", "orders").Receive(t.Context(), 32, time.Minute)
		require.NoError(t, err)
		require.Empty(t, got)
	})
}

func TestReceive_EndsAtOnceWithItsContext(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		c := r.consumer(t, "G", "orders")
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second) // less than a server would poll for
		defer cancel()
		start := time.Now()
		_, err := c.Receive(ctx, 32, time.Minute)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, 2*time.Second, time.Since(start))
	})
}

func TestAck_EndsRedelivery(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		p, c := r.producer(t), r.consumer(t, "G", "orders")
		for _, body := range []string{"a", "b"} {
			_, err := p.Send(t.Context(), message("orders", body))
			require.NoError(t, err)
		}
		first := receive(t, c, 2)
		require.NoError(t, c.Ack(t.Context(), first[0]))
		time.Sleep(2 * time.Minute)
		again := receive(t, c, 1)
		require.Equal(t, bodies(first[1:]), bodies(again))
		require.Equal(t, 2, again[0].Attempt)
		require.NoError(t, again[0].Ack(t.Context()))
	})
}

func TestClose_TakesUnderASecondWhenIdle(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		_, err := r.producer(t).Send(t.Context(), message("orders", "a"))
		require.NoError(t, err)
		receive(t, r.consumer(t, "G", "orders"), 1)
		start := time.Now()
		require.NoError(t, r.client.Close())
		require.Less(t, time.Since(start), time.Second)
	})
}
