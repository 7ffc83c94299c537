package broker_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"
	"testing/synctest"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/rocketflow-io/rocketflow/broker"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A rig is a broker in memory and the bare protocol to talk to it.
type rig struct {
	*require.Assertions
	broker *broker.Broker
	stub   v2.MessagingServiceClient
	ctx    context.Context // of a client that is a simple consumer of group G
}

// standard is the topics and groups that tests use.
func standard() broker.Options {
	return broker.Options{
		InMemory: true,
		Topics: []broker.Topic{
			{Name: "N", Queues: 1}, {Name: "N4", Queues: 4},
			{Name: "F", Queues: 1, Type: broker.FIFO}, {Name: "F4", Queues: 4, Type: broker.FIFO},
			{Name: "D", Type: broker.Delay}, {Name: "T", Type: broker.Transaction}, {Name: "P", Type: broker.Priority},
			{Name: "M", Type: broker.Mixed},
			{Name: "RO", Permission: broker.ReadOnly}, {Name: "WO", Permission: broker.WriteOnly},
		},
		Groups: []broker.Group{
			{Name: "G"}, {Name: "G2"}, {Name: "O", Ordered: true},
			{Name: "once", RetryMaxTimes: 1}, {Name: "ordered-once", Ordered: true, RetryMaxTimes: 1},
		},
	}
}

// inBubble runs a test with a broker in a bubble of virtual time.
func inBubble(t *testing.T, test func(r *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { test(newRig(t, standard())) })
}

func newRig(tb testing.TB, opts broker.Options) *rig {
	tb.Helper()
	b, err := broker.Start(opts)
	require.NoError(tb, err)
	tb.Cleanup(func() { require.NoError(tb, b.Close()) })
	conn, err := grpc.NewClient("passthrough:///"+b.Endpoint(),
		grpc.WithContextDialer(b.Dialer()), grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithInitialWindowSize(64<<10)) // and no more, however fast the broker is: see breakOff
	require.NoError(tb, err)
	tb.Cleanup(func() { require.NoError(tb, conn.Close()) })
	return &rig{require.New(tb), b, v2.NewMessagingServiceClient(conn), as("client")}
}

// as gives the context of a client.
func as(id string) context.Context {
	return metadata.AppendToOutgoingContext(context.Background(),
		"x-mq-client-id", id, "x-mq-language", "GO", "x-mq-client-version", "5.1.0")
}

func resource(name string) *v2.Resource { return &v2.Resource{Name: name} }

func consumer(group string) *v2.Settings {
	return &v2.Settings{
		ClientType:     new(v2.ClientType_SIMPLE_CONSUMER),
		RequestTimeout: durationpb.New(3 * time.Second),
		PubSub:         &v2.Settings_Subscription{Subscription: &v2.Subscription{Group: resource(group)}},
	}
}

// tell sends settings and gives what the broker makes of them.
func (r *rig) tell(ctx context.Context, settings *v2.Settings) (*v2.TelemetryCommand, error) {
	stream, err := r.stub.Telemetry(ctx)
	r.NoError(err)
	err = stream.Send(&v2.TelemetryCommand{Command: &v2.TelemetryCommand_Settings{Settings: settings}})
	r.True(err == nil || errors.Is(err, io.EOF), "error of the send: %v", err) // EOF: Recv tells the end's cause
	answer, err := stream.Recv()
	if err != nil {
		return nil, err
	}
	r.NoError(stream.CloseSend())
	_, end := stream.Recv()
	r.ErrorIs(end, io.EOF)
	return answer, nil
}

// register makes r's client a consumer.
func (r *rig) register() {
	_, err := r.tell(r.ctx, consumer("G"))
	r.NoError(err)
}

func message(topic, id, body string) *v2.Message {
	return &v2.Message{
		Topic: resource(topic), Body: []byte(body),
		SystemProperties: &v2.SystemProperties{MessageId: id, MessageType: v2.MessageType_NORMAL},
	}
}

// send sends one message, with the body as its id, and gives its offset.
func (r *rig) send(topic, body string, change ...func(*v2.Message)) int64 {
	m := message(topic, body, body)
	for _, c := range change {
		c(m)
	}
	answer, err := r.stub.SendMessage(r.ctx, &v2.SendMessageRequest{Messages: []*v2.Message{m}})
	r.NoError(err)
	r.Equal(v2.Code_OK, answer.GetStatus().GetCode(), answer.GetStatus())
	return answer.GetEntries()[0].GetOffset()
}

func withTag(tag string) func(*v2.Message) {
	return func(m *v2.Message) { m.SystemProperties.Tag = &tag }
}

func withGroup(group string) func(*v2.Message) {
	return func(m *v2.Message) { m.SystemProperties.MessageGroup = &group }
}

// request gives a receive that tests vary: the defaults are 10 s invisible and 5 s of polling.
func (r *rig) request(group, topic string, change ...func(*v2.ReceiveMessageRequest)) *v2.ReceiveMessageRequest {
	req := &v2.ReceiveMessageRequest{
		Group: resource(group), MessageQueue: &v2.MessageQueue{Topic: resource(topic)}, BatchSize: 32,
		InvisibleDuration: durationpb.New(10 * time.Second), LongPollingTimeout: durationpb.New(5 * time.Second),
	}
	for _, c := range change {
		c(req)
	}
	return req
}

