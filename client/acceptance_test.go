package client_test

import (
	"context"
	"errors"
	"net"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/client"
)

// The points of acceptance are listed, with their tests, in docs/features.md.

func TestAcceptance04_AnAckTellsCodeAndRequest(t *testing.T) {
	onNetwork(t, single, func(n *network) {
		c := n.consumer("orders")
		n.at(single[0]).ack = func(_ context.Context, q *v2.AckMessageRequest) (*v2.AckMessageResponse, error) {
			return &v2.AckMessageResponse{Status: code(v2.Code_MULTIPLE_RESULTS), Entries: []*v2.AckMessageResultEntry{
				result("a", "handle of a", ok()), result("b", "handle of b", code(v2.Code_INVALID_RECEIPT_HANDLE)),
			}}, nil
		}
		got := n.lease(c, "a", "b")
		err := c.Ack(n.Context(), got...)
		var failed *client.AckError
		require.ErrorAs(n, err, &failed)
		require.Len(n, failed.Failed, 1)
		require.Same(n, got[1], failed.Failed[0].Delivery)
		var status *client.StatusError
		require.ErrorAs(n, failed.Failed[0].Err, &status)
		require.Equal(n, int32(v2.Code_INVALID_RECEIPT_HANDLE), status.Code)
		require.NotEmpty(n, status.RequestID)
	})
}

func TestAcceptance05_AnEmptyPollIsNoError(t *testing.T) {
	inBubble(t, func(r *rig) {
		start := time.Now()
		got, err := r.consumer("G", "orders").Receive(r.Context(), 32, time.Minute)
		require.NoError(r, err)
		require.Empty(r, got)
		require.InDelta(r, client.DefaultAwait, time.Since(start), float64(time.Second))
	})
}

func TestAcceptance07_SettingsAreBackWithinTwoSecondsOfARestart(t *testing.T) {
	onNetwork(t, single, func(n *network) {
		c := n.consumer("orders")
		_, err := c.Settings(n.Context())
		require.NoError(n, err)
		n.stop(single[0])
		time.Sleep(time.Minute)
		var seen announced
		back := newScripted(single)
		back.telemetry = seen.serve
		n.start(single[0], back)
		time.Sleep(2 * time.Second)
		require.Equal(n, []string{"orders *"}, seen.topics())
	})
}

func TestAcceptance08_ADeadBrokerDelaysNothingOfTheOthers(t *testing.T) {
	var n *network
	dial := func(ctx context.Context, address string) (net.Conn, error) {
		if address == pair[1] {
			<-ctx.Done()
			return nil, ctx.Err()
		}
		return n.dial(ctx, address)
	}
	onNetwork(t, pair, func(on *network) {
		n = on
		n.at(pair[0]).receive = frames(nil, statusFrame(ok()), messageFrame("a"))
		n.at(pair[0]).ack = func(context.Context, *v2.AckMessageRequest) (*v2.AckMessageResponse, error) {
			return &v2.AckMessageResponse{Status: ok()}, nil
		}
		p, c := n.producer(), n.consumer("orders")
		for range 3 { // brokers are tried in turn, and the dead one is found out
			_, err := p.Send(n.Context(), message("orders", "x"))
			require.NoError(n, err)
		}
		for range 2 {
			ctx, cancel := context.WithTimeout(n.Context(), 4*time.Second)
			_, _ = c.Receive(ctx, 1, time.Minute) // which broker it asked does not matter
			cancel()
		}
		start := time.Now()
		for range 20 {
			r, err := p.Send(n.Context(), message("orders", "x"))
			require.NoError(n, err)
			require.Equal(n, pair[0], r.Endpoint)
			got, err := c.Receive(n.Context(), 1, time.Minute)
			require.NoError(n, err)
			require.NoError(n, c.Ack(n.Context(), got...))
		}
		require.Zero(n, time.Since(start))
	}, client.WithDialer(dial))
}

func TestAcceptance09_ACancelledContextIsOneAttemptAndNoIsolation(t *testing.T) {
	onNetwork(t, single, func(n *network) {
		var hold atomic.Bool
		hold.Store(true)
		count := n.sends(single[0], func(ctx context.Context) error {
			if hold.Load() {
				return untilCancelled(ctx)
			}
			return nil
		})
		p := n.producer()
		ctx, cancel := context.WithCancelCause(n.Context())
		changed := errors.New("changed my mind")
		time.AfterFunc(time.Second, func() { cancel(changed) })
		start := time.Now()
		_, err := p.Send(ctx, message("orders", "x"))
		require.ErrorIs(n, err, changed)
		require.Equal(n, time.Second, time.Since(start))
		require.EqualValues(n, 1, count.Load())
		hold.Store(false)
		r, err := p.Send(n.Context(), message("orders", "x"))
		require.NoError(n, err)
		require.Equal(n, single[0], r.Endpoint)
	})
}

