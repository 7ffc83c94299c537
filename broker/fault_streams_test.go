package broker_test

import (
	"context"
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/rocketflow-io/rocketflow/broker"
)

var receives = broker.Match{RPC: "ReceiveMessage"}

func TestInject_LetsAReceiveGoWrong(t *testing.T) {
	for name, c := range map[string]struct {
		do       broker.Action
		fails    codes.Code
		took     time.Duration
		inFlight int64
	}{
		"fail the call": {broker.AnswerGRPC(codes.Internal, "no"), codes.Internal, 0, 0},
		"drop request":  {broker.DropRequest(), codes.DeadlineExceeded, 30 * time.Second, 0},
		"drop response": {broker.DropResponse(), codes.DeadlineExceeded, 30 * time.Second, 1},
		"cut before":    {broker.CutBefore(), codes.Unavailable, 0, 0},
		"cut after":     {broker.CutAfter(), codes.Unavailable, 0, 1},
		"delay":         {broker.DelayBy(2 * time.Second), codes.OK, 2 * time.Second, 1},
		"freeze":        {broker.FreezeFor(2 * time.Second), codes.OK, 2 * time.Second, 1},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(r *rig) {
				r.register()
				r.send("N", "a")
				r.inject(broker.Fault{On: receives, Do: c.do})
				begin := time.Now()
				frames, err := r.frames(r.ctx, r.request("G", "N", invisible(time.Minute)))
				r.Equal(c.fails, status.Code(err), err)
				r.Equal(c.fails == codes.OK, len(frames) > 0)
				r.Equal(c.took, time.Since(begin))
				synctest.Wait()
				r.Equal(c.inFlight, r.stats("G").InFlight)
				call := r.broker.Calls(receives)[0]
				r.Equal(c.do.String(), call.Fault)
				r.Equal(c.fails == codes.OK, call.GRPC == codes.OK, call)
			})
		})
	}
}

func (r *rig) stats(group string) broker.Progress {
	stats, err := r.broker.GroupStats(group)
	r.NoError(err)
	return stats.Progress
}

func TestInject_KeepsWhatALostReceiveHasTakenForItsTime(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.register()
		r.send("N", "a")
		r.inject(broker.Fault{On: receives, Times: 1, Do: broker.DropResponse()})
		lost := r.waiting("G", "N", invisible(time.Minute))
		got, _ := r.pop("G", "N", polling(20*time.Second))
		r.Empty(got, "nobody has it, and the broker thinks that somebody does")
		time.Sleep(45 * time.Second)
		got, _ = r.pop("G", "N")
		r.Equal([]string{"a/2"}, got)
		r.Contains((<-lost)[0], "DeadlineExceeded")
	})
}

func TestInject_LetsATelemetryStreamGoWrong(t *testing.T) {
	on := broker.Match{RPC: "Telemetry"}
	for name, c := range map[string]struct {
		do    broker.Action
		fails codes.Code
		known bool // the broker has the client's settings
	}{
		"fail the call":  {broker.AnswerGRPC(codes.Internal, "no"), codes.Internal, false},
		"drop requests":  {broker.DropRequest(), codes.DeadlineExceeded, false},
		"drop responses": {broker.DropResponse(), codes.DeadlineExceeded, true},
		"cut before":     {broker.CutBefore(), codes.Unavailable, false},
		"cut after":      {broker.CutAfter(), codes.Unavailable, true},
		"delay":          {broker.DelayBy(time.Second), codes.OK, true},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(r *rig) {
				hit := r.inject(broker.Fault{On: on, Do: c.do})
				r.Equal(c.fails, r.settingsFail())
				synctest.Wait()
				hit.Remove()
				answer, err := r.stub.Heartbeat(r.ctx, &v2.HeartbeatRequest{Group: resource("G")})
				r.NoError(err)
				r.Equal(c.known, answer.GetStatus().GetCode() == v2.Code_OK, answer)
			})
		})
	}
}

func TestInject_LosesTheEndOfATelemetryStreamToo(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.inject(broker.Fault{On: broker.Match{RPC: "Telemetry"}, Do: broker.DropResponse()})
		stream, cancel := r.talk(3 * time.Second)
		defer cancel()
		r.NoError(stream.CloseSend())
		_, err := stream.Recv()
		r.Equal(codes.DeadlineExceeded, status.Code(err), err)
	})
}

