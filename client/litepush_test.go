package client_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"

	"github.com/rocketflow-io/rocketflow/client"
)

// litePush runs a push consumer of the lite topics until the end of the test, or its Close.
func (r *rig) litePush(
	group string, liteTopics []string, handle client.Handler, opts ...client.LitePushOption,
) *client.LitePushConsumer {
	r.Helper()
	lp, err := r.client.NewLitePushConsumer(group, "parent", handle, opts...)
	require.NoError(r, err)
	for _, name := range liteTopics {
		require.NoError(r, lp.SubscribeLite(r.Context(), name))
	}
	ended := make(chan error, 1)
	go func() { ended <- lp.Run(r.Context()) }()
	r.Cleanup(func() {
		require.NoError(r, lp.Close())
		require.NoError(r, <-ended)
	})
	return lp
}

// of returns what was noted of one lite topic.
func (j *journal) of(liteTopic string) []string {
	return slices.DeleteFunc(j.all(), func(line string) bool { return !strings.HasPrefix(line, liteTopic) })
}

func TestLitePushConsumer_ConsumesEachLiteTopicInOrderAndAllBesideEachOther(t *testing.T) {
	inBubble(t, func(r *rig) {
		var seen journal
		var running, most int
		var mu sync.Mutex
		busy := make(map[string]bool)
		lp := r.litePush("L", []string{"A", "B", "C"}, func(_ context.Context, m *client.Message) error {
			mu.Lock()
			require.False(r, busy[m.LiteTopic], "two messages of %s at once", m.LiteTopic)
			busy[m.LiteTopic] = true
			running++
			most = max(most, running)
			mu.Unlock()
			time.Sleep(time.Second)
			seen.add("%s/%s", m.LiteTopic, m.Body)
			mu.Lock()
			defer mu.Unlock()
			busy[m.LiteTopic] = false
			running--
			return nil
		})
		begun := time.Now()
		for _, name := range []string{"A", "B", "C"} {
			r.sendLite(name, "1", "2", "3")
		}
		for len(seen.all()) < 9 {
			time.Sleep(100 * time.Millisecond)
		}
		require.Less(r, time.Since(begun), 5*time.Second)
		require.Equal(r, 3, most)
		for _, name := range []string{"A", "B", "C"} {
			require.Equal(r, []string{name + "/1", name + "/2", name + "/3"}, seen.of(name))
		}
		require.NoError(r, lp.UnsubscribeLite(r.Context(), "A"))
		require.NoError(r, lp.SubscribeLite(r.Context(), "D"))
		require.Equal(r, []string{"B", "C", "D"}, lp.LiteTopics())
		r.sendLite("A", "4")
		r.sendLite("D", "1")
		time.Sleep(time.Hour)
		require.Len(r, seen.all(), 10, "settled, so not redelivered")
		require.Equal(r, []string{"D/1"}, seen.of("D"))
	}, lite)
}

// A message that fails is tried again before the next of its lite topic, and at the end of the group's
// attempts it gives way.
func TestLitePushConsumer_TriesAgainAndThenMovesToTheDeadLetters(t *testing.T) {
	inBubble(t, func(r *rig) {
		var seen journal
		r.litePush("twice", []string{"A", "B"}, func(_ context.Context, m *client.Message) error {
			seen.add("%s/%s attempt %d", m.LiteTopic, m.Body, m.Attempt)
			if string(m.Body) == "poison" {
				return errors.New("no")
			}
			return nil
		})
		r.sendLite("A", "1", "poison", "2")
		r.sendLite("B", "1")
		time.Sleep(30 * time.Second)
		require.Equal(r, []string{
			"A/1 attempt 1", "A/poison attempt 1", "A/poison attempt 2", "A/2 attempt 1",
		}, seen.of("A"))
		require.Equal(r, []string{"B/1 attempt 1"}, seen.of("B"))
		require.Equal(r, []string{"poison"}, r.stored("%DLQ%twice"))
	}, lite)
}

// A suspension is of the lite topic: what came behind the message goes with it, and no attempt is counted.
func TestLitePushConsumer_SuspendsTheRestOfTheLiteTopic(t *testing.T) {
	inBubble(t, func(r *rig) {
		var seen journal
		r.sendLite("A", "1", "2", "3")
		r.sendLite("B", "1")
		begun := time.Now()
		suspended := false
		r.litePush("L", []string{"A", "B"}, func(_ context.Context, m *client.Message) error {
			seen.add("%s/%s after %v", m.LiteTopic, m.Body, time.Since(begun).Round(time.Second))
			if m.LiteTopic == "A" && string(m.Body) == "2" && !suspended {
				suspended = true
				return fmt.Errorf("not now: %w", client.SuspendFor(20*time.Second))
			}
			return nil
		})
		time.Sleep(time.Minute)
		require.Equal(r, []string{"A/1 after 0s", "A/2 after 0s", "A/2 after 20s", "A/3 after 20s"}, seen.of("A"))
		require.Equal(r, []string{"B/1 after 0s"}, seen.of("B"))
	}, lite)
}

