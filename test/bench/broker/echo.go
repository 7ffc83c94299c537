package main

import (
	"context"
	"fmt"
	"strings"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// An echo answers with the shapes that a broker answers with, and does nothing for it: it is what
// grpc and the encoding cost.
type echo struct {
	v2.UnimplementedMessagingServiceServer
	messages [batchSize]*v2.ReceiveMessageResponse
}

func newEcho() *echo {
	e := new(echo)
	for i := range e.messages {
		e.messages[i] = &v2.ReceiveMessageResponse{
			Content: &v2.ReceiveMessageResponse_Message{Message: echoed(int64(i))},
		}
	}
	return e
}

// echoed is a message with all that a broker delivers.
func echoed(offset int64) *v2.Message {
	handle := fmt.Sprintf("%d 1795511628235 10000 3 0 broker-a 0 %d 221919279", offset, offset)
	return &v2.Message{
		Topic: &v2.Resource{Name: "echo"}, Body: make([]byte, bodySize),
		SystemProperties: &v2.SystemProperties{
			MessageId: messageID(uint64(offset)), MessageType: v2.MessageType_NORMAL,
			BodyDigest:   &v2.Digest{Type: v2.DigestType_MD5, Checksum: strings.Repeat("F", 32)},
			BodyEncoding: v2.Encoding_IDENTITY, BornTimestamp: timestamppb.Now(), BornHost: "bench",
			StoreTimestamp: timestamppb.Now(), StoreHost: "127.0.0.1:10911", ReceiptHandle: &handle,
			QueueOffset: &offset, DeliveryAttempt: new(int32(1)),
		},
	}
}

func ok() *v2.Status { return &v2.Status{Code: v2.Code_OK, Message: "OK"} }

// Telemetry implements the service.
func (e *echo) Telemetry(stream grpc.BidiStreamingServer[v2.TelemetryCommand, v2.TelemetryCommand]) error {
	for {
		command, err := stream.Recv()
		if err != nil {
			return nil // the client has gone
		}
		if err := stream.Send(command); err != nil {
			return err
		}
	}
}

// SendMessage implements the service.
func (e *echo) SendMessage(_ context.Context, req *v2.SendMessageRequest) (*v2.SendMessageResponse, error) {
	answer := &v2.SendMessageResponse{Status: ok(), Entries: make([]*v2.SendResultEntry, len(req.GetMessages()))}
	for i, m := range req.GetMessages() {
		id := m.GetSystemProperties().GetMessageId()
		answer.Entries[i] = &v2.SendResultEntry{Status: ok(), MessageId: id, TransactionId: id, Offset: int64(i)}
	}
	return answer, nil
}

// ReceiveMessage implements the service.
func (e *echo) ReceiveMessage(
	_ *v2.ReceiveMessageRequest, stream grpc.ServerStreamingServer[v2.ReceiveMessageResponse],
) error {
	if err := stream.Send(&v2.ReceiveMessageResponse{Content: &v2.ReceiveMessageResponse_Status{Status: ok()}}); err != nil {
		return err
	}
	for _, m := range e.messages {
		if err := stream.Send(m); err != nil {
			return err
		}
	}
	return stream.Send(&v2.ReceiveMessageResponse{
		Content: &v2.ReceiveMessageResponse_DeliveryTimestamp{DeliveryTimestamp: timestamppb.Now()},
	})
}

// AckMessage implements the service.
func (e *echo) AckMessage(_ context.Context, req *v2.AckMessageRequest) (*v2.AckMessageResponse, error) {
	answer := &v2.AckMessageResponse{Status: ok(), Entries: make([]*v2.AckMessageResultEntry, len(req.GetEntries()))}
	for i, entry := range req.GetEntries() {
		answer.Entries[i] = &v2.AckMessageResultEntry{
			MessageId: entry.GetMessageId(), ReceiptHandle: entry.GetReceiptHandle(), Status: ok(),
		}
	}
	return answer, nil
}
