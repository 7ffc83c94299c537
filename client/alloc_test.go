package client_test

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/rocketflow-io/rocketflow/client"
)

// polled is how many messages a poll brings.
const polled = 32

// stocked answers polls without a network, so that what is measured is the client, and the decoding of
// what would come over one.
type stocked struct {
	instant
	frames [][]byte // the answer to a poll
	limit  *atomic.Int64
}

func newStocked(tb testing.TB, polls int64) stocked {
	tb.Helper()
	s := stocked{instant: instant{routeOver("orders", single...)}, limit: new(atomic.Int64)}
	s.limit.Store(polls)
	add := func(r *v2.ReceiveMessageResponse) {
		frame, err := proto.Marshal(r)
		require.NoError(tb, err)
		s.frames = append(s.frames, frame)
	}
	add(&v2.ReceiveMessageResponse{Content: &v2.ReceiveMessageResponse_Status{Status: ok()}})
	for i := range polled {
		add(&v2.ReceiveMessageResponse{Content: &v2.ReceiveMessageResponse_Message{Message: &v2.Message{
			Topic: &v2.Resource{Name: "orders"}, Body: make([]byte, 256),
			UserProperties: map[string]string{"shop": "north"},
			SystemProperties: &v2.SystemProperties{
				MessageId: fmt.Sprintf("%034d", i), BornTimestamp: timestamppb.Now(), StoreTimestamp: timestamppb.Now(),
				BornHost: "here", ReceiptHandle: new(fmt.Sprintf("%0100d", i)), DeliveryAttempt: new(int32(1)),
				InvisibleDuration: durationpb.New(time.Minute), BodyEncoding: v2.Encoding_IDENTITY,
			},
		}}})
	}
	return s
}

func (s stocked) Invoke(ctx context.Context, method string, request, reply any, opts ...grpc.CallOption) error {
	switch a := reply.(type) {
	case *v2.AckMessageResponse:
		a.Status = s.route.Status
		for _, e := range request.(*v2.AckMessageRequest).GetEntries() {
			a.Entries = append(a.Entries, &v2.AckMessageResultEntry{
				MessageId: e.GetMessageId(), ReceiptHandle: e.GetReceiptHandle(), Status: s.route.Status,
			})
		}
	case *v2.QueryAssignmentResponse:
		a.Status = s.route.Status
		a.Assignments = []*v2.Assignment{{MessageQueue: s.route.MessageQueues[0]}}
	case *v2.HeartbeatResponse:
		a.Status = s.route.Status
	case *v2.NotifyClientTerminationResponse:
		a.Status = s.route.Status
	case *v2.ChangeInvisibleDurationResponse:
		a.Status = s.route.Status
	default:
		return s.instant.Invoke(ctx, method, request, reply, opts...)
	}
	return nil
}

func (s stocked) NewStream(ctx context.Context, _ *grpc.StreamDesc, method string, _ ...grpc.CallOption) (grpc.ClientStream, error) {
	if method == v2.MessagingService_ReceiveMessage_FullMethodName {
		if s.limit.Add(-1) < 0 {
			<-ctx.Done()
			return nil, ctx.Err()
		}
		return &poll{frames: s.frames}, nil
	}
	return &telemetry{ctx: ctx, settings: make(chan *v2.Settings, 1)}, nil
}

// poll is the answer to one.
type poll struct {
	grpc.ClientStream
	frames [][]byte
}

func (*poll) SendMsg(any) error { return nil }
func (*poll) CloseSend() error  { return nil }

func (p *poll) RecvMsg(m any) error {
	if len(p.frames) == 0 {
		return io.EOF
	}
	frame := p.frames[0]
	p.frames = p.frames[1:]
	return proto.Unmarshal(frame, m.(proto.Message))
}

// telemetry answers settings as they are.
type telemetry struct {
	grpc.ClientStream
	ctx      context.Context
	settings chan *v2.Settings
}

func (t *telemetry) SendMsg(m any) error {
	t.settings <- m.(*v2.TelemetryCommand).GetSettings()
	return nil
}

func (*telemetry) CloseSend() error { return nil }

func (t *telemetry) RecvMsg(m any) error {
	select {
	case s := <-t.settings:
		c := m.(*v2.TelemetryCommand)
		c.Status, c.Command = ok(), &v2.TelemetryCommand_Settings{Settings: s}
		return nil
	case <-t.ctx.Done():
		return t.ctx.Err()
	}
}

// decoding is how often the decoding of one message allocates.
func (s stocked) decoding() float64 {
	return testing.AllocsPerRun(50, func() {
		p := &poll{frames: s.frames}
		for {
			if p.RecvMsg(new(v2.ReceiveMessageResponse)) != nil {
				return
			}
		}
	}) / polled
}

func (s stocked) client(t *testing.T) *client.Client {
	t.Helper()
	c, err := client.New(single[0], client.WithCredentials("ak", "sk"),
		client.WithConnect(func(context.Context, string) (grpc.ClientConnInterface, io.Closer, error) { return s, nil, nil }))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	return c
}

// Decoding is counted apart: it is protobuf's. The stub's own answers to acknowledgements are counted
// as if they were the client's.
func TestSimpleConsumer_AllocatesLittle(t *testing.T) {
	s := newStocked(t, 1<<40)
	consumer, err := s.client(t).NewSimpleConsumer("G", map[string]client.Filter{"orders": client.All()})
	require.NoError(t, err)
	run := func() {
		got, err := consumer.Receive(context.Background(), polled, time.Minute)
		require.NoError(t, err)
		require.Len(t, got, polled)
		require.NoError(t, consumer.Ack(context.Background(), got...))
	}
	run()
	allocs, decoding := testing.AllocsPerRun(50, run)/polled, s.decoding()
	t.Logf("a message received and acknowledged: %.1f allocations, of which %.1f to decode it", allocs, decoding)
	require.LessOrEqual(t, allocs-decoding, 12.0)
}

func TestPushConsumer_AllocatesLittle(t *testing.T) {
	const polls = 500
	s := newStocked(t, polls)
	var count atomic.Int64
	all := make(chan struct{})
	consumer, err := s.client(t).NewPushConsumer("G", map[string]client.Filter{"orders": client.All()},
		func(context.Context, *client.Message) error {
			if count.Add(1) == polls*polled {
				close(all)
			}
			return nil
		})
	require.NoError(t, err)
	decoding := s.decoding()
	ran := make(chan error, 1)
	before := mallocs()
	go func() { ran <- consumer.Run(context.Background()) }()
	<-all
	require.NoError(t, consumer.Close())
	require.NoError(t, <-ran)
	allocs := float64(mallocs()-before) / (polls * polled)
	t.Logf("a message consumed and acknowledged: %.1f allocations, of which %.1f to decode it", allocs, decoding)
	require.LessOrEqual(t, allocs-decoding, 12.0)
}

func mallocs() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.Mallocs
}
