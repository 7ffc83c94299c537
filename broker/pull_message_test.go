package broker_test

import (
	"context"
	"errors"
	"io"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// pulling runs a test with a broker that lets its clients pull.
func pulling(t *testing.T, test func(r *rig)) {
	t.Helper()
	forgetful(t, 0, test)
}

// forgetful is pulling from a broker that keeps a number of messages.
func forgetful(t *testing.T, retain int, test func(r *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		opts := standard()
		opts.Pull, opts.Retain = true, retain
		test(newRig(t, opts))
	})
}

// A pulled is the answer to a pull.
type pulled struct {
	status   *v2.Status
	messages []*v2.Message
	next     int64
	frames   []string
}

func (r *rig) pull(topic string, offset int64, change ...func(*v2.PullMessageRequest)) pulled {
	req := &v2.PullMessageRequest{
		Group: resource("G"), MessageQueue: &v2.MessageQueue{Topic: resource(topic)}, Offset: offset, BatchSize: 32,
	}
	for _, c := range change {
		c(req)
	}
	stream, err := r.stub.PullMessage(r.ctx, req)
	r.NoError(err)
	var p pulled
	for {
		frame, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return p
		}
		r.NoError(err)
		switch c := frame.GetContent().(type) {
		case *v2.PullMessageResponse_Status:
			p.status, p.frames = c.Status, append(p.frames, "status")
		case *v2.PullMessageResponse_Message:
			p.messages, p.frames = append(p.messages, c.Message), append(p.frames, "message")
		case *v2.PullMessageResponse_NextOffset:
			p.next, p.frames = c.NextOffset, append(p.frames, "next")
		}
	}
}

func patient(d time.Duration) func(*v2.PullMessageRequest) {
	return func(req *v2.PullMessageRequest) { req.LongPollingTimeout = durationpb.New(d) }
}

func TestPull_ReadsAQueueFromAnOffset(t *testing.T) {
	pulling(t, func(r *rig) {
		for i := range 5 {
			r.send("N", strconv.Itoa(i))
		}
		p := r.pull("N", 1, func(req *v2.PullMessageRequest) { req.BatchSize = 2 })
		r.Equal(v2.Code_OK, p.status.GetCode())
		r.Equal([]string{"status", "message", "message", "next"}, p.frames)
		r.Equal([]string{"1/1", "2/1"}, seen(p.messages))
		r.EqualValues(3, p.next)
		sp := p.messages[0].GetSystemProperties()
		r.EqualValues(1, sp.GetQueueOffset())
		r.Nil(sp.ReceiptHandle)
		r.Equal("N", p.messages[0].GetTopic().GetName())

		// It settles nothing and hides nothing.
		r.Equal([]string{"1/1", "2/1", "3/1", "4/1"}, seen(r.pull("N", 1).messages))
		r.register()
		all, _ := r.pop("G", "N")
		r.Len(all, 5)
	})
}

func TestPull_PassesOverWhatTheFilterDoesNotMatch(t *testing.T) {
	pulling(t, func(r *rig) {
		for i := range 600 {
			tag := "odd"
			if i == 300 {
				tag = "even"
			}
			r.send("N", strconv.Itoa(i), withTag(tag))
		}
		even := func(req *v2.PullMessageRequest) { req.FilterExpression = &v2.FilterExpression{Expression: "even"} }
		p := r.pull("N", 0, even)
		r.Equal([]string{"300/1"}, seen(p.messages))
		r.EqualValues(600, p.next)
		p = r.pull("N", 301, even)
		r.Equal(v2.Code_MESSAGE_NOT_FOUND, p.status.GetCode())
		r.Equal([]string{"status", "next"}, p.frames)
		r.EqualValues(600, p.next)
		p = r.pull("N", 0, func(req *v2.PullMessageRequest) {
			req.FilterExpression = &v2.FilterExpression{Expression: "a >", Type: v2.FilterType_SQL}
		})
		r.Equal(v2.Code_ILLEGAL_FILTER_EXPRESSION, p.status.GetCode())
		r.Equal([]string{"status"}, p.frames)
	})
}

func TestPull_AnswersWithNoMoreThanAReceiveDoes(t *testing.T) {
	pulling(t, func(r *rig) {
		for i := range 40 {
			r.send("N", strconv.Itoa(i))
		}
		r.Len(r.pull("N", 0, func(req *v2.PullMessageRequest) { req.BatchSize = 100 }).messages, 32)
		large := strings.Repeat("x", 100<<10)
		for range 4 {
			r.send("M", large, withGroup("one"))
		}
		queue := r.broker.Messages("M")[0].Queue
		p := r.pull("M", 0, func(req *v2.PullMessageRequest) { req.MessageQueue.Id = int32(queue) })
		r.Len(p.messages, 2)
		r.EqualValues(2, p.next)
	})
}

