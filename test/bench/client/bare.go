package main

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
)

// A bareClient is a connection and a session, and no more: the least that a client of the protocol
// needs. Its connection is set up like ours.
type bareClient struct {
	conn      *grpc.ClientConn
	rpc       v2.MessagingServiceClient
	ctx       context.Context // with the headers of requests
	telemetry grpc.BidiStreamingClient[v2.TelemetryCommand, v2.TelemetryCommand]
	queue     *v2.MessageQueue
}

const clientIDs = "bench@1@"

var clients atomic.Int64

// dialBare connects, queries the route of the topic and announces the client by its settings.
func dialBare(ctx context.Context, s *server, topic string, settings *v2.Settings) (*bareClient, error) {
	conn, err := grpc.NewClient(s.endpoint, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDisableServiceConfig(), grpc.WithDisableRetry(),
		grpc.WithInitialWindowSize(4<<20), grpc.WithInitialConnWindowSize(16<<20),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(math.MaxInt32)))
	if err != nil {
		return nil, err
	}
	b := &bareClient{conn: conn, rpc: v2.NewMessagingServiceClient(conn)}
	b.ctx = metadata.NewOutgoingContext(ctx, metadata.MD{
		"x-mq-client-id": {clientIDs + strconv.FormatInt(clients.Add(1), 10)}, "x-mq-language": {"GO"},
		"x-mq-protocol": {"v2"}, "x-mq-client-version": {"5.5.0"}, "x-mq-namespace": {""},
		"x-mq-date-time": {time.Now().UTC().Format("20060102T150405Z")}, "x-mq-request-id": {"bench"},
	})
	if err := b.join(s, topic, settings); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return b, nil
}

func (b *bareClient) join(s *server, topic string, settings *v2.Settings) error {
	route, err := b.rpc.QueryRoute(b.ctx, &v2.QueryRouteRequest{Topic: &v2.Resource{Name: topic}, Endpoints: endpointsOf(s.endpoint)})
	if err != nil {
		return err
	}
	if len(route.GetMessageQueues()) == 0 {
		return fmt.Errorf("bench: no route: %v", route.GetStatus())
	}
	b.queue = route.GetMessageQueues()[0]
	if b.telemetry, err = b.rpc.Telemetry(b.ctx); err != nil {
		return err
	}
	if err := b.telemetry.Send(&v2.TelemetryCommand{Command: &v2.TelemetryCommand_Settings{Settings: settings}}); err != nil {
		return err
	}
	_, err = b.telemetry.Recv() // the server's settings
	return err
}

func (b *bareClient) Close() error { return b.conn.Close() }

// A sendShape is so many requests at once, of so many messages each.
type sendShape struct{ requests, messages int }

// bareProducer sends by grpc calls.
type bareProducer struct {
	*bareClient
	topic *v2.Resource
	round time.Duration
	shape sendShape
	ids   atomic.Uint64
}

// newBareProducer returns one with the shape that is fastest, of those with so many messages under way.
func newBareProducer(ctx context.Context, s *server, topic string, round time.Duration, shapes ...sendShape) (*bareProducer, error) {
	b, err := dialBare(ctx, s, topic, &v2.Settings{
		ClientType: new(v2.ClientType_PRODUCER),
		PubSub: &v2.Settings_Publishing{Publishing: &v2.Publishing{
			Topics: []*v2.Resource{{Name: topic}}, ValidateMessageType: true,
		}},
		UserAgent: &v2.UA{Language: v2.Language_GOLANG, Version: "5.5.0"},
	})
	if err != nil {
		return nil, err
	}
	p := &bareProducer{bareClient: b, topic: &v2.Resource{Name: topic}, round: round, shape: shapes[0]}
	if len(shapes) == 1 {
		return p, nil
	}
	p.shape, err = fastest(shapes, func(shape sendShape) (float64, error) {
		p.shape = shape
		return p.Run(ctx)
	})
	return p, err
}

// fastest tries each shape in turn, a few times, and returns the one with the highest rate.
func fastest[S any](shapes []S, try func(S) (float64, error)) (best S, err error) {
	const tries = 4
	sums := make([]float64, len(shapes))
	for i := range tries {
		for at, shape := range shapes {
			rate, err := try(shape)
			if err != nil {
				return best, err
			}
			if i > 0 { // the first is to warm up
				sums[at] += rate
			}
		}
	}
	at := 0
	for i, sum := range sums {
		if sum > sums[at] {
			at = i
		}
	}
	return shapes[at], nil
}

func (p *bareProducer) describe() string {
	return fmt.Sprintf("%d requests of %d messages at once", p.shape.requests, p.shape.messages)
}

func (p *bareProducer) Run(context.Context) (float64, error) {
	return sendFor(p.ctx, p.round, p.shape.requests, p.shape.messages, p.send)
}

func (p *bareProducer) send(ctx context.Context) error {
	request := &v2.SendMessageRequest{Messages: make([]*v2.Message, p.shape.messages)}
	for i := range request.Messages {
		request.Messages[i] = p.message()
	}
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	answer, err := p.rpc.SendMessage(ctx, request)
	if err == nil && answer.GetStatus().GetCode() != v2.Code_OK {
		err = fmt.Errorf("bench: send: %v", answer.GetStatus())
	}
	return err
}

// receiver receives and acknowledges by grpc calls, so many polls at once.
type receiver struct {
	*bareClient
	request *v2.ReceiveMessageRequest
}

// poll receives and acknowledges what comes by one request each.
func (r *receiver) poll(ctx context.Context) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, await+3*time.Second)
	defer cancel()
	stream, err := r.rpc.ReceiveMessage(ctx, r.request)
	if err != nil {
		return 0, err
	}
	ack := &v2.AckMessageRequest{Group: r.request.GetGroup(), Topic: r.request.GetMessageQueue().GetTopic()}
	for {
		frame, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return 0, err
		}
		if m := frame.GetMessage(); m != nil {
			s := m.GetSystemProperties()
			if err := checkDigest(s.GetBodyDigest(), m.GetBody()); err != nil {
				return 0, err
			}
			ack.Entries = append(ack.Entries, &v2.AckMessageEntry{MessageId: s.GetMessageId(), ReceiptHandle: s.GetReceiptHandle()})
		}
	}
	if len(ack.Entries) == 0 {
		return 0, nil
	}
	answer, err := r.rpc.AckMessage(ctx, ack)
	if err == nil && answer.GetStatus().GetCode() != v2.Code_OK {
		err = fmt.Errorf("bench: acknowledge: %v", answer.GetStatus())
	}
	return len(ack.Entries), err
}

// checkDigest does what every client has to do with what it receives.
func checkDigest(d *v2.Digest, body []byte) error {
	var found string
	switch d.GetType() {
	case v2.DigestType_MD5:
		sum := md5.Sum(body)
		found = hex.EncodeToString(sum[:])
	case v2.DigestType_CRC32:
		found = strconv.FormatUint(uint64(crc32.ChecksumIEEE(body)), 16)
	default:
		return fmt.Errorf("bench: no digest to check: %v", d)
	}
	if !strings.EqualFold(found, d.GetChecksum()) {
		return fmt.Errorf("bench: the body's digest is %s and not %s", found, d.GetChecksum())
	}
	return nil
}
