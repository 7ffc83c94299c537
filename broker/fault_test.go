package broker_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/rocketflow-io/rocketflow/broker"
)

func (r *rig) inject(f broker.Fault) *broker.Injected {
	injected, err := r.broker.Inject(f)
	r.NoError(err)
	return injected
}

// try sends a message, with a deadline of 3 s, and tells in a word what came of it, and after how
// long.
func (r *rig) try(ctx context.Context, topic, id string) (string, time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	begin := time.Now()
	answer, err := r.stub.SendMessage(ctx, &v2.SendMessageRequest{Messages: []*v2.Message{message(topic, id, id)}})
	took := time.Since(begin)
	if err != nil {
		return status.Code(err).String(), took
	}
	return answer.GetStatus().GetCode().String(), took
}

func TestInject_LetsASendGoWrong(t *testing.T) {
	for name, c := range map[string]struct {
		do     broker.Action
		sees   string
		took   time.Duration
		stored int
		log    string
	}{
		"answer with a code": {broker.AnswerCode(int32(v2.Code_TOO_MANY_REQUESTS), "slow down"),
			"TOO_MANY_REQUESTS", 0, 0, "answered with code 42900"},
		"fail the call": {broker.AnswerGRPC(codes.ResourceExhausted, "busy"),
			"ResourceExhausted", 0, 0, "failed with ResourceExhausted"},
		"delay":         {broker.DelayBy(2 * time.Second), "OK", 2 * time.Second, 1, "delayed by 2s"},
		"drop request":  {broker.DropRequest(), "DeadlineExceeded", 3 * time.Second, 0, "request dropped"},
		"drop response": {broker.DropResponse(), "DeadlineExceeded", 3 * time.Second, 1, "response dropped"},
		"cut before":    {broker.CutBefore(), "Unavailable", 0, 0, "connection cut before"},
		"cut after":     {broker.CutAfter(), "Unavailable", 0, 1, "connection cut after"},
		"freeze":        {broker.FreezeFor(2 * time.Second), "OK", 2 * time.Second, 1, "frozen for 2s"},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(r *rig) {
				hit := r.inject(broker.Fault{On: broker.Match{RPC: "SendMessage"}, Times: 1, Do: c.do})
				sees, took := r.try(r.ctx, "N", "a")
				r.Equal(c.sees, sees)
				r.Equal(c.took, took)
				r.Len(r.broker.Messages("N"), c.stored)
				r.Equal(1, hit.Hits())
				sees, _ = r.try(r.ctx, "N", "b")
				r.Equal("OK", sees)
				calls := r.broker.Calls(broker.Match{RPC: "SendMessage"})
				r.Len(calls, 2)
				r.Equal(c.log, calls[0].Fault)
				r.Empty(calls[1].Fault)
			})
		})
	}
}

func TestInject_IsInTheLogWhileItHappens(t *testing.T) {
	for name, do := range map[string]broker.Action{
		"delay": broker.DelayBy(time.Minute), "drop request": broker.DropRequest(), "drop response": broker.DropResponse(),
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(r *rig) {
				r.inject(broker.Fault{On: broker.Match{RPC: "SendMessage"}, Do: do})
				sent := make(chan struct{})
				go func() { defer close(sent); r.try(r.ctx, "N", "a") }()
				synctest.Wait()
				calls := r.broker.Calls(broker.Match{RPC: "SendMessage"})
				r.Len(calls, 1)
				r.True(calls[0].Pending)
				r.Equal(do.String(), calls[0].Fault)
				<-sent
			})
		})
	}
}

func TestInject_HitsOnlyWhatMatches(t *testing.T) {
	for name, c := range map[string]struct {
		on   broker.Match
		hits bool
	}{
		"any call":        {broker.Match{}, true},
		"the RPC":         {broker.Match{RPC: "SendMessage"}, true},
		"another RPC":     {broker.Match{RPC: "AckMessage"}, false},
		"the topic":       {broker.Match{Topic: "N"}, true},
		"another topic":   {broker.Match{Topic: "N4"}, false},
		"the client":      {broker.Match{Client: "client"}, true},
		"another client":  {broker.Match{Client: "other"}, false},
		"a group":         {broker.Match{Group: "G"}, false},
		"all of it":       {broker.Match{RPC: "SendMessage", Topic: "N", Client: "client"}, true},
		"a command alone": {broker.Match{Command: "settings"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(r *rig) {
				r.inject(broker.Fault{On: c.on, Do: broker.AnswerGRPC(codes.Aborted, "")})
				sees, _ := r.try(r.ctx, "N", "a")
				r.Equal(c.hits, sees == "Aborted", sees)
			})
		})
	}
}