// settingsFail says settings and gives the code with which the wait for the answer ends, for 3 s.
func (r *rig) settingsFail() codes.Code {
	stream, cancel := r.talk(3 * time.Second)
	defer cancel()
	_, err := stream.Recv()
	return status.Code(err)
}

// talk opens a telemetry stream with a deadline and says settings there.
func (r *rig) talk(d time.Duration) (grpc.BidiStreamingClient[v2.TelemetryCommand, v2.TelemetryCommand], context.CancelFunc) {
	ctx, cancel := context.WithTimeout(r.ctx, d)
	stream, err := r.stub.Telemetry(ctx)
	r.NoError(err)
	err = stream.Send(&v2.TelemetryCommand{Command: &v2.TelemetryCommand_Settings{Settings: consumer("G")}})
	r.True(err == nil || errors.Is(err, io.EOF), "error of the send: %v", err) // EOF: Recv tells the end's cause
	return stream, cancel
}

func TestInject_LosesCommandsInTheirDirection(t *testing.T) {
	settings := broker.Match{Command: "settings"}
	for name, c := range map[string]struct {
		fault broker.Fault
		fails codes.Code
		known bool
		hits  int
	}{
		"to the broker":          {broker.Fault{On: settings, Do: broker.DropRequest()}, codes.DeadlineExceeded, false, 1},
		"to the client":          {broker.Fault{On: settings, Do: broker.DropResponse()}, codes.DeadlineExceeded, true, 1},
		"delayed both ways":      {broker.Fault{On: settings, Do: broker.DelayBy(time.Second)}, codes.OK, true, 2},
		"by the group they name": {broker.Fault{On: broker.Match{Command: "settings", Group: "G"}, Do: broker.DropRequest()}, codes.DeadlineExceeded, false, 1},
		"of another client":      {broker.Fault{On: broker.Match{Command: "settings", Client: "x"}, Do: broker.DropRequest()}, codes.OK, true, 0},
		"cut before":             {broker.Fault{On: settings, Do: broker.CutBefore()}, codes.Unavailable, false, 1},
		"the stream fails":       {broker.Fault{On: settings, Do: broker.AnswerGRPC(codes.Internal, "no")}, codes.Internal, false, 1},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(r *rig) {
				hit := r.inject(c.fault)
				r.Equal(c.fails, r.settingsFail())
				synctest.Wait()
				r.Equal(c.hits, hit.Hits())
				answer, err := r.stub.Heartbeat(r.ctx, &v2.HeartbeatRequest{Group: resource("G")})
				r.NoError(err)
				r.Equal(c.known, answer.GetStatus().GetCode() == v2.Code_OK, answer)
			})
		})
	}
}

func TestInject_AnswersSettingsWithACode(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.inject(broker.Fault{On: broker.Match{Command: "settings"}, Times: 1,
			Do: broker.AnswerCode(int32(v2.Code_UNAUTHORIZED), "who?")})
		stream, cancel := r.talk(3 * time.Second)
		defer cancel()
		answer, err := stream.Recv()
		r.NoError(err)
		r.Equal(v2.Code_UNAUTHORIZED, answer.GetStatus().GetCode())
		r.NoError(stream.Send(&v2.TelemetryCommand{Command: &v2.TelemetryCommand_Settings{Settings: consumer("G")}}))
		answer, err = stream.Recv()
		r.NoError(err)
		r.NotNil(answer.GetSettings(), "the stream goes on")
	})
}

func TestInject_LosesTransactionChecks(t *testing.T) {
	inBubble(t, func(r *rig) {
		check := broker.Match{Command: "recover_orphaned_transaction_command", Topic: "T"}
		hit := r.inject(broker.Fault{On: check, Times: 2, Do: broker.DropResponse()})
		checks := r.producer("p", nil, "T")
		r.send("T", "m", inTransaction)
		time.Sleep(95 * time.Second)
		got := checks()
		r.Len(got, 1)
		r.Equal("3", got[0].GetMessage().GetUserProperties()["TRANSACTION_CHECK_TIMES"])
		r.Equal(2, hit.Hits())
		var faults []string
		for _, c := range r.broker.Calls(check) {
			r.Equal([]string{"m"}, c.MessageIDs)
			r.True(c.ToClient)
			faults = append(faults, c.Fault)
		}
		r.Equal([]string{"response dropped", "response dropped", ""}, faults)
	})
}
