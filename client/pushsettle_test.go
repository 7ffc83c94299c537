package client_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/client"
)

var errHandler = errors.New("not consumed")

func fail(context.Context, *client.Message) error { return errHandler }

func TestPushConsumer_StopsSettlingAtAnExpiredReceipt(t *testing.T) {
	for name, handle := range map[string]client.Handler{
		"ack": new(journal).seeID, "nack": fail,
	} {
		t.Run(name, func(t *testing.T) {
			onNetwork(t, single, func(n *network) {
				c := n.counterAt(single[0], false)
				var calls atomic.Int32
				c.script(func() {
					c.ack = func(context.Context, *v2.AckMessageRequest) (*v2.AckMessageResponse, error) {
						calls.Add(1)
						return &v2.AckMessageResponse{Status: code(v2.Code_INVALID_RECEIPT_HANDLE)}, nil
					}
					c.change = func(context.Context, *v2.ChangeInvisibleDurationRequest) (*v2.ChangeInvisibleDurationResponse, error) {
						calls.Add(1)
						return &v2.ChangeInvisibleDurationResponse{Status: code(v2.Code_INVALID_RECEIPT_HANDLE)}, nil
					}
				})
				c.give(nil, ids("a")...)
				n.push(handle, client.WithCacheLimit(1, 1<<20))
				time.Sleep(time.Minute)
				require.EqualValues(n, 1, calls.Load())
				polls, _ := c.polled()
				require.Greater(n, len(polls), 1, "there is room again")
			})
		})
	}
}

func TestPushConsumer_SettlesAgainWhatMayPassUntilTheLeaseIsOver(t *testing.T) {
	const lease = 30 * time.Second
	for name, c := range map[string]struct {
		failures int32
		least    int32
		most     int32
	}{"it passes": {3, 4, 4}, "it does not": {1 << 30, 6, 20}} {
		for action, handle := range map[string]client.Handler{"ack": new(journal).seeID, "nack": fail} {
			t.Run(action+", "+name, func(t *testing.T) {
				onNetwork(t, single, func(n *network) {
					server := n.counterAt(single[0], false)
					var calls atomic.Int32
					var last atomic.Int64
					begun := time.Now()
					answer := func() *v2.Status {
						last.Store(int64(time.Since(begun)))
						if calls.Add(1) <= c.failures {
							return code(v2.Code_INTERNAL_SERVER_ERROR)
						}
						return ok()
					}
					server.script(func() {
						server.ack = func(context.Context, *v2.AckMessageRequest) (*v2.AckMessageResponse, error) {
							return &v2.AckMessageResponse{Status: answer()}, nil
						}
						server.change = func(context.Context, *v2.ChangeInvisibleDurationRequest) (*v2.ChangeInvisibleDurationResponse, error) {
							return &v2.ChangeInvisibleDurationResponse{Status: answer()}, nil
						}
					})
					server.give(nil, ids("a")...)
					n.push(handle, client.WithCacheLimit(1, 1<<20), client.WithInvisibleDuration(lease))
					time.Sleep(10 * time.Minute)
					require.GreaterOrEqual(n, calls.Load(), c.least)
					require.LessOrEqual(n, calls.Load(), c.most)
					require.Less(n, time.Duration(last.Load()), lease)
					polls, _ := server.polled()
					require.Greater(n, len(polls), 1, "there is room again")
				})
			})
		}
	}
}

func TestPushConsumer_NeverWaitsForAnAck(t *testing.T) {
	onNetwork(t, single, func(n *network) {
		c := n.counterAt(single[0], false)
		c.script(func() {
			c.ack = func(ctx context.Context, _ *v2.AckMessageRequest) (*v2.AckMessageResponse, error) {
				time.Sleep(time.Second)
				return &v2.AckMessageResponse{Status: ok()}, nil
			}
		})
		var all []string
		for i := range 30 {
			all = append(all, fmt.Sprint(i))
		}
		c.give(nil, ids(all...)...)
		var seen journal
		n.push(seen.seeID, client.WithConcurrency(1))
		time.Sleep(100 * time.Millisecond)
		require.Len(n, seen.all(), 30)
	})
}

