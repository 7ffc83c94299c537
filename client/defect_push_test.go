package client_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
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

func TestDefectB1_TheNextOfAFIFOQueueWaitsUntilTheOneBeforeIsSettled(t *testing.T) {
	onNetwork(t, single, func(n *network) {
		s := n.counterAt(single[0], true)
		s.give(nil, ids("m1", "m2", "m3")...)
		inner, slow := s.ack, true
		s.ack = func(ctx context.Context, q *v2.AckMessageRequest) (*v2.AckMessageResponse, error) {
			if slow {
				slow = false
				time.Sleep(2 * time.Second)
			}
			return inner(ctx, q)
		}
		n.push(func(_ context.Context, m *client.Message) error {
			s.add("%s/%d", m.ID, m.Attempt)
			if m.ID == "m1" && m.Attempt == 1 || m.ID == "m2" {
				return errors.New("not yet")
			}
			return nil
		})
		time.Sleep(time.Minute)
		require.Equal(n, []string{
			"m1/1", "m1/2", "ack m1", "m2/1", "m2/2", "m2/3", "forward m2/3", "m3/1", "ack m3",
		}, s.all())
	})
}

func TestDefectB2_TheAttemptIDStaysUntilMessagesHaveCome(t *testing.T) {
	onNetwork(t, single, func(n *network) {
		s := n.counterAt(single[0], true)
		s.answers <- frames(status.Error(codes.Unavailable, "lost"))
		s.answers <- noMessage
		s.answers <- broken
		s.answers <- frames(status.Error(codes.DeadlineExceeded, "lost"))
		s.give(nil, ids("a")...)
		n.push(s.see)
		time.Sleep(time.Minute)
		polls, _ := s.polled()
		require.GreaterOrEqual(n, len(polls), 6)
		first := polls[0].GetAttemptId()
		require.NotEmpty(n, first)
		for _, poll := range polls[:5] {
			require.Equal(n, first, poll.GetAttemptId())
		}
		require.NotEqual(n, first, polls[5].GetAttemptId())
	})
}

func TestDefectB3_AReceiptThatIsInvalidIsGivenUpAndFreesItsRoom(t *testing.T) {
	onNetwork(t, single, func(n *network) {
		s := n.counterAt(single[0], false)
		for _, id := range []string{"a", "b", "c"} {
			s.give(nil, ids(id)...)
		}
		s.change = func(_ context.Context, q *v2.ChangeInvisibleDurationRequest) (*v2.ChangeInvisibleDurationResponse, error) {
			s.add("change %s", q.GetMessageId())
			return &v2.ChangeInvisibleDurationResponse{Status: code(v2.Code_INVALID_RECEIPT_HANDLE)}, nil
		}
		s.ack = func(_ context.Context, q *v2.AckMessageRequest) (*v2.AckMessageResponse, error) {
			s.add("ack %s", q.GetEntries()[0].GetMessageId())
			return &v2.AckMessageResponse{Status: code(v2.Code_INVALID_RECEIPT_HANDLE)}, nil
		}
		n.push(func(_ context.Context, m *client.Message) error {
			s.add("%s", m.ID)
			if m.ID == "a" {
				return errors.New("not yet")
			}
			return nil
		}, client.WithCacheLimit(1, 1<<20))
		time.Sleep(time.Minute)
		require.Equal(n, []string{"a", "change a", "b", "ack b", "c", "ack c"}, s.all())
	})
}

func TestDefectB10_AfterEmptyPollsClosingWaitsForNothing(t *testing.T) {
	onNetwork(t, single, func(n *network) {
		s := n.counterAt(single[0], false)
		pc := n.push(s.see)
		time.Sleep(301 * time.Second)
		polls, _ := s.polled()
		require.Len(n, polls, 16, "one after the other")
		begun := time.Now()
		require.NoError(n, pc.Close())
		require.Less(n, time.Since(begun), time.Second)
	})
}

func TestDefectB11_AFailedQueryOfAssignmentsDropsNothing(t *testing.T) {
	onNetwork(t, single, func(n *network) {
		s := n.counterAt(single[0], false)
		var queries atomic.Int32
		well := s.assign
		s.assign = func(ctx context.Context, q *v2.QueryAssignmentRequest) (*v2.QueryAssignmentResponse, error) {
			if queries.Add(1) > 1 {
				return &v2.QueryAssignmentResponse{Status: code(v2.Code_INTERNAL_SERVER_ERROR)}, nil
			}
			return well(ctx, q)
		}
		n.push(s.see)
		time.Sleep(58 * time.Second)
		require.Greater(n, queries.Load(), int32(5))
		polls, _ := s.polled()
		require.Len(n, polls, 3, "no poll was broken off")
		s.give(nil, ids("a")...)
		time.Sleep(5 * time.Second)
		require.Equal(n, []string{"body of a", "ack a"}, s.all())
	})
}

func TestDefectB14_ATroubledServerIsLeftAloneAndABusyOneAskedSoon(t *testing.T) {
	for name, c := range map[string]struct {
		answer      answer
		least, most int // polls in 10 s
	}{
		"in trouble": {broken, 3, 9},
		"busy":       {throttled, 10, 40},
		"empty": {func(q *v2.ReceiveMessageRequest, s receiveServer) error {
			select {
			case <-time.After(500 * time.Millisecond):
			case <-s.Context().Done():
			}
			return noMessage(q, s)
		}, 20, 21},
	} {
		t.Run(name, func(t *testing.T) {
			onNetwork(t, single, func(n *network) {
				s := n.counterAt(single[0], false)
				for range 100 {
					s.answers <- c.answer
				}
				n.push(s.see)
				time.Sleep(10 * time.Second)
				polls, _ := s.polled()
				require.GreaterOrEqual(n, len(polls), c.least)
				require.LessOrEqual(n, len(polls), c.most)
			})
		})
	}
}

