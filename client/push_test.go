package client_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/client"
)

// push runs a push consumer until the end of the test, or its Close.
func (r *rig) push(group string, topics []string, handle client.Handler, opts ...client.PushOption) *client.PushConsumer {
	r.Helper()
	pc, err := r.client.NewPushConsumer(group, everything(topics...), handle, opts...)
	require.NoError(r, err)
	start(r.T, pc)
	return pc
}

// start runs a consumer in the background. It must end without an error.
func start(t *testing.T, pc *client.PushConsumer) {
	t.Helper()
	ended := make(chan error, 1)
	go func() { ended <- pc.Run(t.Context()) }()
	t.Cleanup(func() {
		require.NoError(t, pc.Close())
		require.NoError(t, <-ended)
	})
}

func everything(topics ...string) map[string]client.Filter {
	subscriptions := make(map[string]client.Filter)
	for _, topic := range topics {
		subscriptions[topic] = client.All()
	}
	return subscriptions
}

// all returns the lines so far, as they came.
func (j *journal) all() []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clone(j.lines)
}

// see returns a handler that notes bodies.
func (j *journal) see(_ context.Context, m *client.Message) error {
	j.add("%s", m.Body)
	return nil
}

func TestPushConsumer_ConsumesAndAcknowledges(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.send("orders", "a", "b", "c")
		r.send("bills", "x")
		var seen journal
		r.push("G", []string{"orders", "bills"}, seen.see)
		time.Sleep(time.Second)
		require.ElementsMatch(r, []string{"a", "b", "c", "x"}, seen.all())
		r.send("orders", "d")
		synctest.Wait()
		require.Contains(r, seen.all(), "d")
		time.Sleep(time.Hour)
		require.Len(r, seen.all(), 5, "acknowledged, so not redelivered")
	})
}

func TestPushConsumer_HandsBackWhatFailsByTheBackoffOfItsAttempt(t *testing.T) {
	inBubble(t, func(r *rig) {
		var seen journal
		start := time.Now()
		r.push("G", []string{"orders"}, func(_ context.Context, m *client.Message) error {
			seen.add("%d after %v", m.Attempt, time.Since(start).Truncate(time.Second))
			if m.Attempt == 4 {
				return nil
			}
			return errors.New("not yet")
		})
		r.send("orders", "a")
		time.Sleep(time.Hour)
		require.Len(r, seen.all(), 4)
		require.Equal(r, "1 after 0s", seen.all()[0])
		require.Regexp(r, `2 after [1-4]s`, seen.all()[1])          // 1 s
		require.Regexp(r, `3 after ([6-9]|1[01])s`, seen.all()[2])  // 5 s
		require.Regexp(r, `4 after 1[6-9]s|2[0-2]s`, seen.all()[3]) // 10 s
	})
}

func TestPushConsumer_EndsWithTheDeadLetters(t *testing.T) {
	inBubble(t, func(r *rig) {
		var calls atomic.Int32
		r.push("once", []string{"orders"}, func(context.Context, *client.Message) error {
			calls.Add(1)
			return errors.New("never")
		})
		r.send("orders", "a")
		time.Sleep(time.Hour)
		require.EqualValues(r, 2, calls.Load())
		require.Equal(r, []string{"a"}, r.stored("%DLQ%once"))
	})
}

func TestPushConsumer_TakesAPanicForAFailure(t *testing.T) {
	inBubble(t, func(r *rig) {
		var seen journal
		r.push("G", []string{"orders"}, func(_ context.Context, m *client.Message) error {
			seen.add("%d", m.Attempt)
			if m.Attempt == 1 {
				panic("oh")
			}
			return nil
		})
		r.send("orders", "a")
		time.Sleep(time.Minute)
		require.Equal(r, []string{"1", "2"}, seen.all())
	})
}

func TestPushConsumer_RunFailsAtOnceForWhatCannotBe(t *testing.T) {
	inBubble(t, func(r *rig) {
		for name, c := range map[string]struct {
			group, topic string
			kind         error
		}{
			"no such topic": {"G", "nowhere", client.ErrTopicNotFound},
			"no such group": {"nobody", "orders", client.ErrGroupNotFound},
		} {
			var seen journal
			pc, err := r.client.NewPushConsumer(c.group, everything(c.topic), seen.see)
			require.NoError(r, err, name)
			require.ErrorIs(r, pc.Run(r.Context()), c.kind, name)
			require.ErrorContains(r, pc.Run(r.Context()), "runs already, or has", name)
			require.NoError(r, pc.Close(), name)
		}
	})
}

