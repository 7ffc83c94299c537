package client_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/rocketflow-io/rocketflow/client"
)

func TestPushConsumer_KeepsTheAttemptIDUntilMessagesCome(t *testing.T) {
	onNetwork(t, single, func(n *network) {
		c := n.counterAt(single[0], true)
		for _, a := range []answer{noMessage, throttled, broken, noMessage} {
			c.answers <- a
		}
		c.give(nil, ids("a")...)
		n.push(new(journal).seeID)
		time.Sleep(10 * time.Second)
		polls, _ := c.polled()
		require.Len(n, polls, 6)
		for i, q := range polls {
			require.NotEmpty(n, q.GetAttemptId())
			require.Equal(n, i < 5, q.GetAttemptId() == polls[0].GetAttemptId(), "poll %d", i)
		}
	})
}

func TestPushConsumer_RepeatsABrokenFIFOPollByItsAttempt(t *testing.T) {
	onNetwork(t, single, func(n *network) {
		c := n.counterAt(single[0], true)
		c.give(status.Error(codes.Unavailable, "gone"), ids("a")...)
		c.give(nil, ids("a", "b")...)
		var seen journal
		n.push(seen.seeID)
		synctest.Wait()
		require.Empty(n, seen.all(), "the attempt gets it again, with what belongs behind it")
		time.Sleep(3 * time.Second)
		require.Equal(n, []string{"a", "b"}, seen.all())
		polls, _ := c.polled()
		require.Equal(n, polls[0].GetAttemptId(), polls[1].GetAttemptId())
	})
}

func TestPushConsumer_KeepsALostAttemptUntilAnAnswerHadRoomLeft(t *testing.T) {
	onNetwork(t, single, func(n *network) {
		c := n.counterAt(single[0], true)
		c.answers <- broken
		c.give(nil, ids("a", "b")...) // which may not be what was lost
		c.give(nil, ids("c")...)
		proceed := make(chan struct{})
		n.push(func(context.Context, *client.Message) error {
			<-proceed
			return nil
		}, client.WithCacheLimit(2, 1<<20))
		time.Sleep(10 * time.Second)
		polls, _ := c.polled()
		require.Len(n, polls, 2, "asked before a and b are settled, the server would give them again")
		close(proceed)
		time.Sleep(time.Second)
		polls, _ = c.polled()
		require.Len(n, polls, 4)
		for i, q := range polls {
			require.Equal(n, i < 3, q.GetAttemptId() == polls[0].GetAttemptId(), "poll %d", i)
		}
	})
}

func TestPushConsumer_ConsumesWhatABrokenPollBrought(t *testing.T) {
	onNetwork(t, single, func(n *network) {
		c := n.counterAt(single[0], false)
		c.give(status.Error(codes.Unavailable, "gone"), ids("a")...)
		var seen journal
		n.push(seen.seeID)
		synctest.Wait()
		require.Equal(n, []string{"a"}, seen.all())
	})
}

func TestPushConsumer_WaitsByWhatWentWrong(t *testing.T) {
	for name, c := range map[string]struct {
		answer       answer
		first, last  time.Duration // waits, with their spread
		grows, never bool
	}{
		"throttled": {answer: throttled, first: 16 * time.Millisecond, last: 1200 * time.Millisecond, grows: true},
		"broken":    {answer: broken, first: 800 * time.Millisecond, last: 3600 * time.Millisecond, grows: true},
		"empty":     {answer: noMessage},
	} {
		t.Run(name, func(t *testing.T) {
			onNetwork(t, single, func(n *network) {
				server := n.counterAt(single[0], false)
				for range 12 {
					server.answers <- c.answer
				}
				n.push(new(journal).seeID)
				time.Sleep(2 * time.Minute)
				_, when := server.polled()
				require.GreaterOrEqual(n, len(when), 12)
				for i := range 10 {
					wait := when[i+1].Sub(when[i])
					require.GreaterOrEqual(n, wait, c.first, "wait %d", i)
					require.LessOrEqual(n, wait, c.last, "wait %d", i)
				}
				if c.grows {
					require.Less(n, when[1].Sub(when[0]), 2*c.first)
					require.Greater(n, when[9].Sub(when[8]), 2*c.first)
				}
			})
		})
	}
}

