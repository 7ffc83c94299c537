package client_test

import (
	"context"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/client"
)

func TestPushConsumer_BeginsTheNextOnFIFOWhenTheOneBeforeIsSettled(t *testing.T) {
	onNetwork(t, single, func(n *network) {
		c := n.counterAt(single[0], true)
		proceed := make(chan *v2.Status)
		c.script(func() {
			c.ack = func(context.Context, *v2.AckMessageRequest) (*v2.AckMessageResponse, error) {
				return &v2.AckMessageResponse{Status: <-proceed}, nil
			}
		})
		c.give(nil, ids("a", "b")...)
		var seen journal
		n.push(seen.seeID)
		synctest.Wait()
		require.Equal(n, []string{"a"}, seen.all())
		proceed <- code(v2.Code_INTERNAL_ERROR)
		synctest.Wait()
		require.Equal(n, []string{"a"}, seen.all(), "it will be tried again")
		proceed <- ok()
		synctest.Wait()
		require.Equal(n, []string{"a", "b"}, seen.all())
		proceed <- ok()
	})
}

func TestPushConsumer_LetsNothingPassOnFIFOWhatCouldNotBeSettled(t *testing.T) {
	onNetwork(t, single, func(n *network) {
		c := n.counterAt(single[0], true)
		var refused atomic.Bool
		c.script(func() {
			well := c.ack
			c.ack = func(ctx context.Context, q *v2.AckMessageRequest) (*v2.AckMessageResponse, error) {
				if q.GetEntries()[0].GetMessageId() == "a" && refused.CompareAndSwap(false, true) {
					return &v2.AckMessageResponse{Status: code(v2.Code_INVALID_RECEIPT_HANDLE)}, nil
				}
				return well(ctx, q)
			}
		})
		c.give(nil, append(ids("a", "b", "c"), messageFrame("x", at(1, 0)))...)
		var seen journal
		n.push(seen.seeID, client.WithConcurrency(1))
		time.Sleep(time.Second)
		require.Equal(n, []string{"a", "x"}, seen.all(), "another queue goes on")
		c.give(nil, ids("a", "b", "c")...)
		time.Sleep(time.Minute)
		require.Equal(n, []string{"a", "x", "a", "b", "c"}, seen.all())
	})
}

func TestPushConsumer_EndsFIFOAttemptsWithTheDeadLetters(t *testing.T) {
	onNetwork(t, single, func(n *network) {
		c := n.counterAt(single[0], true)
		c.give(nil, ids("a", "b")...)
		var seen journal
		begun := time.Now()
		n.push(func(_ context.Context, m *client.Message) error {
			seen.add("%s/%d after %v", m.ID, m.Attempt, time.Since(begun))
			if m.ID == "a" {
				return errHandler
			}
			return nil
		})
		time.Sleep(time.Minute)
		require.Equal(n, []string{"a/1 after 0s", "a/2 after 1s", "a/3 after 6s", "b/1 after 6s"}, seen.all())
		require.Equal(n, []string{"forward a/3", "ack b"}, c.all())
	})
}

func TestPushConsumer_ForwardsACorruptedFIFOMessage(t *testing.T) {
	onNetwork(t, single, func(n *network) {
		c := n.counterAt(single[0], true)
		c.give(nil, messageFrame("a", at(0, 0), corrupt), messageFrame("b", at(0, 1)))
		var seen journal
		n.push(seen.seeID)
		synctest.Wait()
		require.Equal(n, []string{"b"}, seen.all())
		require.Equal(n, []string{"forward a/1", "ack b"}, c.all())
	})
}

func TestPushConsumer_WaitsOnFIFOForWhatIsSuspended(t *testing.T) {
	onNetwork(t, single, func(n *network) {
		c := n.counterAt(single[0], true)
		c.give(nil, ids("a", "b")...)
		var seen journal
		begun := time.Now()
		n.push(func(_ context.Context, m *client.Message) error {
			seen.add("%s/%d after %v", m.ID, m.Attempt, time.Since(begun))
			if time.Since(begun) < 9*time.Second {
				return client.SuspendFor(3 * time.Second)
			}
			return nil
		})
		time.Sleep(time.Minute)
		require.Equal(n, []string{"a/1 after 0s", "a/1 after 3s", "a/1 after 6s", "a/1 after 9s", "b/1 after 9s"}, seen.all())
	})
}

