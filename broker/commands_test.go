package broker_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"

	"github.com/rocketflow-io/rocketflow/broker"
)

// obeys registers a consumer of group G that answers each command as it is told to; nil is no
// answer. It gives the commands.
func (r *rig) obeys(id string, answer func(*v2.TelemetryCommand) *v2.TelemetryCommand) <-chan *v2.TelemetryCommand {
	stream, err := r.stub.Telemetry(as(id))
	r.NoError(err)
	r.NoError(stream.Send(&v2.TelemetryCommand{Command: &v2.TelemetryCommand_Settings{Settings: consumer("G")}}))
	_, err = stream.Recv()
	r.NoError(err)
	commands := make(chan *v2.TelemetryCommand, 10)
	go func() {
		for {
			command, err := stream.Recv()
			if err != nil {
				return
			}
			commands <- command
			if a := answer(command); a != nil && stream.Send(a) != nil {
				return
			}
		}
	}()
	return commands
}

// verified answers a command to verify with a code.
func verified(code v2.Code) func(*v2.TelemetryCommand) *v2.TelemetryCommand {
	return func(c *v2.TelemetryCommand) *v2.TelemetryCommand {
		return &v2.TelemetryCommand{
			Status: &v2.Status{Code: code, Message: "words"},
			Command: &v2.TelemetryCommand_VerifyMessageResult{
				VerifyMessageResult: &v2.VerifyMessageResult{Nonce: c.GetVerifyMessageCommand().GetNonce()},
			},
		}
	}
}

func TestVerifyMessage_LetsAClientConsumeWhatIsStored(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.send("N", "other")
		r.send("N", "id", withTag("tag"), property("k", "v"))
		commands := r.obeys("c", verified(v2.Code_OK))
		r.NoError(r.broker.VerifyMessage(r.ctx, "c", "N", "id"))
		m := (<-commands).GetVerifyMessageCommand().GetMessage()
		r.Equal("N", m.GetTopic().GetName())
		r.Equal("id", string(m.GetBody()))
		r.Equal("tag", m.GetSystemProperties().GetTag())
		r.EqualValues(1, m.GetSystemProperties().GetQueueOffset())
		r.Empty(m.GetSystemProperties().GetReceiptHandle())
		r.Equal(map[string]string{"k": "v"}, m.GetUserProperties())
	})
}

func TestVerifyMessage_TellsWhyAClientFails(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.send("N", "id")
		r.obeys("c", verified(v2.Code_FAILED_TO_CONSUME_MESSAGE))
		var failed *broker.ClientError
		r.ErrorAs(r.broker.VerifyMessage(r.ctx, "c", "N", "id"), &failed)
		r.Equal(&broker.ClientError{Client: "c", Code: 60000, Text: "words"}, failed)
		r.EqualError(failed, `broker: client "c" could not do as told: words (code 60000)`)
		r.ErrorIs(r.broker.VerifyMessage(r.ctx, "c", "N", "missing"), broker.ErrUnknown)
		r.ErrorIs(r.broker.VerifyMessage(r.ctx, "c", "X", "id"), broker.ErrUnknown)
		r.ErrorIs(r.broker.VerifyMessage(r.ctx, "nobody", "N", "id"), broker.ErrUnreachable)
	})
}

func TestStackTrace_IsTheClientsOwn(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.obeys("c", func(c *v2.TelemetryCommand) *v2.TelemetryCommand {
			return &v2.TelemetryCommand{
				Status: &v2.Status{Code: v2.Code_OK},
				Command: &v2.TelemetryCommand_ThreadStackTrace{ThreadStackTrace: &v2.ThreadStackTrace{
					Nonce: c.GetPrintThreadStackTraceCommand().GetNonce(), ThreadStackTrace: new("goroutine 1"),
				}},
			}
		})
		trace, err := r.broker.StackTrace(r.ctx, "c")
		r.NoError(err)
		r.Equal("goroutine 1", trace)

		r.obeys("no status", func(c *v2.TelemetryCommand) *v2.TelemetryCommand {
			return &v2.TelemetryCommand{Command: &v2.TelemetryCommand_ThreadStackTrace{ThreadStackTrace: &v2.ThreadStackTrace{
				Nonce: c.GetPrintThreadStackTraceCommand().GetNonce(), ThreadStackTrace: new("goroutine 1"),
			}}}
		})
		_, err = r.broker.StackTrace(r.ctx, "no status")
		var failed *broker.ClientError
		r.ErrorAs(err, &failed)
	})
}

func TestStackTrace_WaitsForFiveSecondsForTheOneWhoWasAsked(t *testing.T) {
	inBubble(t, func(r *rig) {
		asked := make(chan string, 1)
		r.obeys("silent", func(c *v2.TelemetryCommand) *v2.TelemetryCommand {
			asked <- c.GetPrintThreadStackTraceCommand().GetNonce()
			return nil
		})
		r.obeys("liar", func(*v2.TelemetryCommand) *v2.TelemetryCommand {
			return &v2.TelemetryCommand{Command: &v2.TelemetryCommand_ThreadStackTrace{
				ThreadStackTrace: &v2.ThreadStackTrace{Nonce: <-asked, ThreadStackTrace: new("a lie")},
			}}
		})
		start := time.Now()
		silent := make(chan error, 1)
		go func() {
			_, err := r.broker.StackTrace(r.ctx, "silent")
			silent <- err
		}()
		synctest.Wait()
		r.NoError(r.broker.Reconnect("liar"))
		err := <-silent
		r.ErrorIs(err, context.DeadlineExceeded)
		r.Equal(5*time.Second, time.Since(start))
	})
}

func TestStackTrace_EndsWithItsContextAndWithTheBroker(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.obeys("c", func(*v2.TelemetryCommand) *v2.TelemetryCommand { return nil })
		ctx, cancel := context.WithCancel(r.ctx)
		time.AfterFunc(time.Second, cancel)
		_, err := r.broker.StackTrace(ctx, "c")
		r.ErrorIs(err, context.Canceled)

		time.AfterFunc(time.Second, func() { r.NoError(r.broker.Close()) })
		_, err = r.broker.StackTrace(r.ctx, "c")
		r.ErrorIs(err, broker.ErrUnreachable)
		_, err = r.broker.StackTrace(r.ctx, "c")
		r.True(errors.Is(err, broker.ErrUnreachable))
	})
}

func TestReconnect_IsACommandWithANonce(t *testing.T) {
	inBubble(t, func(r *rig) {
		commands := r.obeys("c", func(*v2.TelemetryCommand) *v2.TelemetryCommand { return nil })
		r.NoError(r.broker.Reconnect("c"))
		r.NoError(r.broker.Reconnect("c"))
		first, second := (<-commands).GetReconnectEndpointsCommand(), (<-commands).GetReconnectEndpointsCommand()
		r.NotEmpty(first.GetNonce())
		r.NotEqual(first.GetNonce(), second.GetNonce())
		r.ErrorIs(r.broker.Reconnect("nobody"), broker.ErrUnreachable)
	})
}