// In the meantime it is the server's, and does not come sooner because its consumer has ended.
func TestLitePushConsumer_LeavesASuspendedLiteTopicToTheServer(t *testing.T) {
	inBubble(t, func(r *rig) {
		var seen journal
		r.sendLite("A", "1", "2")
		begun := time.Now()
		first := r.litePush("L", []string{"A"}, func(_ context.Context, m *client.Message) error {
			seen.add("A/%s suspended", m.Body)
			return client.SuspendFor(20 * time.Second)
		})
		time.Sleep(time.Second)
		require.NoError(r, first.Close())
		r.litePush("L", []string{"A"}, func(_ context.Context, m *client.Message) error {
			seen.add("A/%s after %v", m.Body, time.Since(begun).Round(time.Second))
			return nil
		})
		time.Sleep(time.Minute)
		require.Equal(r, []string{"A/1 suspended", "A/1 after 20s", "A/2 after 20s"}, seen.all())
	}, lite)
}

// A handler that needs longer than the lease loses it: the message comes again, and order holds.
func TestLitePushConsumer_KeepsOrderWhenALeaseIsOver(t *testing.T) {
	inBubble(t, func(r *rig) {
		var seen journal
		first := true
		r.litePush("L", []string{"A"}, func(_ context.Context, m *client.Message) error {
			seen.add("A/%s", m.Body)
			if first {
				first = false
				time.Sleep(15 * time.Second)
			}
			return nil
		}, client.WithInvisibleDuration(10*time.Second))
		r.sendLite("A", "1", "2", "3")
		time.Sleep(2 * time.Minute)
		lines := seen.of("A")
		require.Equal(r, []string{"A/1", "A/2", "A/3"}, slices.Compact(lines), lines)
	}, lite)
}

func TestLitePushConsumer_StopsAtAMissingTopicOrGroup(t *testing.T) {
	inBubble(t, func(r *rig) {
		for _, names := range [][2]string{{"L", "no-such-topic"}, {"no-such-group", "parent"}, {"G", "parent"}, {"L", "orders"}} {
			lp, err := r.client.NewLitePushConsumer(names[0], names[1], new(journal).see)
			require.NoError(r, err)
			require.Error(r, lp.Run(r.Context()), "%v", names)
			require.NoError(r, lp.Close())
		}
	}, lite)
}

// The lease is asked for explicitly: the server's renewals do not reach lite topics.
func TestLitePushConsumer_AsksForALeaseOfItsOwn(t *testing.T) {
	onNetwork(t, one, func(n *network) {
		n.registers("a:8081")
		s := n.at("a:8081")
		polls := make(chan *v2.ReceiveMessageRequest, 100)
		s.script(func() {
			s.receive = func(q *v2.ReceiveMessageRequest, stream grpc.ServerStreamingServer[v2.ReceiveMessageResponse]) error {
				polls <- q
				<-stream.Context().Done()
				return nil
			}
		})
		for _, c := range []struct {
			want time.Duration
			opts []client.LitePushOption
		}{
			{client.DefaultLiteInvisibleDuration, nil},
			{5 * time.Minute, []client.LitePushOption{client.WithInvisibleDuration(5 * time.Minute)}},
		} {
			lp, err := n.client.NewLitePushConsumer("G", "parent", new(journal).see, c.opts...)
			require.NoError(n, err)
			ended := make(chan error, 1)
			go func() { ended <- lp.Run(n.Context()) }()
			q := <-polls
			require.False(n, q.GetAutoRenew())
			require.Equal(n, c.want, q.GetInvisibleDuration().AsDuration())
			require.NoError(n, lp.Close())
			require.NoError(n, <-ended)
			synctest.Wait()
		}
	})
}

func TestNewLitePushConsumer_RefusesWhatCannotBe(t *testing.T) {
	onNetwork(t, one, func(n *network) {
		_, err := n.client.NewLitePushConsumer("", "a b", nil, client.WithConcurrency(0), client.WithReceiveRate(-1))
		require.ErrorIs(n, err, client.ErrIllegalGroup)
		require.ErrorIs(n, err, client.ErrIllegalTopic)
		require.ErrorContains(n, err, "handler")
		require.ErrorContains(n, err, "WithConcurrency")
		require.ErrorContains(n, err, "WithReceiveRate")
	})
}

// The message is the handler's own, to send it on for example; what it was is settled all the same.
func TestLitePushConsumer_SettlesWhatItsHandlerHasChanged(t *testing.T) {
	inBubble(t, func(r *rig) {
		p := r.producer()
		var seen journal
		r.litePush("L", []string{"A"}, func(ctx context.Context, m *client.Message) error {
			seen.add("%s", m.Body)
			if len(seen.all()) == 1 {
				m.LiteTopic = "B"
				return client.SuspendFor(time.Second)
			}
			m.Topic, m.LiteTopic, m.ID = "orders", "", "another"
			_, err := p.Send(ctx, m)
			return err
		})
		r.sendLite("A", "1", "2")
		time.Sleep(10 * time.Minute)
		require.Equal(r, []string{"1", "1", "2"}, seen.all())
		require.ElementsMatch(r, []string{"1", "2"}, r.stored("orders"))
	}, lite)
}
