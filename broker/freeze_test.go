package broker_test

import (
	"context"
	"crypto/tls"
	"testing"
	"testing/synctest"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"github.com/rocketflow-io/rocketflow/broker"
)

func TestBroker_AnswersNothingWhileItIsFrozen(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.register()
		sees, _ := r.try(r.ctx, "N", "before")
		r.Equal("OK", sees)
		thaw := r.broker.Freeze()
		sees, took := r.try(r.ctx, "N", "during")
		r.Equal("DeadlineExceeded", sees)
		r.Equal(3*time.Second, took)
		r.Len(r.broker.Messages("N"), 1)
		thaw()
		thaw()
		sees, took = r.try(r.ctx, "N", "after")
		r.Equal("OK", sees)
		r.Zero(took)
	})
}

func TestBroker_StandsStillUntilAllHaveThawedIt(t *testing.T) {
	inBubble(t, func(r *rig) {
		first, second := r.broker.Freeze(), r.broker.Freeze()
		first()
		first()
		sees, _ := r.try(r.ctx, "N", "a")
		r.Equal("DeadlineExceeded", sees)
		second()
		sees, _ = r.try(r.ctx, "N", "b")
		r.Equal("OK", sees)
	})
}

func TestBroker_LetsStreamsStandStillWhileItIsFrozen(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.register()
		polled, checks := r.waiting("G", "N", invisible(time.Minute)), r.producer("p", nil, "T")
		r.send("T", "m", inTransaction)
		synctest.Wait()
		thaw := r.broker.Freeze()
		time.Sleep(25 * time.Second) // for which nothing is said of the poll that is over after 20 s
		r.Empty(polled)
		time.Sleep(15 * time.Second)
		r.Empty(checks())
		thaw()
		synctest.Wait()
		r.Len(checks(), 1)
		r.Contains((<-polled)[0], "DeadlineExceeded")
	})
}

func TestBroker_TakesNewConnectionsInAfterTheThaw(t *testing.T) {
	inBubble(t, func(r *rig) {
		thaw := r.broker.Freeze()
		conn, err := grpc.NewClient("passthrough:///"+r.broker.Endpoint(), grpc.WithContextDialer(r.broker.Dialer()),
			grpc.WithTransportCredentials(insecure.NewCredentials()))
		r.NoError(err)
		defer func() { r.NoError(conn.Close()) }()
		time.AfterFunc(5*time.Second, thaw)
		ctx, cancel := context.WithTimeout(r.ctx, 10*time.Second)
		defer cancel()
		begin := time.Now()
		_, err = v2.NewMessagingServiceClient(conn).QueryRoute(ctx, &v2.QueryRouteRequest{Topic: resource("N")})
		r.NoError(err)
		r.Equal(5*time.Second, time.Since(begin))
	})
}

func TestBroker_ClosesWhileItIsFrozen(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.register()
		waits := r.waiting("G", "N")
		r.broker.Freeze()
		go r.try(r.ctx, "N", "a")
		synctest.Wait()
		r.NoError(r.broker.Close())
		r.Contains((<-waits)[0], "Unavailable")
	})
}

func TestBroker_CutsAllConnections(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.Zero(r.broker.Cut())
		r.register()
		waits := r.waiting("G", "N")
		r.Equal(1, r.broker.Cut())
		r.Contains((<-waits)[0], "Unavailable")
		sees, _ := r.try(r.ctx, "N", "a")
		r.Equal("OK", sees)
	})
}

func TestBroker_CutsConnectionsOverTCPAndTLS(t *testing.T) {
	for name, creds := range map[string]grpc.DialOption{
		"plaintext": grpc.WithTransportCredentials(insecure.NewCredentials()),
		"TLS":       grpc.WithTransportCredentials(credentials.NewTLS(&tls.Config{InsecureSkipVerify: true})),
	} {
		t.Run(name, func(t *testing.T) {
			b, err := broker.Start(broker.Options{AutoCreate: true})
			require.NoError(t, err)
			defer func() { require.NoError(t, b.Close()) }()
			conn, err := grpc.NewClient(b.Endpoint(), creds)
			require.NoError(t, err)
			defer func() { require.NoError(t, conn.Close()) }()
			r := &rig{require.New(t), b, v2.NewMessagingServiceClient(conn), as("client")}
			r.inject(broker.Fault{On: broker.Match{RPC: "SendMessage"}, Times: 1, Do: broker.CutAfter()})
			_, err = r.stub.SendMessage(r.ctx, &v2.SendMessageRequest{Messages: []*v2.Message{message("N", "a", "a")}})
			r.Equal(codes.Unavailable, status.Code(err))
			r.Len(b.Messages("N"), 1)
			r.send("N", "b")
		})
	}
}

func TestScript_LetsEachStepHappenAtItsTime(t *testing.T) {
	inBubble(t, func(r *rig) {
		stop, err := r.broker.Script(
			broker.Step{At: 250 * time.Millisecond, Inject: []broker.Fault{
				{Until: 200 * time.Millisecond, Do: broker.AnswerGRPC(codes.Aborted, "")},
				{From: 500 * time.Millisecond, Times: 1, Do: broker.CutBefore()},
			}},
			broker.Step{At: 550 * time.Millisecond, Freeze: 100 * time.Millisecond},
		)
		r.NoError(err)
		defer stop()
		seen := ""
		for range 10 { // at 0, 100 ms, …
			sees, took := r.try(r.ctx, "N", "a")
			seen += map[string]string{"OK": ".", "Aborted": "x", "Unavailable": "c"}[sees]
			if took > 0 {
				r.Equal(50*time.Millisecond, took)
				seen += "frozen"
			}
			time.Sleep(100*time.Millisecond - took)
		}
		r.Equal("...xx..frozen.c.", seen)
	})
}

func TestScript_EndsByStop(t *testing.T) {
	inBubble(t, func(r *rig) {
		stop, err := r.broker.Script(
			broker.Step{Inject: []broker.Fault{{Do: broker.AnswerGRPC(codes.Aborted, "")}}},
			broker.Step{At: time.Millisecond, Freeze: time.Hour},
			broker.Step{At: time.Minute, Cut: true},
		)
		r.NoError(err)
		sees, _ := r.try(r.ctx, "N", "a")
		r.Equal("Aborted", sees)
		time.Sleep(time.Second)
		sees, _ = r.try(r.ctx, "N", "b")
		r.Equal("DeadlineExceeded", sees)
		stop()
		stop()
		sees, _ = r.try(r.ctx, "N", "c")
		r.Equal("OK", sees)
		r.register()
		waits := r.waiting("G", "N4")
		time.Sleep(time.Minute)
		r.Empty(<-waits, "nothing was cut")
	})
}

func TestScript_RefusesStepsThatCannotBe(t *testing.T) {
	inBubble(t, func(r *rig) {
		_, err := r.broker.Script(broker.Step{At: -1}, broker.Step{Inject: []broker.Fault{{Every: -1}}})
		r.ErrorContains(err, "step 0 of a script: At and Freeze must not be negative")
		r.ErrorContains(err, "Do is missing")
		r.ErrorAs(err, new(*broker.FaultError))
	})
}