func tags(expression string) func(*v2.ReceiveMessageRequest) {
	return func(r *v2.ReceiveMessageRequest) {
		r.FilterExpression = &v2.FilterExpression{Expression: expression, Type: v2.FilterType_TAG}
	}
}

func batch(n int32) func(*v2.ReceiveMessageRequest) {
	return func(r *v2.ReceiveMessageRequest) { r.BatchSize = n }
}

func attempt(id string) func(*v2.ReceiveMessageRequest) {
	return func(r *v2.ReceiveMessageRequest) { r.AttemptId = &id }
}

func invisible(d time.Duration) func(*v2.ReceiveMessageRequest) {
	return func(r *v2.ReceiveMessageRequest) { r.InvisibleDuration = durationpb.New(d) }
}

func polling(d time.Duration) func(*v2.ReceiveMessageRequest) {
	return func(r *v2.ReceiveMessageRequest) { r.LongPollingTimeout = durationpb.New(d) }
}

func autoRenew(r *v2.ReceiveMessageRequest) { r.AutoRenew, r.InvisibleDuration = true, nil }

// frames gives all that a receive is answered with, within a deadline of 30 s.
func (r *rig) frames(ctx context.Context, req *v2.ReceiveMessageRequest) ([]*v2.ReceiveMessageResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	stream, err := r.stub.ReceiveMessage(ctx, req)
	if err != nil {
		return nil, err
	}
	var all []*v2.ReceiveMessageResponse
	for {
		frame, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return all, err
		}
		all = append(all, frame)
	}
}

// receive gives the status and the messages of a receive.
func (r *rig) receive(req *v2.ReceiveMessageRequest) (v2.Code, []*v2.Message) {
	all, err := r.frames(r.ctx, req)
	r.NoError(err)
	return all[0].GetStatus().GetCode(), messagesOf(all)
}

func messagesOf(frames []*v2.ReceiveMessageResponse) []*v2.Message {
	var messages []*v2.Message
	for _, frame := range frames {
		if m := frame.GetMessage(); m != nil {
			messages = append(messages, m)
		}
	}
	return messages
}

// pop receives, and gives "body/attempt" of each message and the messages.
func (r *rig) pop(group, topic string, change ...func(*v2.ReceiveMessageRequest)) ([]string, []*v2.Message) {
	code, messages := r.receive(r.request(group, topic, change...))
	if len(messages) == 0 {
		r.Equal(v2.Code_MESSAGE_NOT_FOUND, code)
	}
	return seen(messages), messages
}

func seen(messages []*v2.Message) []string {
	all := []string{}
	for _, m := range messages {
		all = append(all, fmt.Sprintf("%s/%d", m.GetBody(), m.GetSystemProperties().GetDeliveryAttempt()))
	}
	return all
}

// waiting starts a receive that waits for up to 20 s, and gives a channel with what it sees in the
// end, be it an error.
func (r *rig) waiting(group, topic string, change ...func(*v2.ReceiveMessageRequest)) <-chan []string {
	result := make(chan []string, 1)
	req := r.request(group, topic, append(change, polling(20*time.Second))...)
	go func() {
		all, err := r.frames(r.ctx, req)
		if err != nil {
			result <- []string{err.Error()}
			return
		}
		result <- seen(messagesOf(all))
	}()
	synctest.Wait()
	return result
}

// ack acknowledges messages and gives the code of each.
func (r *rig) ack(group, topic string, handles ...string) []v2.Code {
	req := &v2.AckMessageRequest{Group: resource(group), Topic: resource(topic)}
	for _, h := range handles {
		req.Entries = append(req.Entries, &v2.AckMessageEntry{MessageId: "m", ReceiptHandle: h})
	}
	answer, err := r.stub.AckMessage(r.ctx, req)
	r.NoError(err)
	var codes []v2.Code
	for _, e := range answer.GetEntries() {
		codes = append(codes, e.GetStatus().GetCode())
	}
	return codes
}

func handles(messages ...*v2.Message) []string {
	var all []string
	for _, m := range messages {
		all = append(all, m.GetSystemProperties().GetReceiptHandle())
	}
	return all
}

// change changes the invisible duration and gives the code and the new handle.
func (r *rig) change(group, topic, handle string, d time.Duration, suspend bool) (v2.Code, string) {
	answer, err := r.stub.ChangeInvisibleDuration(r.ctx, &v2.ChangeInvisibleDurationRequest{
		Group: resource(group), Topic: resource(topic), ReceiptHandle: handle, MessageId: "m",
		InvisibleDuration: durationpb.New(d), Suspend: &suspend,
	})
	r.NoError(err)
	return answer.GetStatus().GetCode(), answer.GetReceiptHandle()
}

// forward sends a message to the dead letters.
func (r *rig) forward(group, topic, handle string) v2.Code {
	answer, err := r.stub.ForwardMessageToDeadLetterQueue(r.ctx, &v2.ForwardMessageToDeadLetterQueueRequest{
		Group: resource(group), Topic: resource(topic), ReceiptHandle: handle, MessageId: "m",
	})
	r.NoError(err)
	return answer.GetStatus().GetCode()
}