func TestAcceptance11_ClosingTakesUnderASecondWhenIdle(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.send("orders", "a")
		c := r.consumer("G", "orders")
		require.NoError(r, c.Ack(r.Context(), r.receive(c, 1)...))
		polled := make(chan error, 1)
		go func() {
			_, err := c.Receive(r.Context(), 1, time.Minute) // an idle consumer polls
			polled <- err
		}()
		synctest.Wait()
		start := time.Now()
		require.NoError(r, r.client.Close())
		require.Less(r, time.Since(start), time.Second)
		require.ErrorIs(r, <-polled, client.ErrClosed)
	})
}

func TestAcceptance12_NoTopicsAreNeededToStart(t *testing.T) {
	inBubble(t, func(r *rig) {
		p := r.producer()
		for _, topic := range []string{"orders", "bills"} {
			_, err := p.Send(r.Context(), message(topic, "x"))
			require.NoError(r, err)
		}
		c := r.consumer("G")
		require.NoError(r, c.Subscribe("orders", client.All()))
		require.Len(r, r.receive(c, 1), 1)
	})
}

func TestAcceptance13_NothingIsLeftOfAClosedClient(t *testing.T) {
	onNetwork(t, pair, func(n *network) {
		n.at(pair[0]).receive = frames(nil, statusFrame(code(v2.Code_MESSAGE_NOT_FOUND)))
		n.at(pair[1]).receive = n.at(pair[0]).receive
		baseline := runtime.NumGoroutine()
		for range 5 {
			c, err := client.New(pair[0], client.WithPlaintext(), client.WithDialer(n.dial))
			require.NoError(n, err)
			p, err := c.NewProducer()
			require.NoError(n, err)
			sc, err := c.NewSimpleConsumer("G", map[string]client.Filter{"orders": client.All()})
			require.NoError(n, err)
			for range 10 {
				p.SendAsync(n.Context(), message("orders", "x"), nil)
			}
			require.NoError(n, p.Flush(n.Context()))
			_, err = sc.Receive(n.Context(), 1, time.Minute)
			require.NoError(n, err)
			require.Greater(n, runtime.NumGoroutine(), baseline)
			require.NoError(n, c.Close())
		}
		synctest.Wait() // the servers see the connections go
		require.LessOrEqual(n, runtime.NumGoroutine(), baseline)
	})
}

func TestAcceptance14_ABatchIsCompleteWhateverTheNumberOfEntries(t *testing.T) {
	for name, entries := range map[string][]*v2.SendResultEntry{
		"one":  {{Status: ok(), MessageId: "of nobody", Offset: 7}},
		"each": {{Status: ok(), Offset: 7}, {Status: ok(), Offset: 8}, {Status: ok(), Offset: 9}},
		"none": nil,
	} {
		t.Run(name, func(t *testing.T) {
			onNetwork(t, single, func(n *network) {
				var sent []string
				n.at(single[0]).send = func(_ context.Context, q *v2.SendMessageRequest) (*v2.SendMessageResponse, error) {
					for _, m := range q.GetMessages() {
						sent = append(sent, m.GetSystemProperties().GetMessageId())
					}
					return &v2.SendMessageResponse{Status: ok(), Entries: entries}, nil
				}
				receipts, err := n.producer().SendBatch(n.Context(),
					[]*client.Message{message("orders", "1"), message("orders", "2"), message("orders", "3")})
				require.NoError(n, err)
				for i, r := range receipts {
					require.Equal(n, sent[i], r.MessageID)
				}
				require.Len(n, receipts, 3)
			})
		})
	}
}

func TestAcceptance15_TheAttemptsAreTheUsers(t *testing.T) {
	onNetwork(t, single, func(n *network) {
		n.at(single[0]).telemetry = backoffOf(7, time.Millisecond)
		var count atomic.Int32
		n.at(single[0]).send = answering(&count, code(v2.Code_INTERNAL_SERVER_ERROR))
		_, err := n.producer(client.WithMaxAttempts(2)).Send(n.Context(), message("orders", "x"))
		require.ErrorIs(n, err, client.ErrInternal)
		require.EqualValues(n, 2, count.Load())
	})
}

func TestAcceptance18_AChangeOfTopicsOrSubscriptionsIsToldAtOnce(t *testing.T) {
	onNetwork(t, single, func(n *network) {
		var seen announced
		n.at(single[0]).telemetry = seen.serve
		p := n.producer()
		start := time.Now()
		for i, topic := range []string{"a", "b", "c"} {
			_, err := p.Send(n.Context(), message(topic, "x"))
			require.NoError(n, err)
			synctest.Wait()
			require.Equal(n, []string{"a", "b", "c"}[:i+1], seen.topics())
		}
		c := n.consumer("a")
		_, err := c.Settings(n.Context())
		require.NoError(n, err)
		require.NoError(n, c.Subscribe("a", client.Tag("t")))
		synctest.Wait()
		require.Equal(n, []string{"a t"}, seen.topics())
		require.Zero(n, time.Since(start))
	})
}