func TestPushConsumer_RunsUpToItsConcurrency(t *testing.T) {
	inBubble(t, func(r *rig) {
		var running, most atomic.Int32
		r.push("G", []string{"orders"}, func(context.Context, *client.Message) error {
			most.Store(max(most.Load(), running.Add(1)))
			time.Sleep(time.Second)
			running.Add(-1)
			return nil
		}, client.WithConcurrency(7))
		for i := range 50 {
			r.send("orders", fmt.Sprint(i))
		}
		time.Sleep(20 * time.Second)
		require.EqualValues(r, 7, most.Load())
	})
}

func TestPushConsumer_ClosesInUnderASecondWhenIdle(t *testing.T) {
	inBubble(t, func(r *rig) {
		var seen journal
		pc := r.push("G", []string{"orders", "bills"}, seen.see)
		time.Sleep(time.Minute)
		start := time.Now()
		require.NoError(r, pc.Close())
		require.Less(r, time.Since(start), time.Second)
	})
}

func TestPushConsumer_HandsBackAtCloseWhatNoHandlerHasBegun(t *testing.T) {
	inBubble(t, func(r *rig) {
		var seen journal
		pc := r.push("G", []string{"orders"}, func(ctx context.Context, m *client.Message) error {
			seen.add("%s", m.Body)
			time.Sleep(3 * time.Second)
			return ctx.Err()
		}, client.WithConcurrency(1))
		r.send("orders", "a", "b", "c")
		synctest.Wait()
		require.Len(r, seen.all(), 1)
		start := time.Now()
		require.NoError(r, pc.Close())
		require.LessOrEqual(r, time.Since(start), 4*time.Second)

		var again journal
		r.push("G", []string{"orders"}, func(_ context.Context, m *client.Message) error {
			again.add("%d", m.Attempt)
			return nil
		})
		time.Sleep(10 * time.Second)
		require.Equal(r, []string{"1", "1"}, again.all(), "at once, and not counted")
	})
}

func TestPushConsumer_EndsHandlersThatOutlastTheDrain(t *testing.T) {
	inBubble(t, func(r *rig) {
		pc := r.push("G", []string{"orders"}, func(ctx context.Context, m *client.Message) error {
			<-ctx.Done()
			return context.Cause(ctx)
		}, client.WithDrainTimeout(5*time.Second))
		r.send("orders", "a")
		synctest.Wait()
		start := time.Now()
		require.NoError(r, pc.Close())
		require.InDelta(r, 5, time.Since(start).Seconds(), 1)
		require.Len(r, r.receive(r.consumer("G", "orders"), 1), 1)
	})
}

func TestPushConsumer_AddsAndRemovesTopics(t *testing.T) {
	inBubble(t, func(r *rig) {
		var seen journal
		pc := r.push("G", []string{"orders"}, seen.see)
		time.Sleep(time.Second)
		require.NoError(r, pc.Subscribe("bills", client.All()))
		synctest.Wait()
		r.send("bills", "x")
		synctest.Wait()
		require.Equal(r, []string{"x"}, seen.all())
		pc.Unsubscribe("bills")
		synctest.Wait()
		r.send("bills", "y")
		r.send("orders", "a")
		time.Sleep(time.Minute)
		require.Equal(r, []string{"x", "a"}, seen.all())
		require.ErrorIs(r, pc.Subscribe("a b", client.All()), client.ErrIllegalTopic)
	})
}

func TestPushConsumer_KeepsWithinItsCache(t *testing.T) {
	inBubble(t, func(r *rig) {
		for i := range 100 {
			r.send("orders", fmt.Sprint(i))
		}
		proceed := make(chan struct{})
		r.push("G", []string{"orders"}, func(context.Context, *client.Message) error {
			<-proceed
			return nil
		}, client.WithCacheLimit(10, 1<<20), client.WithConcurrency(1), client.WithInvisibleDuration(time.Hour))
		time.Sleep(time.Minute)
		got := r.receive(r.consumer("G", "orders"), 90)
		require.Len(r, got, 90, "which the consumer has not taken")
		close(proceed)
		time.Sleep(time.Minute)
	})
}

func TestNewPushConsumer_ReportsAllFaults(t *testing.T) {
	inBubble(t, func(r *rig) {
		_, err := r.client.NewPushConsumer("", map[string]client.Filter{"a b": client.SQL("")}, nil,
			client.WithCacheLimit(0, 1), client.WithConcurrency(0), client.WithPolls(0),
			client.WithInvisibleDuration(time.Second), client.WithDrainTimeout(0), client.WithReceiveRate(-1))
		require.ErrorIs(r, err, client.ErrIllegalGroup)
		require.ErrorIs(r, err, client.ErrIllegalTopic)
		require.ErrorIs(r, err, client.ErrIllegalFilter)
		for _, option := range []string{"handler", "WithCacheLimit", "WithConcurrency", "WithPolls",
			"WithInvisibleDuration", "WithDrainTimeout", "WithReceiveRate"} {
			require.ErrorContains(r, err, option)
		}
	})
}