func TestPushConsumer_AcknowledgesManyInARequest(t *testing.T) {
	onNetwork(t, single, func(n *network) {
		c := n.counterAt(single[0], false)
		sizes := make(chan int, 1000)
		c.script(func() {
			c.ack = func(ctx context.Context, q *v2.AckMessageRequest) (*v2.AckMessageResponse, error) {
				sizes <- len(q.GetEntries())
				time.Sleep(3 * time.Millisecond)
				return &v2.AckMessageResponse{Status: ok()}, nil
			}
		})
		const polls = 10
		for i := range polls {
			var all []string
			for j := range 32 {
				all = append(all, fmt.Sprint(32*i+j))
			}
			c.give(nil, ids(all...)...)
		}
		n.push(new(journal).seeID)
		time.Sleep(time.Second)
		require.Less(n, len(sizes), 32*polls/4)
		total := 0
		for len(sizes) > 0 {
			size := <-sizes
			require.LessOrEqual(n, size, 128)
			total += size
		}
		require.Equal(n, 32*polls, total)
	})
}

func TestPushConsumer_NacksACorruptedBody(t *testing.T) {
	onNetwork(t, single, func(n *network) {
		c := n.counterAt(single[0], false)
		c.give(nil, messageFrame("a", at(0, 0), corrupt), messageFrame("b", at(0, 1)))
		var seen journal
		n.push(seen.seeID)
		time.Sleep(time.Second)
		require.Equal(n, []string{"b"}, seen.all())
		require.ElementsMatch(n, []string{"nack a 1s", "ack b"}, c.all())
	})
}

func TestPushConsumer_SuspendsWithoutCountingAnAttempt(t *testing.T) {
	onNetwork(t, single, func(n *network) {
		c := n.counterAt(single[0], false)
		c.give(nil, ids("a", "b")...)
		n.push(func(_ context.Context, m *client.Message) error {
			if m.ID == "a" {
				return fmt.Errorf("busy: %w", client.SuspendFor(time.Minute))
			}
			return client.SuspendFor(0)
		})
		synctest.Wait()
		require.ElementsMatch(n, []string{"nack a 1m0s suspended", "nack b 50ms suspended"}, c.all())
	})
}

func TestPushConsumer_SurvivesAHandlerThatEndsItsGoroutine(t *testing.T) {
	for name, fifo := range map[string]bool{"concurrent": false, "FIFO": true} {
		t.Run(name, func(t *testing.T) {
			onNetwork(t, single, func(n *network) {
				c := n.counterAt(single[0], fifo)
				c.give(nil, ids("a", "b")...)
				var first atomic.Bool
				var seen journal
				n.push(func(_ context.Context, m *client.Message) error {
					if first.CompareAndSwap(false, true) {
						runtime.Goexit()
					}
					seen.add("%s", m.ID)
					return nil
				}, client.WithConcurrency(1))
				time.Sleep(2 * time.Second)
				require.Contains(n, seen.all(), "b")
			})
		})
	}
}

func TestPushConsumer_GivesNoMessageWhoseLeaseIsOver(t *testing.T) {
	for name, fifo := range map[string]bool{"concurrent": false, "FIFO": true} {
		t.Run(name, func(t *testing.T) {
			onNetwork(t, single, func(n *network) {
				c := n.counterAt(single[0], fifo)
				c.give(nil, ids("a", "b")...)
				var seen journal
				n.push(func(_ context.Context, m *client.Message) error {
					seen.add("%s", m.ID)
					time.Sleep(11 * time.Second)
					return nil
				}, client.WithConcurrency(1), client.WithInvisibleDuration(10*time.Second))
				time.Sleep(time.Minute)
				require.Equal(n, []string{"a"}, seen.all())
			})
		})
	}
}

func TestPushConsumer_AcknowledgesWhatAnInterceptorDoesNotWant(t *testing.T) {
	var told journal
	onNetwork(t, single, func(n *network) {
		c := n.counterAt(single[0], true)
		c.give(nil, ids("a", "b", "c")...)
		var seen journal
		n.push(seen.seeID)
		synctest.Wait()
		require.Equal(n, []string{"a", "c"}, seen.all())
		require.ElementsMatch(n, []string{"ack a", "ack b", "ack c"}, c.all())
		require.Equal(n, []string{"a consumed: <nil>", "a ack: <nil>", "c consumed: <nil>", "c ack: <nil>"}, told.all())
	}, client.WithInterceptors(client.Interceptor{
		Receive: func(_ context.Context, _ string, m *client.Message) bool { return m.ID != "b" },
		Consume: func(_ context.Context, _ string, m *client.Message) (context.Context, func(error)) {
			return nil, func(err error) { told.add("%s consumed: %v", m.ID, err) }
		},
		Settle: func(_ context.Context, _ string, m *client.Message, a client.Action) func(error) {
			return func(err error) { told.add("%s %v: %v", m.ID, a, err) }
		},
	}))
}
