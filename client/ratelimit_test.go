package client_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/client"
)

// plenty answers every poll with as many messages as it asks for.
func plenty(q *v2.ReceiveMessageRequest, s receiveServer) error {
	var all []*v2.ReceiveMessageResponse
	for i := range q.GetBatchSize() {
		all = append(all, messageFrame(fmt.Sprint(i), at(0, int64(i))))
	}
	return frames(nil, all...)(q, s)
}

func TestReceiveRate_BoundsASimpleConsumer(t *testing.T) {
	for _, rate := range []float64{0.5, 7, 300, 5000} {
		t.Run(fmt.Sprint(rate), func(t *testing.T) {
			onNetwork(t, single, func(n *network) {
				n.at(single[0]).receive = plenty
				c, err := n.client.NewSimpleConsumer("G", everything("orders"), client.WithReceiveRate(rate))
				require.NoError(n, err)
				total, polls, begun := 0, 0, time.Now()
				for time.Since(begun) < 20*time.Second {
					got, err := c.Receive(n.Context(), 32, time.Minute)
					require.NoError(n, err)
					total += len(got)
					polls++
				}
				require.InDelta(n, 20*rate, float64(total), 0.1*rate+33)
				require.LessOrEqual(n, polls, max(20*10+1, total/32+1), "polls are worth their while")
			})
		})
	}
}

func TestReceiveRate_GivesBackWhatAPollDidNotBring(t *testing.T) {
	onNetwork(t, single, func(n *network) {
		n.at(single[0]).receive = noMessage
		c, err := n.client.NewSimpleConsumer("G", everything("orders"), client.WithReceiveRate(1))
		require.NoError(n, err)
		begun := time.Now()
		for range 10 {
			_, err := c.Receive(n.Context(), 1, time.Minute)
			require.NoError(n, err)
		}
		require.Zero(n, time.Since(begun))
	})
}

func TestReceiveRate_LetsACallEndWithItsContext(t *testing.T) {
	onNetwork(t, single, func(n *network) {
		n.at(single[0]).receive = plenty
		c, err := n.client.NewSimpleConsumer("G", everything("orders"), client.WithReceiveRate(0.001))
		require.NoError(n, err)
		_, err = c.Receive(n.Context(), 1, time.Minute)
		require.NoError(n, err)
		ctx, cancel := context.WithTimeout(n.Context(), time.Second)
		defer cancel()
		_, err = c.Receive(ctx, 1, time.Minute)
		require.ErrorIs(n, err, context.DeadlineExceeded)
	})
}

func TestReceiveRate_BoundsAPushConsumer(t *testing.T) {
	onNetwork(t, single, func(n *network) {
		c := n.counterAt(single[0], false)
		c.script(func() { c.receive = plenty })
		var seen journal
		n.push(seen.seeID, client.WithReceiveRate(50))
		time.Sleep(10 * time.Second)
		require.InDelta(n, 500, len(seen.all()), 10)
	})
}
