package conformance

import (
	"context"
	"sync"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/test/rocketmq/target"
)

func commandRows() []Row {
	return []Row{
		{"CO1", "a consumer is asked for its stack trace", Either, askedForTrace},
		{"CO2", "a consumer is told to consume a message, and says whether it has", Equal, func(e *Env) {
			topic, group := e.Topic("NORMAL", 1), e.Group()
			l := e.commanded(group)
			l.Store(e.Message(topic, "body", tagged("tag"), property("k", "v")))
			m, _ := l.One(group, topic)
			verify := func(ctx context.Context) (bool, error) { return e.server.Verify(ctx, group, l.id, m) }
			for code, consumed := range map[v2.Code]bool{v2.Code_OK: true, v2.Code_FAILED_TO_CONSUME_MESSAGE: false} {
				wait := inBackground(e, verify)
				command := l.Next().GetVerifyMessageCommand()
				requireShown(e, m, command.GetMessage())
				l.Say(code, &v2.TelemetryCommand{Command: &v2.TelemetryCommand_VerifyMessageResult{
					VerifyMessageResult: &v2.VerifyMessageResult{Nonce: command.GetNonce()},
				}})
				require.Equal(e, consumed, wait())
			}
		}},
	}
}

// askedForTrace waits for a command. If the server gives up without one, another answer of it ends
// the wait.
func askedForTrace(e *Env) {
	group := e.Group()
	l := e.commanded(group)
	wait := inBackground(e, func(ctx context.Context) (string, error) {
		trace, err := e.server.StackTrace(ctx, group, l.id)
		if err != nil {
			err = l.stream.Send(settingsCommand(consumerSettings(v2.ClientType_PUSH_CONSUMER, group)))
		}
		return trace, err
	})
	command := l.Next().GetPrintThreadStackTraceCommand()
	if command == nil {
		e.Saw("not asked")
		return
	}
	require.NotEmpty(e, command.GetNonce())
	trace := "goroutine 1"
	l.Say(v2.Code_OK, &v2.TelemetryCommand{Command: &v2.TelemetryCommand_ThreadStackTrace{
		ThreadStackTrace: &v2.ThreadStackTrace{Nonce: command.GetNonce(), ThreadStackTrace: &trace},
	}})
	require.Equal(e, trace, wait())
	e.Saw("asked")
}

// requireShown requires that the server shows a message as it delivers it, without a handle.
func requireShown(e *Env, delivered, shown *v2.Message) {
	require.Equal(e, idOf(delivered), idOf(shown))
	require.Equal(e, delivered.GetTopic().GetName(), shown.GetTopic().GetName())
	require.Equal(e, delivered.GetBody(), shown.GetBody())
	require.Equal(e, delivered.GetUserProperties(), shown.GetUserProperties())
	require.Equal(e, delivered.GetSystemProperties().GetTag(), shown.GetSystemProperties().GetTag())
	require.Equal(e, offsetOf(delivered), offsetOf(shown))
	require.EqualValues(e, 1, attemptOf(shown))
	require.Empty(e, handleOf(shown))
}

// commanded returns a consumer of the group whom the server can give commands.
func (e *Env) commanded(group string) listener {
	if e.server.Mode() == target.Cluster {
		e.Skip("the broker does not know the consumers of a proxy in another process")
	}
	l := e.Listener(consumerSettings(v2.ClientType_PUSH_CONSUMER, group))
	require.Equal(e, v2.Code_OK, l.Heartbeat(group).GetCode())
	return l
}

// inBackground calls f in another goroutine; the function returned waits for what it returns.
func inBackground[T any](e *Env, f func(context.Context) (T, error)) (wait func() T) {
	var result T
	var err error
	var calling sync.WaitGroup
	calling.Go(func() { result, err = f(e.ctx) })
	e.Cleanup(calling.Wait)
	return func() T {
		calling.Wait()
		require.NoError(e, err)
		return result
	}
}
