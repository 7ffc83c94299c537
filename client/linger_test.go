package client_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/client"
)

func TestLinger_WaitsForMoreOfTheSameKind(t *testing.T) {
	onNetwork(t, single, func(n *network) {
		requests := n.logSends(single[0])
		p := n.producer(client.WithLinger(50 * time.Millisecond))
		var settled []time.Duration
		start := time.Now()
		for i := range 3 {
			p.SendAsync(n.Context(), message("orders", fmt.Sprint(i)), func(_ client.Receipt, err error) {
				require.NoError(n, err)
				settled = append(settled, time.Since(start))
			})
			time.Sleep(20 * time.Millisecond)
		}
		synctest.Wait()
		require.Equal(n, []int{3}, requests.sizes())
		require.Equal(n, []string{"0", "1", "2"}, requests.bodies())
		for _, d := range settled {
			require.Equal(n, 50*time.Millisecond, d, "since the first of them")
		}
	})
}

func TestLinger_EndsWhenTheRequestIsFull(t *testing.T) {
	onNetwork(t, single, func(n *network) {
		n.at(single[0]).telemetry = answerSettings(func(s *v2.Settings) *v2.Settings {
			s.GetPublishing().MaxBodySize = 100_000
			return s
		})
		requests := n.logSends(single[0])
		p := n.producer(client.WithLinger(time.Hour))
		for range 256 {
			p.SendAsync(n.Context(), message("orders", "x"), nil)
		}
		synctest.Wait()
		require.Equal(n, []int{256}, requests.sizes(), "messages")
		for range 3 {
			p.SendAsync(n.Context(), &client.Message{Topic: "orders", Body: make([]byte, 40_000)}, nil)
		}
		synctest.Wait()
		require.Equal(n, []int{256, 2}, requests.sizes(), "bytes")
		start := time.Now()
		require.NoError(n, p.Flush(n.Context()))
		require.Equal(n, []int{256, 2, 1}, requests.sizes(), "and the rest by Flush")
		require.Zero(n, time.Since(start))
	})
}

func TestLinger_KeepsApartWhatMayNotShare(t *testing.T) {
	onNetwork(t, single, func(n *network) {
		requests := n.logSends(single[0])
		p := n.producer(client.WithLinger(time.Second))
		for range 2 {
			p.SendAsync(n.Context(), message("orders", "x"), nil)
			p.SendAsync(n.Context(), message("bills", "x"), nil)
		}
		synctest.Wait()
		require.Empty(n, requests.sizes())
		p.SendAsync(n.Context(), &client.Message{Topic: "orders", Body: []byte("x"), MessageGroup: "g"}, nil)
		synctest.Wait()
		require.Equal(n, []int{1}, requests.sizes(), "a message that goes alone does not wait")
		time.Sleep(time.Second)
		synctest.Wait()
		require.Equal(n, []int{1, 2, 2}, requests.sizes())
	})
}

func TestLinger_EndsWithTheProducer(t *testing.T) {
	onNetwork(t, single, func(n *network) {
		requests := n.logSends(single[0])
		p := n.producer(client.WithLinger(time.Hour))
		p.SendAsync(n.Context(), message("orders", "x"), nil)
		p.SendAsync(n.Context(), message("orders", "x"), nil)
		start := time.Now()
		require.NoError(n, p.Close())
		require.Zero(n, time.Since(start))
		require.Equal(n, []int{2}, requests.sizes())
	})
}

func TestWithoutBatching_GivesEachMessageARequest(t *testing.T) {
	onNetwork(t, single, func(n *network) {
		requests := n.logSends(single[0])
		p := n.producer(client.WithoutBatching(), client.WithSenders(1))
		_, err := p.SendBatch(n.Context(), threeOrders())
		require.NoError(n, err)
		for _, m := range threeOrders() {
			p.SendAsync(n.Context(), m, nil)
		}
		require.NoError(n, p.Flush(n.Context()))
		require.Equal(n, []int{1, 1, 1, 1, 1, 1}, requests.sizes())
	})
}

func TestSendBatch_SendsSinglyWhatServersDoNotTakeTogether(t *testing.T) {
	onNetwork(t, single, func(n *network) {
		requests := n.logSends(single[0])
		kind := func(body string, set func(*client.Message)) *client.Message {
			m := message("orders", body)
			set(m)
			return m
		}
		receipts, err := n.producer().SendBatch(n.Context(), []*client.Message{
			message("orders", "n1"),
			kind("f1", func(m *client.Message) { m.MessageGroup = "g" }),
			kind("p", func(m *client.Message) { m.Priority = new(3) }),
			kind("f2", func(m *client.Message) { m.MessageGroup = "g" }),
			kind("l", func(m *client.Message) { m.LiteTopic = "l" }),
			kind("d", func(m *client.Message) { m.DeliveryTime = time.Now().Add(time.Hour) }),
			kind("f3", func(m *client.Message) { m.MessageGroup = "g" }),
			message("orders", "n2"),
		})
		require.NoError(n, err)
		require.Len(n, receipts, 8)
		require.Equal(n, []string{"f1", "p", "f2", "l", "d", "f3", "n1", "n2"}, requests.bodies())
		require.Equal(n, []int{1, 1, 1, 1, 1, 1, 2}, requests.sizes())
	})
}
