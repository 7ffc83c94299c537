package broker_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
)

// breakOff receives, and goes when it has read the status. What the connection holds of the messages
// is lost; of 8 messages of 30 KiB that is not all.
func (r *rig) breakOff(group, topic string, opts ...func(*v2.ReceiveMessageRequest)) {
	ctx, cancel := context.WithTimeout(r.ctx, 30*time.Second)
	defer cancel()
	stream, err := r.stub.ReceiveMessage(ctx, r.request(group, topic, opts...))
	r.NoError(err)
	_, err = stream.Recv()
	r.NoError(err)
	synctest.Wait() // until the server can send no more
}

// numbered gives bodies of 30 KiB that begin with a number.
func numbered(n int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprintf("%d%s", i, strings.Repeat(" ", 30<<10))
	}
	return all
}

func attempts(messages []*v2.Message) map[int32]int {
	counts := map[int32]int{}
	for _, m := range messages {
		counts[m.GetSystemProperties().GetDeliveryAttempt()]++
	}
	return counts
}

func TestReceive_HandsBackAtOnceWhatTheClientDidNotWaitFor(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.register()
		for _, body := range numbered(8) {
			r.send("N", body)
		}
		r.breakOff("G", "N")
		synctest.Wait()
		_, back := r.pop("G", "N")
		r.NotEmpty(back)
		r.Equal(map[int32]int{1: len(back)}, attempts(back), "not counted")
		r.ack("G", "N", handles(back...)...)
		time.Sleep(12 * time.Second)
		_, rest := r.pop("G", "N")
		r.Equal(map[int32]int{2: 8 - len(back)}, attempts(rest), "what had been sent")
	})
}

func TestOrdered_KeepsTheOrderOfWhatTheClientDidNotWaitFor(t *testing.T) {
	inOrder(t, func(r *rig) {
		r.breakOff("O", "F")
		synctest.Wait()
		got, _ := r.pop("O", "F")
		r.Empty(got, "blocked by what had been sent")
		time.Sleep(5 * time.Second)
		_, all := r.pop("O", "F")
		r.Len(all, 8)
		var bodies []string
		for _, m := range all {
			bodies = append(bodies, string(m.GetBody()))
		}
		r.Equal(numbered(8), bodies)
		counts := attempts(all)
		r.NotZero(counts[1])
		r.NotZero(counts[2])
	}, numbered(8)...)
}

func TestOrdered_CountsOneAttemptThatIsRepeated(t *testing.T) {
	inOrder(t, func(r *rig) {
		r.breakOff("O", "F", attempt("x"))
		synctest.Wait()
		_, all := r.pop("O", "F", attempt("x"))
		r.Equal(map[int32]int{1: 8}, attempts(all), "of what had been sent, and of what had not")
	}, numbered(8)...)
}

func TestAutoRenew_FreesAnOrderedQueueWhenItsClientEnds(t *testing.T) {
	inOrder(t, func(r *rig) {
		r.pop("O", "F", autoRenew)
		r.Equal(v2.Code_OK, r.terminate("O"))
		r.register()
		began := time.Now()
		got, _ := r.pop("O", "F")
		r.Equal([]string{"a/2", "b/2"}, got)
		r.InDelta(1, time.Since(began).Seconds(), 0.1)
	}, "a", "b")
}

func TestReceive_LosesAndRepeatsNothingUnderLoad(t *testing.T) {
	const senders, each, receivers = 4, 50, 6
	inBubble(t, func(r *rig) {
		r.register()
		taken := make(chan []string)
		for range receivers {
			go func() { taken <- r.drain("G", "N4") }()
		}
		sent := make(chan error)
		for s := range senders {
			go func() {
				var err error
				for i := range each {
					_, sendErr := r.stub.SendMessage(r.ctx, &v2.SendMessageRequest{
						Messages: []*v2.Message{message("N4", fmt.Sprintf("%d-%02d", s, i), "x")},
					})
					err = sendErr
				}
				sent <- err
			}()
		}
		for range senders {
			r.NoError(<-sent)
		}
		var all []string
		for range receivers {
			all = append(all, <-taken...)
		}
		slices.Sort(all)
		r.Len(all, senders*each)
		r.Len(slices.Compact(all), senders*each)
		stats, err := r.broker.GroupStats("G")
		r.NoError(err)
		r.Zero(stats.Backlog)
		r.EqualValues(senders*each, stats.Acked)
	})
}

// drain receives and acknowledges until nothing comes any more, and gives the ids.
func (r *rig) drain(group, topic string) []string {
	var ids []string
	for {
		frames, err := r.frames(r.ctx, r.request(group, topic, batch(3)))
		got := messagesOf(frames)
		if err != nil || len(got) == 0 {
			return ids
		}
		req := &v2.AckMessageRequest{Group: resource(group), Topic: resource(topic)}
		for _, m := range got {
			ids = append(ids, m.GetSystemProperties().GetMessageId())
			req.Entries = append(req.Entries, &v2.AckMessageEntry{ReceiptHandle: m.GetSystemProperties().GetReceiptHandle()})
		}
		if _, err := r.stub.AckMessage(r.ctx, req); err != nil {
			return nil
		}
	}
}