func TestPushConsumer_HasTheServerRenewLeasesUnlessToldHowLong(t *testing.T) {
	for name, c := range map[string]struct {
		opts  []client.PushOption
		lease time.Duration // 0 for one that is renewed
	}{
		"by default": {nil, 0},
		"explicit":   {[]client.PushOption{client.WithInvisibleDuration(time.Hour)}, time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			onNetwork(t, single, func(n *network) {
				server := n.counterAt(single[0], false)
				n.push(new(journal).seeID, c.opts...)
				synctest.Wait()
				polls, _ := server.polled()
				require.Len(n, polls, 1)
				require.Equal(n, c.lease == 0, polls[0].GetAutoRenew())
				require.Equal(n, c.lease == 0, polls[0].GetInvisibleDuration() == nil)
				require.Equal(n, c.lease, polls[0].GetInvisibleDuration().AsDuration())
				require.EqualValues(n, 32, polls[0].GetBatchSize())
				require.Equal(n, 20*time.Second, polls[0].GetLongPollingTimeout().AsDuration())
				require.EqualValues(n, -1, polls[0].GetMessageQueue().GetId())
				require.Equal(n, "G", polls[0].GetGroup().GetName())
			})
		})
	}
}

func TestPushConsumer_PollsMoreWhenAnswersAreFull(t *testing.T) {
	for name, c := range map[string]struct {
		fifo bool
		want int
	}{"of a group that is not FIFO": {false, 3}, "never of one that is": {true, 1}} {
		t.Run(name, func(t *testing.T) {
			onNetwork(t, single, func(n *network) {
				server := n.counterAt(single[0], c.fifo)
				var under, most atomic.Int32
				var next atomic.Int64
				left := atomic.Int32{}
				left.Store(20)
				server.script(func() {
					server.receive = func(q *v2.ReceiveMessageRequest, s receiveServer) error {
						most.Store(max(most.Load(), under.Add(1)))
						defer under.Add(-1)
						if left.Add(-1) < 0 {
							<-s.Context().Done()
							return nil
						}
						time.Sleep(10 * time.Millisecond)
						var all []*v2.ReceiveMessageResponse
						for range q.GetBatchSize() {
							all = append(all, messageFrame(fmt.Sprint(next.Load()), at(0, next.Add(1))))
						}
						return frames(nil, all...)(q, s)
					}
				})
				n.push(new(journal).seeID, client.WithPolls(3))
				time.Sleep(time.Second)
				require.EqualValues(n, c.want, most.Load())
			})
		})
	}
}

func TestPushConsumer_AsksForNoMoreThanThereIsRoomFor(t *testing.T) {
	onNetwork(t, single, func(n *network) {
		server := n.counterAt(single[0], false)
		server.give(nil, ids("1", "2", "3", "4", "5", "6", "7")...)
		server.give(nil, ids("8", "9", "10")...)
		proceed := make(chan struct{})
		n.push(func(context.Context, *client.Message) error {
			<-proceed
			return nil
		}, client.WithCacheLimit(10, 1<<20))
		time.Sleep(time.Minute)
		polls, _ := server.polled()
		require.Len(n, polls, 2, "none without room")
		require.EqualValues(n, 10, polls[0].GetBatchSize())
		require.EqualValues(n, 3, polls[1].GetBatchSize())
		proceed <- struct{}{}
		synctest.Wait() // one is settled, and wakes the poll at once
		polls, _ = server.polled()
		require.Len(n, polls, 3)
		require.EqualValues(n, 1, polls[2].GetBatchSize())
		close(proceed)
	})
}

func TestPushConsumer_WaitsForRoomInBytes(t *testing.T) {
	onNetwork(t, single, func(n *network) {
		server := n.counterAt(single[0], false)
		server.give(nil, ids("1", "2", "3")...) // of 9 bytes each
		proceed := make(chan struct{})
		n.push(func(context.Context, *client.Message) error {
			<-proceed
			return nil
		}, client.WithCacheLimit(100, 27+18))
		time.Sleep(time.Minute)
		polls, _ := server.polled()
		require.EqualValues(n, 32, polls[0].GetBatchSize(), "nothing is known of sizes yet")
		require.EqualValues(n, 2, polls[1].GetBatchSize())
		close(proceed)
	})
}