func TestInject_MatchesTheGroupOfAReceiveAndAnAck(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.register()
		r.send("N", "a")
		_, messages := r.pop("G", "N")
		r.inject(broker.Fault{On: broker.Match{Group: "G"}, Do: broker.AnswerCode(int32(v2.Code_FORBIDDEN), "no")})
		answer, err := r.stub.AckMessage(r.ctx, &v2.AckMessageRequest{Group: resource("G"), Topic: resource("N"),
			Entries: []*v2.AckMessageEntry{{MessageId: "a", ReceiptHandle: handles(messages...)[0]}}})
		r.NoError(err)
		r.Equal(v2.Code_FORBIDDEN, answer.GetStatus().GetCode())
		code, _ := r.receive(r.request("G", "N"))
		r.Equal(v2.Code_FORBIDDEN, code)
		code, _ = r.receive(r.request("G2", "N"))
		r.Equal(v2.Code_OK, code)
	})
}

// outcomes sends so many messages, one each 100 ms, and gives an x for each that failed.
func (r *rig) outcomes(n int) string {
	text := ""
	for i := range n {
		sees, _ := r.try(r.ctx, "N", fmt.Sprint(i))
		text += map[bool]string{true: ".", false: "x"}[sees == "OK"]
		time.Sleep(100 * time.Millisecond)
	}
	return text
}

func TestInject_CountsAndTimesWhatItHits(t *testing.T) {
	for name, c := range map[string]struct {
		fault broker.Fault
		want  string
	}{
		"each":                   {broker.Fault{}, "xxxxxxxxxx"},
		"the fifth alone":        {broker.Fault{Skip: 4, Times: 1}, "....x....."},
		"every third":            {broker.Fault{Every: 3}, "..x..x..x."},
		"every third from later": {broker.Fault{Skip: 2, Every: 3}, "....x..x.."},
		"two of every third":     {broker.Fault{Every: 3, Times: 2}, "..x..x...."},
		"at most twice":          {broker.Fault{Times: 2}, "xx........"},
		"for a while":            {broker.Fault{From: 300 * time.Millisecond, Until: 600 * time.Millisecond}, "...xxx...."},
		"from then on":           {broker.Fault{From: 700 * time.Millisecond}, ".......xxx"},
		"counted in the window":  {broker.Fault{From: 300 * time.Millisecond, Skip: 1, Times: 2}, "....xx...."},
		"always":                 {broker.Fault{Probability: 1}, "xxxxxxxxxx"},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(r *rig) {
				c.fault.Do = broker.AnswerGRPC(codes.Aborted, "")
				r.inject(c.fault)
				r.Equal(c.want, r.outcomes(10))
			})
		})
	}
}

func TestInject_HitsTheSameCallsWithTheSameSeed(t *testing.T) {
	inBubble(t, func(r *rig) {
		lottery := func(seed uint64) string {
			hit := r.inject(broker.Fault{Probability: 0.3, Seed: seed, Do: broker.AnswerGRPC(codes.Aborted, "")})
			defer hit.Remove()
			return r.outcomes(100)
		}
		first := lottery(1)
		r.Equal(first, lottery(1))
		r.NotEqual(first, lottery(2))
		r.Contains(first, "x")
		r.Contains(first, ".")
	})
}

func TestInjected_EndsByRemove(t *testing.T) {
	inBubble(t, func(r *rig) {
		first := r.inject(broker.Fault{Do: broker.AnswerGRPC(codes.Aborted, "")})
		second := r.inject(broker.Fault{Do: broker.AnswerGRPC(codes.DataLoss, "")})
		r.Equal("x", r.outcomes(1))
		r.Equal([]int{1, 0}, []int{first.Hits(), second.Hits()}, "the first ends the call")
		first.Remove()
		first.Remove()
		r.Equal("x", r.outcomes(1))
		r.Equal([]int{1, 1}, []int{first.Hits(), second.Hits()})
		second.Remove()
		r.Equal(".", r.outcomes(1))
	})
}

func TestInject_DelaysAndThenFails(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.inject(broker.Fault{Do: broker.DelayBy(time.Second)})
		r.inject(broker.Fault{Do: broker.DelayBy(time.Second), Times: 1})
		r.inject(broker.Fault{Do: broker.AnswerGRPC(codes.Aborted, "")})
		sees, took := r.try(r.ctx, "N", "a")
		r.Equal("Aborted", sees)
		r.Equal(2*time.Second, took)
		r.Equal("delayed by 1s, delayed by 1s, failed with Aborted", r.broker.Calls()[0].Fault)
	})
}

