package broker_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"google.golang.org/grpc/codes"

	"github.com/rocketflow-io/rocketflow/broker"
)

// said gives what is remembered, without the times.
func (r *rig) said(matches ...broker.Match) []string {
	all := []string{}
	for _, c := range r.broker.Calls(matches...) {
		all = append(all, c.String()[len("15:04:05.000 "):])
	}
	return all
}

func TestCalls_TellsWhatWasAskedAndAnswered(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.register()
		r.send("N", "a")
		_, messages := r.pop("G", "N")
		r.ack("G", "N", handles(messages...)...)
		r.pop("G", "N")
		r.try(r.ctx, "unknown", "b")
		_, err := r.stub.Heartbeat(as("stranger"), &v2.HeartbeatRequest{})
		r.NoError(err)
		_, err = r.stub.GetOffset(r.ctx, &v2.GetOffsetRequest{})
		r.Error(err)
		r.Equal([]string{
			`Telemetry client=client: ended in 0s`,
			`Telemetry <- settings client=client group=G`,
			`Telemetry -> settings client=client group=G: OK`,
			`SendMessage client=client topic=N messages=1 [a]: OK in 0s`,
			`ReceiveMessage client=client topic=N group=G messages=1 [a]: OK in 0s`,
			`AckMessage client=client topic=N group=G messages=1 [m]: OK in 0s`,
			`ReceiveMessage client=client topic=N group=G: MESSAGE_NOT_FOUND "no new message" in 4.95s`,
			`SendMessage client=client topic=unknown messages=1 [b]: TOPIC_NOT_FOUND "No topic route info in name server for the topic: unknown" in 0s`,
			`Heartbeat client=stranger: UNRECOGNIZED_CLIENT_TYPE "cannot find client settings for this client" in 0s`,
			`GetOffset client=client: gRPC Unimplemented "method GetOffset not implemented" in 0s`,
		}, r.said())
	})
}

func TestCalls_GivesThoseThatFitOneOfTheMatches(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.register()
		r.send("N", "a")
		r.send("N4", "b")
		r.pop("G", "N")
		count := func(matches ...broker.Match) int { return len(r.broker.Calls(matches...)) }
		r.Equal(6, count())
		r.Equal(2, count(broker.Match{RPC: "SendMessage"}))
		r.Equal(1, count(broker.Match{RPC: "SendMessage", Topic: "N4"}))
		r.Equal(3, count(broker.Match{Topic: "N4"}, broker.Match{Topic: "N"}))
		r.Equal(3, count(broker.Match{Group: "G"}))
		r.Equal(2, count(broker.Match{Command: "settings"}))
		r.Equal(6, count(broker.Match{Client: "client"}))
		r.Zero(count(broker.Match{Client: "other"}))
	})
}

func TestCalls_TellsOfCallsThatAreUnderWay(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.register()
		waits := r.waiting("G", "N")
		time.Sleep(3 * time.Second)
		calls := r.broker.Calls(broker.Match{RPC: "ReceiveMessage"})
		r.Len(calls, 1)
		r.True(calls[0].Pending)
		r.Equal(3*time.Second, calls[0].Took)
		r.Equal(`ReceiveMessage client=client topic=N group=G: no answer for 3s`, r.said(broker.Match{RPC: "ReceiveMessage"})[0])
		r.send("N", "a")
		<-waits
		synctest.Wait()
		r.Equal(`ReceiveMessage client=client topic=N group=G messages=1 [a]: OK in 3s`, r.said(broker.Match{RPC: "ReceiveMessage"})[0])
	})
}

func TestCalls_NamesThirtyTwoMessagesOfACall(t *testing.T) {
	inBubble(t, func(r *rig) {
		req := &v2.SendMessageRequest{}
		for i := range 40 {
			req.Messages = append(req.Messages, message("N", fmt.Sprint(i), "x"))
		}
		_, err := r.stub.SendMessage(r.ctx, req)
		r.NoError(err)
		c := r.broker.Calls()[0]
		r.Equal(40, c.Messages)
		r.Len(c.MessageIDs, 32)
		r.Equal("31", c.MessageIDs[31])
		c.MessageIDs[0] = "changed"
		r.Equal("0", r.broker.Calls()[0].MessageIDs[0])
	})
}

func TestCalls_RemembersTheLatest(t *testing.T) {
	for name, c := range map[string]struct {
		size int
		want []string
	}{
		"as many as the options say": {3, []string{"7", "8", "9"}},
		"all by default":             {0, []string{"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"}},
		"none":                       {-1, []string{}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				opts := standard()
				opts.CallLog = c.size
				r := newRig(t, opts)
				r.register()
				waits := r.waiting("G", "N4") // is forgotten by the time it is answered
				for i := range 10 {
					r.send("N", fmt.Sprint(i))
				}
				got := []string{}
				for _, call := range r.broker.Calls(broker.Match{RPC: "SendMessage"}) {
					got = append(got, call.MessageIDs...)
				}
				r.Equal(c.want, got)
				r.Empty(<-waits)
				synctest.Wait()
				for _, call := range r.broker.Calls(broker.Match{RPC: "SendMessage"}) {
					r.EqualValues(v2.Code_OK, call.Code, "it is not what became of the receive")
				}
				r.inject(broker.Fault{Do: broker.AnswerGRPC(codes.Aborted, "")})
				sees, _ := r.try(r.ctx, "N", "x")
				r.Equal("Aborted", sees, "faults need no log")
			})
		})
	}
}
