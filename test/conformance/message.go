package conformance

import (
	"errors"
	"net"
	"strconv"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// messageOption is a property of a message to send.
type messageOption func(*v2.Message)

// Message returns a message with an id of its own.
func (e *Env) Message(topic, body string, options ...messageOption) *v2.Message {
	m := &v2.Message{
		Topic: resource(topic),
		Body:  []byte(body),
		SystemProperties: &v2.SystemProperties{
			MessageId:     e.Name("id"),
			MessageType:   v2.MessageType_NORMAL,
			BodyEncoding:  v2.Encoding_IDENTITY,
			BornTimestamp: timestamppb.Now(),
			BornHost:      "conformance",
		},
		UserProperties: map[string]string{},
	}
	for _, option := range options {
		option(m)
	}
	return m
}

func tagged(tag string) messageOption {
	return func(m *v2.Message) { m.SystemProperties.Tag = &tag }
}

func keyed(keys ...string) messageOption {
	return func(m *v2.Message) { m.SystemProperties.Keys = keys }
}

func property(key, value string) messageOption {
	return func(m *v2.Message) { m.UserProperties[key] = value }
}

func withID(id string) messageOption {
	return func(m *v2.Message) { m.SystemProperties.MessageId = id }
}

// inGroup puts the message in a message group.
func inGroup(name string) messageOption {
	return func(m *v2.Message) {
		m.SystemProperties.MessageGroup = &name
		m.SystemProperties.MessageType = v2.MessageType_FIFO
	}
}

// inLite puts the message in a lite topic.
func inLite(name string) messageOption {
	return func(m *v2.Message) {
		m.SystemProperties.LiteTopic = &name
		m.SystemProperties.MessageType = v2.MessageType_LITE
	}
}

// ofType sets the message type that the request names, and nothing that the type would need.
func ofType(kind v2.MessageType) messageOption {
	return func(m *v2.Message) { m.SystemProperties.MessageType = kind }
}

func deliverAt(t time.Time) messageOption {
	return func(m *v2.Message) {
		m.SystemProperties.DeliveryTimestamp = timestamppb.New(t)
		m.SystemProperties.MessageType = v2.MessageType_DELAY
	}
}

// Send returns the answer to one request with the messages.
func (c *Client) Send(messages ...*v2.Message) *v2.SendMessageResponse {
	ctx, cancel := c.short()
	defer cancel()
	resp, err := c.rpc.SendMessage(ctx, &v2.SendMessageRequest{Messages: messages})
	require.NoError(c.e, err)
	return resp
}

// Code returns the status code of a request with the messages.
func (c *Client) Code(messages ...*v2.Message) v2.Code {
	return c.Send(messages...).GetStatus().GetCode()
}

// Store sends each message by itself, in order. All must be stored.
func (c *Client) Store(messages ...*v2.Message) {
	for _, m := range messages {
		resp := c.Send(m)
		require.Equal(c.e, v2.Code_OK, resp.GetStatus().GetCode(), "status of the send: %v", resp.GetStatus())
	}
}

// StoreBodies stores a message with each body and the options that all have in common.
func (c *Client) StoreBodies(topic string, bodies []string, options ...messageOption) {
	for _, body := range bodies {
		c.Store(c.e.Message(topic, body, options...))
	}
}

// Ack returns the answer to one request that acknowledges the messages.
func (c *Client) Ack(group, topic string, messages ...*v2.Message) *v2.AckMessageResponse {
	req := &v2.AckMessageRequest{Group: resource(group), Topic: resource(topic)}
	for _, m := range messages {
		req.Entries = append(req.Entries, &v2.AckMessageEntry{
			MessageId: m.GetSystemProperties().GetMessageId(), ReceiptHandle: handleOf(m),
			LiteTopic: m.GetSystemProperties().LiteTopic,
		})
	}
	ctx, cancel := c.short()
	defer cancel()
	resp, err := c.rpc.AckMessage(ctx, req)
	require.NoError(c.e, err)
	return resp
}

// Acked requires that the server acknowledges the messages.
func (c *Client) Acked(group, topic string, messages ...*v2.Message) {
	resp := c.Ack(group, topic, messages...)
	require.Equal(c.e, v2.Code_OK, resp.GetStatus().GetCode(), "status of the ack: %v", resp)
}

// Change returns the answer to a change of the message's invisible duration.
func (c *Client) Change(group, topic string, m *v2.Message, d time.Duration, options ...changeOption) *v2.ChangeInvisibleDurationResponse {
	req := &v2.ChangeInvisibleDurationRequest{
		Group: resource(group), Topic: resource(topic), MessageId: idOf(m), ReceiptHandle: handleOf(m),
		InvisibleDuration: durationOf(d), LiteTopic: m.GetSystemProperties().LiteTopic,
	}
	for _, option := range options {
		option(req)
	}
	ctx, cancel := c.short()
	defer cancel()
	resp, err := c.rpc.ChangeInvisibleDuration(ctx, req)
	require.NoError(c.e, err)
	return resp
}

type changeOption func(*v2.ChangeInvisibleDurationRequest)

// suspended asks that the next delivery not count as another attempt.
func suspended() changeOption {
	return func(r *v2.ChangeInvisibleDurationRequest) {
		yes := true
		r.Suspend = &yes
	}
}

// Changed requires that the server changes the duration; the message carries its new handle then.
func (c *Client) Changed(group, topic string, m *v2.Message, d time.Duration, options ...changeOption) {
	resp := c.Change(group, topic, m, d, options...)
	require.Equal(c.e, v2.Code_OK, resp.GetStatus().GetCode(), "status of the change: %v", resp.GetStatus())
	handle := resp.GetReceiptHandle()
	m.SystemProperties.ReceiptHandle = &handle
}

// Forward returns the status of a move of the message to the group's dead letters.
func (c *Client) Forward(group, topic string, m *v2.Message) *v2.Status {
	ctx, cancel := c.short()
	defer cancel()
	resp, err := c.rpc.ForwardMessageToDeadLetterQueue(ctx, &v2.ForwardMessageToDeadLetterQueueRequest{
		Group: resource(group), Topic: resource(topic), MessageId: idOf(m), ReceiptHandle: handleOf(m),
		DeliveryAttempt: m.GetSystemProperties().GetDeliveryAttempt(), MaxDeliveryAttempts: 16,
		LiteTopic: m.GetSystemProperties().LiteTopic,
	})
	require.NoError(c.e, err)
	return resp.GetStatus()
}

func idOf(m *v2.Message) string     { return m.GetSystemProperties().GetMessageId() }
func handleOf(m *v2.Message) string { return m.GetSystemProperties().GetReceiptHandle() }
func attemptOf(m *v2.Message) int32 { return m.GetSystemProperties().GetDeliveryAttempt() }
func offsetOf(m *v2.Message) int64  { return m.GetSystemProperties().GetQueueOffset() }

// bodiesOf returns the bodies in the order of the messages.
func bodiesOf(messages []*v2.Message) []string {
	var bodies []string
	for _, m := range messages {
		bodies = append(bodies, string(m.GetBody()))
	}
	return bodies
}

func attemptsOf(messages []*v2.Message) []int32 {
	var attempts []int32
	for _, m := range messages {
		attempts = append(attempts, attemptOf(m))
	}
	return attempts
}

// endpoints returns the server's address as a request carries it.
func (e *Env) endpoints() *v2.Endpoints {
	address := e.server.Endpoint()
	if address == "" {
		address = "127.0.0.1:8081"
	}
	host, text, err := net.SplitHostPort(address)
	port, portErr := strconv.Atoi(text)
	require.NoError(e, errors.Join(err, portErr))
	return &v2.Endpoints{
		Scheme:    v2.AddressScheme_IPv4,
		Addresses: []*v2.Address{{Host: host, Port: int32(port)}},
	}
}
