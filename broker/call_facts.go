package broker

import (
	"context"
	"path"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// statusCommand is the name for a telemetry command that is a status and nothing else.
const statusCommand = "status"

// newCall begins what is remembered of a call.
func (g *gate) newCall(ctx context.Context, fullMethod string) Call {
	id, _ := clientID(ctx) // without one the service refuses the call
	c := Call{At: time.Now(), Pending: true, RPC: path.Base(fullMethod), Client: id}
	if g.several {
		if conn, ok := connOf(ctx); ok {
			c.Endpoint = conn.from.endpoint
		}
	}
	return c
}

// read takes from a request what it is about.
func (c *Call) read(request any) {
	if q, ok := request.(interface{ GetMessageQueue() *v2.MessageQueue }); ok {
		c.Topic = q.GetMessageQueue().GetTopic().GetName()
	}
	if t, ok := request.(interface{ GetTopic() *v2.Resource }); ok {
		c.Topic = t.GetTopic().GetName()
	}
	if g, ok := request.(interface{ GetGroup() *v2.Resource }); ok {
		c.Group = g.GetGroup().GetName()
	}
	switch r := request.(type) {
	case *v2.SendMessageRequest:
		c.readMessages(r.GetMessages())
	case *v2.AckMessageRequest:
		for _, e := range r.GetEntries() {
			c.name(e.GetMessageId(), len(r.GetEntries()))
		}
	case interface{ GetMessageId() string }:
		c.name(r.GetMessageId(), 1)
	}
}

func (c *Call) readMessages(messages []*v2.Message) {
	for _, m := range messages {
		c.name(m.GetSystemProperties().GetMessageId(), len(messages))
	}
	if len(messages) > 0 {
		c.Topic = messages[0].GetTopic().GetName()
	}
}

// name adds a message, one of so many that are expected.
func (c *Call) name(id string, of int) {
	c.Messages++
	c.MessageIDs = nameMessage(c.MessageIDs, id, of)
}

func nameMessage(ids []string, id string, of int) []string {
	if len(ids) >= maxCallIDs {
		return ids
	}
	if ids == nil {
		ids = make([]string, 0, min(of, maxCallIDs))
	}
	return append(ids, id)
}

// readCommand takes from a telemetry command what it is about.
func (c *Call) readCommand(command *v2.TelemetryCommand) {
	c.Command, c.Pending = nameOf(command), false
	c.Code, c.Message = codeOf(command.GetStatus())
	var about *v2.Message
	switch k := command.GetCommand().(type) {
	case *v2.TelemetryCommand_Settings:
		c.readSettings(k.Settings)
	case *v2.TelemetryCommand_RecoverOrphanedTransactionCommand:
		about = k.RecoverOrphanedTransactionCommand.GetMessage()
	case *v2.TelemetryCommand_VerifyMessageCommand:
		about = k.VerifyMessageCommand.GetMessage()
	}
	if about != nil {
		c.readMessages([]*v2.Message{about})
	}
}

// readSettings takes the topic if the settings name one, and no other.
func (c *Call) readSettings(s *v2.Settings) {
	c.Group = s.GetSubscription().GetGroup().GetName()
	topics := s.GetPublishing().GetTopics()
	for _, e := range s.GetSubscription().GetSubscriptions() {
		topics = append(topics[:len(topics):len(topics)], e.GetTopic())
	}
	if len(topics) == 1 {
		c.Topic = topics[0].GetName()
	}
}

func codeOf(s *v2.Status) (int32, string) {
	if s.GetCode() == v2.Code_OK {
		return int32(v2.Code_OK), ""
	}
	return int32(s.GetCode()), s.GetMessage()
}

// An outcome is what became of a call.
type outcome struct {
	code     int32
	message  string
	messages int // in the answer
	ids      []string
	err      error // of the call itself
}

// read takes what an answer says, or one of the frames of it.
func (o *outcome) read(answer any) {
	if s, ok := answer.(interface{ GetStatus() *v2.Status }); ok && s.GetStatus() != nil {
		o.code, o.message = codeOf(s.GetStatus())
	}
	if m, ok := answer.(messageFrame); ok {
		o.messages++
		o.ids = nameMessage(o.ids, m.messageID(), maxCallIDs)
	}
}

func (o *outcome) write(c *Call) {
	c.Pending, c.Took = false, time.Since(c.At)
	c.Code, c.Message = o.code, o.message
	if o.messages > 0 {
		c.Messages, c.MessageIDs = o.messages, o.ids
	}
	if o.err != nil {
		s, ok := status.FromError(o.err)
		if !ok {
			s = status.FromContextError(o.err)
		}
		c.GRPC, c.Message = s.Code(), s.Message()
	}
}

// nameOf gives the protocol's name for a telemetry command.
func nameOf(command *v2.TelemetryCommand) string {
	m := command.ProtoReflect()
	if field := m.WhichOneof(commandsOf(m.Descriptor())); field != nil {
		return string(field.Name())
	}
	return statusCommand
}

func commandsOf(d protoreflect.MessageDescriptor) protoreflect.OneofDescriptor {
	return d.Oneofs().ByName("command")
}

// commandNames gives the protocol's names for all telemetry commands.
func commandNames() []string {
	fields := commandsOf((&v2.TelemetryCommand{}).ProtoReflect().Descriptor()).Fields()
	names := make([]string, fields.Len())
	for i := range names {
		names[i] = string(fields.Get(i).Name())
	}
	return names
}

// comesFromClients and goesToClients tell in which directions a command is said; settings in both.
func comesFromClients(command string) bool {
	switch command {
	case "settings", "thread_stack_trace", "verify_message_result", statusCommand:
		return true
	}
	return false
}

func goesToClients(command string) bool {
	return !comesFromClients(command) || command == "settings" || command == statusCommand
}

// answerWith makes the answer of an RPC that says no more than a status.
func answerWith(rpc string, s *v2.Status) (proto.Message, error) {
	answer, err := emptyAnswer(rpc)
	if err != nil {
		return nil, err
	}
	m := answer.ProtoReflect()
	m.Set(m.Descriptor().Fields().ByName("status"), protoreflect.ValueOfMessage(s.ProtoReflect()))
	return answer, nil
}