func TestDefectB16_APanicAndACloseLeaveNoMessageBehind(t *testing.T) {
	onNetwork(t, single, func(n *network) {
		s := n.counterAt(single[0], false)
		s.give(nil, ids("a")...)
		s.give(nil, ids("b")...)
		n.push(func(_ context.Context, m *client.Message) error {
			if m.ID == "a" {
				panic("oh")
			}
			s.add("%s", m.ID)
			return nil
		}, client.WithCacheLimit(1, 1<<20)) // "b" comes only once "a" has left
		time.Sleep(time.Minute)
		require.Equal(n, []string{"nack a 1s", "b", "ack b"}, s.all())
	})
	onNetwork(t, single, func(n *network) {
		s := n.counterAt(single[0], true)
		s.give(nil, ids("a", "b")...)
		pc := n.push(func(context.Context, *client.Message) error { return errors.New("not yet") })
		time.Sleep(100 * time.Millisecond) // "a" waits here to be tried again
		require.NoError(n, pc.Close())
		require.ElementsMatch(n, []string{"nack a 0s suspended", "nack b 0s suspended"}, s.all(), "both are handed back")
	})
}

func TestDefectB17_HandlersThatMakeWorkDoNotWaitForEachOther(t *testing.T) {
	inBubble(t, func(r *rig) {
		const groups = 200
		p := r.producer()
		for i := range 2 * groups {
			_, err := p.Send(r.Context(), &client.Message{Topic: "steps", Body: []byte("x"), MessageGroup: fmt.Sprint(i % groups)})
			require.NoError(r, err)
		}
		var consumed atomic.Int32
		r.push("O", []string{"steps"}, func(_ context.Context, m *client.Message) error {
			if m.Attempt == 1 {
				return errors.New("not yet") // each is put aside by a worker, and there are two
			}
			consumed.Add(1)
			return nil
		}, client.WithFIFOAccelerator(), client.WithConcurrency(2))
		time.Sleep(time.Minute)
		require.EqualValues(r, 2*groups, consumed.Load())
	})
}

func TestDefectB18_AServerCanShowAMessageToTheHandler(t *testing.T) {
	onNetwork(t, single, func(n *network) {
		c := newCommander(verifyCommand("good"), verifyCommand("bad"))
		s := n.counterAt(single[0], false)
		s.telemetry = c.serve
		n.push(func(_ context.Context, m *client.Message) error {
			if m.ID == "bad" {
				return errors.New("cannot be consumed")
			}
			return nil
		})
		synctest.Wait()
		got := make(map[string]v2.Code)
		for range 2 {
			reply := <-c.replies
			got[reply.GetVerifyMessageResult().GetNonce()] = reply.GetStatus().GetCode()
		}
		require.Equal(n, map[string]v2.Code{"good": v2.Code_OK, "bad": v2.Code_FAILED_TO_CONSUME_MESSAGE}, got)
		require.Empty(n, s.all(), "nothing is settled")
	})
}

func TestDefectC8_HandlersDoNotWaitForAcknowledgements(t *testing.T) {
	onNetwork(t, single, func(n *network) {
		all := make([]string, 32)
		for i := range all {
			all[i] = fmt.Sprint(i)
		}
		s := n.counterAt(single[0], false)
		s.give(nil, ids(all...)...)
		var consumed atomic.Int32
		s.ack = func(context.Context, *v2.AckMessageRequest) (*v2.AckMessageResponse, error) {
			time.Sleep(time.Second)
			return &v2.AckMessageResponse{Status: ok()}, nil
		}
		n.push(func(context.Context, *client.Message) error {
			consumed.Add(1)
			return nil
		}, client.WithConcurrency(1))
		time.Sleep(time.Millisecond)
		require.EqualValues(n, len(all), consumed.Load())
	})
}

func TestDefectC11_AWaitThatIsGivenUpTakesNobodysTurn(t *testing.T) {
	inBubble(t, func(r *rig) {
		for i := range 10 {
			r.send("bills", fmt.Sprint(i))
		}
		c, err := r.client.NewSimpleConsumer("G", everything("bills"), client.WithReceiveRate(1))
		require.NoError(r, err)
		got, err := c.Receive(r.Context(), 1, time.Minute) // which uses up what there was
		require.NoError(r, err)
		require.Len(r, got, 1)
		begun := time.Now()
		var wg sync.WaitGroup
		for range 5 { // who wait, and give up before it is their turn
			wg.Go(func() {
				ctx, cancel := context.WithTimeout(r.Context(), 500*time.Millisecond)
				defer cancel()
				_, err := c.Receive(ctx, 1, time.Minute)
				require.ErrorIs(r, err, context.DeadlineExceeded)
			})
		}
		wg.Go(func() {
			_, err := c.Receive(r.Context(), 1, time.Minute)
			require.NoError(r, err)
		})
		wg.Wait()
		require.InDelta(r, 1, time.Since(begun).Seconds(), 0.1, "on time, although others had waited before")
	})
}
