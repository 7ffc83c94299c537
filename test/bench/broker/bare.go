package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"sync/atomic"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"
)

const (
	sendSize  = 64 // messages of one SendMessage
	batchSize = 32 // messages of one ReceiveMessage, all acknowledged by one AckMessage
	lease     = 5 * time.Minute
)

// A bare is a client of bare gRPC calls, the same for all servers.
type bare struct {
	conn *grpc.ClientConn
	rpc  v2.MessagingServiceClient
	ids  *atomic.Uint64
}

func dial(endpoint string) (*bare, error) {
	conn, err := grpc.NewClient(endpoint, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDisableServiceConfig(), grpc.WithDisableRetry(),
		grpc.WithInitialWindowSize(4<<20), grpc.WithInitialConnWindowSize(16<<20),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(math.MaxInt32)))
	if err != nil {
		return nil, err
	}
	return &bare{conn, v2.NewMessagingServiceClient(conn), new(atomic.Uint64)}, nil
}

func (b *bare) Close() error { return b.conn.Close() }

// as gives the context of a client.
func as(ctx context.Context, client string) context.Context {
	return metadata.AppendToOutgoingContext(ctx,
		"x-mq-client-id", client, "x-mq-language", "GO", "x-mq-client-version", "5.1.4", "x-mq-protocol", "v2")
}

func resource(name string) *v2.Resource { return &v2.Resource{Name: name} }

// messageID gives an id of the length that clients give.
func messageID(n uint64) string {
	return "01000000000000000000" + strconv.FormatUint(n|1<<52, 16) // 14 digits
}

// join announces a consumer by its settings, and waits for the server's.
func (b *bare) join(ctx context.Context, group, topic string) error {
	stream, err := b.rpc.Telemetry(ctx)
	if err != nil {
		return err
	}
	err = stream.Send(&v2.TelemetryCommand{Command: &v2.TelemetryCommand_Settings{Settings: &v2.Settings{
		ClientType: new(v2.ClientType_SIMPLE_CONSUMER), RequestTimeout: durationpb.New(3 * time.Second),
		PubSub: &v2.Settings_Subscription{Subscription: &v2.Subscription{
			Group:         resource(group),
			Subscriptions: []*v2.SubscriptionEntry{{Topic: resource(topic), Expression: everything()}},
		}},
	}}})
	if err != nil && !errors.Is(err, io.EOF) { // the end has its reason in Recv
		return err
	}
	_, err = stream.Recv()
	return err
}

func everything() *v2.FilterExpression {
	return &v2.FilterExpression{Type: v2.FilterType_TAG, Expression: "*"}
}

// send sends so many messages in one call.
func (b *bare) send(ctx context.Context, topic string, n int) error {
	now, body := timestamppb.Now(), make([]byte, bodySize)
	request := &v2.SendMessageRequest{Messages: make([]*v2.Message, n)}
	for i := range request.Messages {
		request.Messages[i] = &v2.Message{
			Topic: resource(topic), Body: body,
			SystemProperties: &v2.SystemProperties{
				MessageId: messageID(b.ids.Add(1)), MessageType: v2.MessageType_NORMAL,
				BodyEncoding: v2.Encoding_IDENTITY, BornTimestamp: now, BornHost: "bench",
			},
		}
	}
	answer, err := b.rpc.SendMessage(ctx, request)
	if err == nil && answer.GetStatus().GetCode() != v2.Code_OK {
		err = fmt.Errorf("bench: send: %v", answer.GetStatus())
	}
	return err
}

// receive receives up to batchSize messages, acknowledges all of them in one call, and gives their
// number.
func (b *bare) receive(ctx context.Context, group, topic string, polling time.Duration) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, polling+5*time.Second)
	defer cancel()
	stream, err := b.rpc.ReceiveMessage(ctx, &v2.ReceiveMessageRequest{
		Group: resource(group), MessageQueue: &v2.MessageQueue{Topic: resource(topic)},
		FilterExpression: everything(), BatchSize: batchSize,
		InvisibleDuration: durationpb.New(lease), LongPollingTimeout: durationpb.New(polling),
	})
	if err != nil {
		return 0, err
	}
	ack := &v2.AckMessageRequest{Group: resource(group), Topic: resource(topic)}
	for {
		frame, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return 0, err
		}
		if err := refused(frame.GetStatus()); err != nil {
			return 0, err
		}
		if sp := frame.GetMessage().GetSystemProperties(); sp != nil {
			ack.Entries = append(ack.Entries, &v2.AckMessageEntry{
				MessageId: sp.GetMessageId(), ReceiptHandle: sp.GetReceiptHandle(),
			})
		}
	}
	if len(ack.Entries) == 0 {
		return 0, nil
	}
	answer, err := b.rpc.AckMessage(ctx, ack)
	if err == nil && answer.GetStatus().GetCode() != v2.Code_OK {
		err = fmt.Errorf("bench: acknowledge: %v", answer.GetStatus())
	}
	return len(ack.Entries), err
}

// refused tells of a status that is neither success nor that there is nothing.
func refused(s *v2.Status) error {
	switch s.GetCode() {
	case v2.Code_CODE_UNSPECIFIED, v2.Code_OK, v2.Code_MESSAGE_NOT_FOUND:
		return nil
	}
	return fmt.Errorf("bench: receive: %v", s)
}
