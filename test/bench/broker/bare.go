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
	target, err := encoded(resource(topic))
	if err != nil {
		return err
	}
	properties, err := encoded(&v2.SystemProperties{
		MessageType: v2.MessageType_NORMAL, BodyEncoding: v2.Encoding_IDENTITY,
		BornTimestamp: timestamppb.Now(), BornHost: "bench",
	})
	if err != nil {
		return err
	}
	body := make([]byte, bodySize)
	request, message, own := make(wire, 0, n*(bodySize+128)), wire(nil), wire(nil)
	for range n {
		own = append(own[:0], properties...).bytes(3, []byte(messageID(b.ids.Add(1))))
		message = message[:0].bytes(1, target).bytes(3, own).bytes(4, body)
		request = request.bytes(1, message)
	}
	return b.call(ctx, v2.MessagingService_SendMessage_FullMethodName, request)
}

// call makes a call whose answer says no more than its status.
func (b *bare) call(ctx context.Context, method string, request wire) error {
	var answer wire
	if err := b.conn.Invoke(ctx, method, &request, &answer, grpc.ForceCodecV2(wireCodec{})); err != nil {
		return err
	}
	if err := answer.answered(); err != nil {
		return fmt.Errorf("%s: %w", method, err)
	}
	return nil
}

// receive receives up to batchSize messages, acknowledges all of them in one call, and gives their
// number.
func (b *bare) receive(ctx context.Context, group, topic string, polling time.Duration) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, polling+5*time.Second)
	defer cancel()
	request, err := encoded(&v2.ReceiveMessageRequest{
		Group: resource(group), MessageQueue: &v2.MessageQueue{Topic: resource(topic)},
		FilterExpression: everything(), BatchSize: batchSize,
		InvisibleDuration: durationpb.New(lease), LongPollingTimeout: durationpb.New(polling),
	})
	if err != nil {
		return 0, err
	}
	ack, err := encoded(&v2.AckMessageRequest{Group: resource(group), Topic: resource(topic)})
	if err != nil {
		return 0, err
	}
	stream, err := b.conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true},
		v2.MessagingService_ReceiveMessage_FullMethodName, grpc.ForceCodecV2(wireCodec{}))
	if err != nil {
		return 0, err
	}
	if err := errors.Join(stream.SendMsg(&request), stream.CloseSend()); err != nil && !errors.Is(err, io.EOF) {
		return 0, err // io.EOF has its reason in RecvMsg
	}
	n := 0
	for frame := wire(nil); ; {
		err := stream.RecvMsg(&frame)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return 0, err
		}
		entry, err := frame.received()
		if err != nil {
			return 0, err
		}
		if entry != nil {
			ack = ack.bytes(3, entry)
			n++
		}
	}
	if n == 0 {
		return 0, nil
	}
	return n, b.call(ctx, v2.MessagingService_AckMessage_FullMethodName, ack)
}