func TestPushConsumer_TakesARedeliveryOnFIFOForTheLatestLease(t *testing.T) {
	onNetwork(t, single, func(n *network) {
		c := n.counterAt(single[0], true)
		handles := make(chan string, 10)
		c.script(func() {
			c.ack = func(_ context.Context, q *v2.AckMessageRequest) (*v2.AckMessageResponse, error) {
				handles <- q.GetEntries()[0].GetReceiptHandle()
				return &v2.AckMessageResponse{Status: ok()}, nil
			}
		})
		renewed := func(m *v2.Message) {
			m.SystemProperties.ReceiptHandle = new("new handle of " + m.SystemProperties.MessageId)
		}
		c.give(nil, ids("a", "b", "c")...)
		proceed := make(chan struct{})
		var seen journal
		n.push(func(_ context.Context, m *client.Message) error {
			seen.add("%s", m.ID)
			<-proceed
			return nil
		})
		synctest.Wait()
		c.give(nil, messageFrame("a", at(0, 0), renewed), messageFrame("b", at(0, 1), renewed))
		synctest.Wait()
		close(proceed)
		synctest.Wait()
		require.Equal(n, []string{"a", "b"}, seen.all(), "c comes again with the rest of the queue")
		require.Equal(n, "new handle of a", <-handles)
		require.Equal(n, "new handle of b", <-handles)
	})
}

func TestPushConsumer_LeavesToTheServerWhatItsLeaseDoesNotLastFor(t *testing.T) {
	onNetwork(t, single, func(n *network) {
		c := n.counterAt(single[0], true)
		c.give(nil, ids("a", "b")...)
		var seen journal
		n.push(func(_ context.Context, m *client.Message) error {
			seen.add("%s/%d", m.ID, m.Attempt)
			if m.ID == "a" && m.Attempt < 3 {
				time.Sleep(5 * time.Second)
				return errHandler
			}
			return nil
		}, client.WithInvisibleDuration(12*time.Second))
		time.Sleep(30 * time.Second)
		require.Equal(n, []string{"a/1", "a/2"}, seen.all())
		require.ElementsMatch(n, []string{"nack a 5s suspended", "nack b 5s suspended"}, c.all())
		c.give(nil, ids("a", "b")...) // as first attempts, since servers may forget
		time.Sleep(30 * time.Second)
		require.Equal(n, []string{"a/1", "a/2", "a/3", "b/1"}, seen.all())
	})
}

func TestPushConsumer_HandsBackOnFIFOWhatWaits(t *testing.T) {
	for name, handle := range map[string]client.Handler{
		"for the one before it": func(context.Context, *client.Message) error { time.Sleep(5 * time.Second); return errHandler },
		"to be tried again":     func(context.Context, *client.Message) error { return errHandler },
	} {
		t.Run(name, func(t *testing.T) {
			onNetwork(t, single, func(n *network) {
				c := n.counterAt(single[0], true)
				c.give(nil, ids("a", "b", "c")...)
				pc := n.push(handle)
				synctest.Wait()
				require.Empty(n, c.all())
				require.NoError(n, pc.Close())
				require.ElementsMatch(n, []string{"nack a 0s suspended", "nack b 0s suspended", "nack c 0s suspended"}, c.all())
			})
		})
	}
}

func TestPushConsumer_KeepsTheOrderOfAMessageGroupOverAnswers(t *testing.T) {
	onNetwork(t, single, func(n *network) {
		c := n.counterAt(single[0], true)
		of := func(group string) func(*v2.Message) {
			return func(m *v2.Message) { m.SystemProperties.MessageGroup = &group }
		}
		c.give(nil, messageFrame("a1", at(0, 0), of("a")), messageFrame("b1", at(0, 1), of("b")), messageFrame("x1", at(0, 2)))
		c.give(nil, messageFrame("a2", at(0, 3), of("a")), messageFrame("b2", at(0, 4), of("b")), messageFrame("x2", at(0, 5)))
		var seen journal
		n.push(func(_ context.Context, m *client.Message) error {
			if m.ID == "a1" {
				time.Sleep(time.Second)
			}
			seen.add("%s", m.ID)
			return nil
		}, client.WithFIFOAccelerator(), client.WithConcurrency(2))
		time.Sleep(time.Minute)
		all := seen.all()
		require.Equal(n, []string{"a1", "a2"}, all[len(all)-2:], "the others did not wait for it")
		for _, group := range []string{"b", "x"} {
			require.Less(n, slices.Index(all, group+"1"), slices.Index(all, group+"2"), group)
		}
	})
}
