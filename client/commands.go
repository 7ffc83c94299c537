package client

import (
	"runtime"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
)

// maxStackTrace bounds the stack trace that a server can ask for, in bytes.
const maxStackTrace = 64 << 10

// obey does what the server asks of this member. What the member cannot do it refuses, where the
// protocol has a way to say so; a command that is unknown here is none of its business.
func (s *session) obey(command *v2.TelemetryCommand) {
	switch c := command.GetCommand().(type) {
	case *v2.TelemetryCommand_PrintThreadStackTraceCommand:
		s.reply(&v2.TelemetryCommand{
			Status: &v2.Status{Code: v2.Code_OK},
			Command: &v2.TelemetryCommand_ThreadStackTrace{ThreadStackTrace: &v2.ThreadStackTrace{
				Nonce: c.PrintThreadStackTraceCommand.GetNonce(), ThreadStackTrace: new(stackTrace())}},
		})
	case *v2.TelemetryCommand_VerifyMessageCommand:
		s.reply(&v2.TelemetryCommand{
			Status: &v2.Status{Code: v2.Code_NOT_IMPLEMENTED, Message: "this client has no listener"},
			Command: &v2.TelemetryCommand_VerifyMessageResult{VerifyMessageResult: &v2.VerifyMessageResult{
				Nonce: c.VerifyMessageCommand.GetNonce()}},
		})
	default:
		s.member.client.cfg.log.Debug("command of the server ignored", "endpoint", s.conn.name, "client", s.member.id)
	}
}

// reply hands an answer to the sender. It never blocks the receiver: a server that asks faster than
// it reads gets no answer, which it must bear anyway.
func (s *session) reply(command *v2.TelemetryCommand) {
	select {
	case s.replies <- command:
	default:
		s.member.client.cfg.log.Warn("answer dropped: too many are waiting", "endpoint", s.conn.name, "client", s.member.id)
	}
}

func stackTrace() string {
	buf := make([]byte, maxStackTrace)
	return string(buf[:runtime.Stack(buf, true)])
}
