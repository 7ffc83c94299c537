package conformance

import (
	"io"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

func transportRows() []Row {
	return []Row{
		{"TR1", "a call in plain text is answered", Equal, func(e *Env) {
			require.Equal(e, v2.Code_OK, e.Client().Route(e.Topic("NORMAL", 4)).GetStatus().GetCode())
		}},
		{"TR2", "a call over TLS is answered on the same port", Equal, func(e *Env) {
			if e.server.Endpoint() == "" {
				e.Skip("the server has no port")
			}
			topic, c := e.Topic("NORMAL", 4), e.Client()
			c.rpc = v2.NewMessagingServiceClient(e.DialTLS())
			require.Equal(e, v2.Code_OK, c.Route(topic).GetStatus().GetCode())
		}},
		{"TR3", "PullMessage, GetOffset, UpdateOffset and QueryOffset are unimplemented", Equal, unimplemented},
		{"TR4", "every call without a client id is refused with CLIENT_ID_REQUIRED", Equal, withoutClientID},
		{"TR5", "a send with no metadata but the client id is stored", Equal, func(e *Env) {
			c := e.Client()
			c.version, c.language = "", ""
			require.Equal(e, v2.Code_OK, c.Code(e.Message(e.Topic("NORMAL", 4), "body")))
		}},
		{"TR6", "settings of a producer in an unknown language", Either, func(e *Env) {
			c := e.Client()
			c.language = "KOTLIN"
			stream, err := c.Telemetry(settingsCommand(producerSettings(e.Topic("NORMAL", 4))))
			require.NoError(e, err)
			command, err := stream.Recv()
			if err != nil {
				require.Equal(e, codes.Internal, status.Code(err))
				e.Saw("refused")
				return
			}
			require.Equal(e, v2.Code_OK, command.GetStatus().GetCode())
			e.Saw("accepted")
		}},
	}
}

func unimplemented(e *Env) {
	c := e.Client()
	ctx, cancel := c.short()
	defer cancel()
	_, err := c.rpc.GetOffset(ctx, &v2.GetOffsetRequest{})
	require.Equal(e, codes.Unimplemented, status.Code(err), "GetOffset: %v", err)
	_, err = c.rpc.UpdateOffset(ctx, &v2.UpdateOffsetRequest{})
	require.Equal(e, codes.Unimplemented, status.Code(err), "UpdateOffset: %v", err)
	_, err = c.rpc.QueryOffset(ctx, &v2.QueryOffsetRequest{})
	require.Equal(e, codes.Unimplemented, status.Code(err), "QueryOffset: %v", err)
	pulling, err := c.rpc.PullMessage(ctx, &v2.PullMessageRequest{})
	require.NoError(e, err)
	_, err = pulling.Recv()
	require.Equal(e, codes.Unimplemented, status.Code(err), "PullMessage: %v", err)
}

// withoutClientID makes well-formed calls, so that nothing but the missing id can be their fault.
func withoutClientID(e *Env) {
	topic, group := e.Topic("NORMAL", 4), e.Group()
	c := e.Client()
	c.id = ""
	refused := func(call string, answer *v2.Status) {
		require.Equal(e, v2.Code_CLIENT_ID_REQUIRED, answer.GetCode(), call)
	}
	m := e.Message(topic, "body")
	refused("QueryRoute", c.Route(topic).GetStatus())
	refused("QueryAssignment", c.Assignment(group, topic).GetStatus())
	refused("Heartbeat", c.Heartbeat(group))
	refused("SendMessage", c.Send(m).GetStatus())
	refused("AckMessage", c.Ack(group, topic, m).GetStatus())
	refused("ChangeInvisibleDuration", c.Change(group, topic, m, minInvisible).GetStatus())
	refused("ForwardMessageToDeadLetterQueue", c.Forward(group, topic, m))
	refused("NotifyClientTermination", c.Terminate(group))

	received := c.Receive(group, topic)
	refused("ReceiveMessage", received.Status)
	require.Equal(e, []string{"status"}, received.Frames, "frames of ReceiveMessage")

	stream, err := c.Telemetry(settingsCommand(producerSettings(topic)))
	require.NoError(e, err)
	command, err := stream.Recv()
	require.NoError(e, err)
	refused("Telemetry", command.GetStatus())
	_, err = stream.Recv()
	require.ErrorIs(e, err, io.EOF, "the stream after the refusal")
}