func TestPull_WaitsForMessagesAsLongAsItIsTold(t *testing.T) {
	pulling(t, func(r *rig) {
		began := time.Now()
		p := r.pull("N", 0)
		r.Equal(v2.Code_MESSAGE_NOT_FOUND, p.status.GetCode())
		r.Zero(time.Since(began))
		r.pull("N", 0, patient(10*time.Second))
		r.Equal(10*time.Second-50*time.Millisecond, time.Since(began))
		r.pull("N", 0, patient(time.Hour))
		r.Equal(30*time.Second-100*time.Millisecond, time.Since(began))

		answer := make(chan pulled, 1)
		go func() {
			answer <- r.pull("N", 0, patient(20*time.Second), func(req *v2.PullMessageRequest) {
				req.FilterExpression = &v2.FilterExpression{Expression: "wanted"}
			})
		}()
		time.Sleep(time.Second)
		r.send("N", "no", withTag("other"))
		synctest.Wait()
		r.Empty(answer)
		r.send("N", "yes", withTag("wanted"))
		synctest.Wait()
		r.Len(answer, 1)
		r.Equal([]string{"yes/1"}, seen((<-answer).messages))
	})
}

// A pull of dead letters, which no group receives, is told of them too.
func TestPull_WaitsForDeadLetters(t *testing.T) {
	pulling(t, func(r *rig) {
		_, err := r.tell(r.ctx, consumer("once"))
		r.NoError(err)
		for _, body := range []string{"first", "second"} {
			r.send("N", body)
			_, got := r.pop("once", "N")
			if body == "first" {
				r.Equal(v2.Code_OK, r.forward("once", "N", handles(got...)[0]))
				continue
			}
			answer := make(chan pulled, 1)
			go func() { answer <- r.pull("%DLQ%once", 1, patient(20*time.Second)) }()
			synctest.Wait()
			r.Equal(v2.Code_OK, r.forward("once", "N", handles(got...)[0]))
			synctest.Wait()
			r.Len(answer, 1)
			r.Equal([]string{"second/1"}, seen((<-answer).messages))
		}
	})
}

func TestPull_SaysWhereToGoOnFromAnIllegalOffset(t *testing.T) {
	forgetful(t, 1, func(r *rig) {
		for i := range 600 { // of which the broker keeps the last few hundred
			r.send("N", strconv.Itoa(i))
		}
		for offset, want := range map[int64]int64{-1: 512, 0: 512, 601: 600} {
			p := r.pull("N", offset)
			r.Equal(v2.Code_ILLEGAL_OFFSET, p.status.GetCode(), offset)
			r.Equal([]string{"status", "next"}, p.frames)
			r.Equal(want, p.next, offset)
		}
	})
}

func TestPull_RefusesWhatCannotBe(t *testing.T) {
	tests := map[string]struct {
		change func(*v2.PullMessageRequest)
		code   v2.Code
	}{
		"topic":     {func(req *v2.PullMessageRequest) { req.MessageQueue.Topic.Name = "X" }, v2.Code_TOPIC_NOT_FOUND},
		"ill topic": {func(req *v2.PullMessageRequest) { req.MessageQueue.Topic.Name = "a b" }, v2.Code_ILLEGAL_TOPIC},
		"group":     {func(req *v2.PullMessageRequest) { req.Group.Name = "X" }, v2.Code_CONSUMER_GROUP_NOT_FOUND},
		"ill group": {func(req *v2.PullMessageRequest) { req.Group.Name = "" }, v2.Code_ILLEGAL_CONSUMER_GROUP},
		"unread":    {func(req *v2.PullMessageRequest) { req.MessageQueue.Topic.Name = "WO" }, v2.Code_FORBIDDEN},
		"queue":     {func(req *v2.PullMessageRequest) { req.MessageQueue.Id = 1 }, v2.Code_BAD_REQUEST},
		"no queue":  {func(req *v2.PullMessageRequest) { req.MessageQueue.Id = -1 }, v2.Code_BAD_REQUEST},
		"batch":     {func(req *v2.PullMessageRequest) { req.BatchSize = 0 }, v2.Code_BAD_REQUEST},
	}
	pulling(t, func(r *rig) {
		for name, test := range tests {
			p := r.pull("N", 0, test.change)
			r.Equal(test.code, p.status.GetCode(), name)
			r.Equal([]string{"status"}, p.frames, name)
		}
		r.ctx = context.Background()
		r.Equal(v2.Code_CLIENT_ID_REQUIRED, r.pull("N", 0).status.GetCode())
	})
}

