package conformance

import (
	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"github.com/stretchr/testify/require"
)

// listener is a client that hears what the server commands on its telemetry stream.
type listener struct {
	*Client
	stream v2.MessagingService_TelemetryClient
}

// Listener returns a client of the settings, which the server has accepted.
func (e *Env) Listener(s *v2.Settings) listener {
	c := e.Client()
	stream, err := c.Telemetry(settingsCommand(s))
	require.NoError(e, err)
	l := listener{c, stream}
	require.NotNil(e, l.Next().GetSettings())
	return l
}

// Next waits for what the server says next.
func (l listener) Next() *v2.TelemetryCommand {
	command, err := l.stream.Recv()
	require.NoError(l.e, err)
	return command
}

// Say sends a command, which is an answer as a rule.
func (l listener) Say(code v2.Code, command *v2.TelemetryCommand) {
	command.Status = &v2.Status{Code: code, Message: code.String()}
	require.NoError(l.e, l.stream.Send(command))
}