func TestInject_AnswersEveryRPCWithACode(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.inject(broker.Fault{Do: broker.AnswerCode(int32(v2.Code_PROXY_TIMEOUT), "injected")})
		check := func(answer interface{ GetStatus() *v2.Status }, err error) {
			r.NoError(err)
			r.Equal(v2.Code_PROXY_TIMEOUT, answer.GetStatus().GetCode(), "%T", answer)
			r.Equal("injected", answer.GetStatus().GetMessage())
		}
		s, ctx := r.stub, r.ctx
		check(s.QueryRoute(ctx, &v2.QueryRouteRequest{}))
		check(s.Heartbeat(ctx, &v2.HeartbeatRequest{}))
		check(s.SendMessage(ctx, &v2.SendMessageRequest{}))
		check(s.QueryAssignment(ctx, &v2.QueryAssignmentRequest{}))
		check(s.AckMessage(ctx, &v2.AckMessageRequest{}))
		check(s.ForwardMessageToDeadLetterQueue(ctx, &v2.ForwardMessageToDeadLetterQueueRequest{}))
		check(s.UpdateOffset(ctx, &v2.UpdateOffsetRequest{}))
		check(s.GetOffset(ctx, &v2.GetOffsetRequest{}))
		check(s.QueryOffset(ctx, &v2.QueryOffsetRequest{}))
		check(s.EndTransaction(ctx, &v2.EndTransactionRequest{}))
		check(s.NotifyClientTermination(ctx, &v2.NotifyClientTerminationRequest{}))
		check(s.ChangeInvisibleDuration(ctx, &v2.ChangeInvisibleDurationRequest{}))
		check(s.RecallMessage(ctx, &v2.RecallMessageRequest{}))
		check(s.SyncLiteSubscription(ctx, &v2.SyncLiteSubscriptionRequest{}))
		pulled, err := s.PullMessage(ctx, &v2.PullMessageRequest{})
		r.NoError(err)
		check(pulled.Recv())
		said, err := r.tell(ctx, consumer("G"))
		check(said, err)
		frames, err := r.frames(ctx, r.request("G", "N"))
		r.NoError(err)
		r.Len(frames, 2)
		check(frames[0], nil)
		r.NotNil(frames[1].GetDeliveryTimestamp())
		for _, c := range r.broker.Calls() {
			r.Equal("answered with code 50400", c.Fault, c)
		}
	})
}

func TestInject_RefusesWhatCannotBeMeant(t *testing.T) {
	b, err := broker.Start(broker.Options{InMemory: true})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, b.Close()) })
	on := func(command string) broker.Match { return broker.Match{Command: command} }
	for name, c := range map[string]struct {
		fault  broker.Fault
		reason string
	}{
		"no such RPC":     {broker.Fault{On: broker.Match{RPC: "Send"}, Do: broker.DropRequest()}, `on Send: no such RPC: use one of QueryRoute`},
		"no action":       {broker.Fault{}, "on any call: Do is missing"},
		"negative count":  {broker.Fault{Every: -1, Do: broker.DropRequest()}, "must not be negative"},
		"probability":     {broker.Fault{Probability: 1.1, Do: broker.DropRequest()}, "from 0 to 1"},
		"negative time":   {broker.Fault{From: -1, Do: broker.DropRequest()}, "must not be negative"},
		"empty window":    {broker.Fault{From: 2, Until: 1, Do: broker.DropRequest()}, "Until must be later than From"},
		"negative delay":  {broker.Fault{Do: broker.DelayBy(-1)}, "must not be negative"},
		"no failure":      {broker.Fault{Do: broker.AnswerGRPC(codes.OK, "")}, "no failure"},
		"no such command": {broker.Fault{On: on("hello"), Do: broker.DropRequest()}, "no such command: use one of settings"},
		"command of an RPC": {broker.Fault{On: broker.Match{RPC: "AckMessage", Command: "settings"}, Do: broker.DropRequest()},
			"said on Telemetry alone"},
		"direction": {broker.Fault{On: on("recover_orphaned_transaction_command"), Do: broker.DropRequest()},
			`"recover_orphaned_transaction_command" is not said in the direction in which it could be request dropped`},
		"all at once": {broker.Fault{Skip: -1, Every: 2, Probability: -1}, "Times must not be negative; Probability must be from 0 to 1; Do is missing"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := b.Inject(c.fault)
			require.ErrorContains(t, err, c.reason)
			require.ErrorAs(t, err, new(*broker.FaultError))
		})
	}
}