// updateOffset notes how far a group has come with a queue, and gives the code of the answer.
func (r *rig) updateOffset(group, topic string, queue int32, offset int64) v2.Code {
	answer, err := r.stub.UpdateOffset(r.ctx, &v2.UpdateOffsetRequest{
		Group: resource(group), MessageQueue: &v2.MessageQueue{Topic: resource(topic), Id: queue}, Offset: offset,
	})
	r.NoError(err)
	return answer.GetStatus().GetCode()
}

// offset asks how far that is.
func (r *rig) offset(group, topic string, queue int32) (v2.Code, int64) {
	answer, err := r.stub.GetOffset(r.ctx, &v2.GetOffsetRequest{
		Group: resource(group), MessageQueue: &v2.MessageQueue{Topic: resource(topic), Id: queue},
	})
	r.NoError(err)
	return answer.GetStatus().GetCode(), answer.GetOffset()
}

func TestOffset_IsThatWhichTheGroupHasTold(t *testing.T) {
	pulling(t, func(r *rig) {
		code, _ := r.offset("G", "N", 0)
		r.Equal(v2.Code_OFFSET_NOT_FOUND, code)
		r.send("N", "0")
		r.Equal(v2.Code_OK, r.updateOffset("G", "N", 0, 1))
		code, offset := r.offset("G", "N", 0)
		r.Equal(v2.Code_OK, code)
		r.EqualValues(1, offset)
		r.Equal(v2.Code_ILLEGAL_OFFSET, r.updateOffset("G", "N", 0, 2))
		r.Equal(v2.Code_ILLEGAL_OFFSET, r.updateOffset("G", "N", 0, -1))
		code, _ = r.offset("G2", "N", 0)
		r.Equal(v2.Code_OFFSET_NOT_FOUND, code)
	})
}

func TestQueryOffset_FindsBeginningEndAndTime(t *testing.T) {
	forgetful(t, 1, func(r *rig) {
		began := time.Now()
		for i := range 600 {
			r.send("N", strconv.Itoa(i))
			time.Sleep(time.Second)
		}
		query := func(policy v2.QueryOffsetPolicy, at *timestamppb.Timestamp) (v2.Code, int64) {
			answer, err := r.stub.QueryOffset(r.ctx, &v2.QueryOffsetRequest{
				MessageQueue: &v2.MessageQueue{Topic: resource("N")}, QueryOffsetPolicy: policy, Timestamp: at,
			})
			r.NoError(err)
			return answer.GetStatus().GetCode(), answer.GetOffset()
		}
		tests := []struct {
			policy v2.QueryOffsetPolicy
			at     *timestamppb.Timestamp
			code   v2.Code
			offset int64
		}{
			{v2.QueryOffsetPolicy_BEGINNING, nil, v2.Code_OK, 512},
			{v2.QueryOffsetPolicy_END, nil, v2.Code_OK, 600},
			{v2.QueryOffsetPolicy_TIMESTAMP, timestamppb.New(began), v2.Code_OK, 512},
			{v2.QueryOffsetPolicy_TIMESTAMP, timestamppb.New(began.Add(550 * time.Second)), v2.Code_OK, 550},
			{v2.QueryOffsetPolicy_TIMESTAMP, timestamppb.New(began.Add(550*time.Second + time.Millisecond)), v2.Code_OK, 551},
			{v2.QueryOffsetPolicy_TIMESTAMP, timestamppb.New(began.Add(time.Hour)), v2.Code_OK, 600},
			{v2.QueryOffsetPolicy_TIMESTAMP, nil, v2.Code_BAD_REQUEST, 0},
			{99, nil, v2.Code_BAD_REQUEST, 0},
		}
		for _, test := range tests {
			code, offset := query(test.policy, test.at)
			r.Equal(test.code, code, test)
			r.Equal(test.offset, offset, test)
		}
	})
}

func TestPullConsumer_IsOneIfItMayPull(t *testing.T) {
	settings := consumer("G")
	settings.ClientType = new(v2.ClientType_PULL_CONSUMER)
	pulling(t, func(r *rig) {
		_, err := r.tell(r.ctx, settings)
		r.NoError(err)
		beat, err := r.stub.Heartbeat(r.ctx, &v2.HeartbeatRequest{Group: resource("G")})
		r.NoError(err)
		r.Equal(v2.Code_OK, beat.GetStatus().GetCode())
		end, err := r.stub.NotifyClientTermination(r.ctx, &v2.NotifyClientTerminationRequest{Group: resource("G")})
		r.NoError(err)
		r.Equal(v2.Code_OK, end.GetStatus().GetCode())
	})
	inBubble(t, func(r *rig) {
		_, err := r.tell(r.ctx, settings)
		r.Equal(codes.Internal, status.Code(err))
	})
}
