package client_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"maps"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/encoding/protodelim"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/rocketflow-io/rocketflow/client"
)

// An oddServer is well, but for one method, which it answers with whatever it was given.
type oddServer struct {
	method string
	frames [][]byte // the messages of a stream, or, of a unary method, its one answer
}

// newOddServer splits data, each message of which is preceded by its length.
func newOddServer(method string, data []byte) oddServer {
	s := oddServer{method: method}
	for len(data) > 0 {
		length, prefix := binary.Uvarint(data)
		data = data[max(prefix, 0):]
		if prefix <= 0 || length > uint64(len(data)) {
			return s
		}
		s.frames, data = append(s.frames, data[:length]), data[length:]
	}
	return s
}

// usual are the answers of a server that is well.
func usual() map[string]proto.Message {
	route := routeOver("orders", single...)
	// A topic of every type, so that nothing is refused before it is sent.
	route.MessageQueues[0].AcceptMessageTypes = nil
	return map[string]proto.Message{
		v2.MessagingService_QueryRoute_FullMethodName: route,
		v2.MessagingService_Heartbeat_FullMethodName:  &v2.HeartbeatResponse{Status: ok()},
		v2.MessagingService_SendMessage_FullMethodName: &v2.SendMessageResponse{
			Status: ok(), Entries: []*v2.SendResultEntry{{Status: ok(), TransactionId: "tx"}},
		},
		v2.MessagingService_QueryAssignment_FullMethodName: &v2.QueryAssignmentResponse{
			Status: ok(), Assignments: []*v2.Assignment{{MessageQueue: route.MessageQueues[0]}},
		},
		v2.MessagingService_ReceiveMessage_FullMethodName:          messageFrame("a"),
		v2.MessagingService_AckMessage_FullMethodName:              &v2.AckMessageResponse{Status: ok()},
		v2.MessagingService_ChangeInvisibleDuration_FullMethodName: &v2.ChangeInvisibleDurationResponse{Status: ok()},
		v2.MessagingService_ForwardMessageToDeadLetterQueue_FullMethodName: &v2.ForwardMessageToDeadLetterQueueResponse{
			Status: ok(),
		},
		v2.MessagingService_EndTransaction_FullMethodName:          &v2.EndTransactionResponse{Status: ok()},
		v2.MessagingService_RecallMessage_FullMethodName:           &v2.RecallMessageResponse{Status: ok(), MessageId: "a"},
		v2.MessagingService_SyncLiteSubscription_FullMethodName:    &v2.SyncLiteSubscriptionResponse{Status: ok()},
		v2.MessagingService_NotifyClientTermination_FullMethodName: &v2.NotifyClientTerminationResponse{Status: ok()},
		v2.MessagingService_Telemetry_FullMethodName:               &v2.TelemetryCommand{Status: ok()},
	}
}

// Invoke implements grpc.ClientConnInterface.
func (s oddServer) Invoke(_ context.Context, method string, _, reply any, _ ...grpc.CallOption) error {
	answer := reply.(proto.Message)
	if method == s.method {
		if len(s.frames) == 0 {
			return nil // an empty answer
		}
		return proto.Unmarshal(s.frames[0], answer)
	}
	well := usual()[method]
	if well == nil {
		return errors.New("not here")
	}
	proto.Merge(answer, well)
	return nil
}

// NewStream implements grpc.ClientConnInterface.
func (s oddServer) NewStream(ctx context.Context, _ *grpc.StreamDesc, method string, _ ...grpc.CallOption) (grpc.ClientStream, error) {
	stream := &oddStream{ctx: ctx, method: method, announced: make(chan proto.Message, 100)}
	if method == s.method {
		stream.odd = s.frames
	}
	return stream, nil
}

// An oddStream answers first what it was given and then what is usual.
type oddStream struct {
	ctx       context.Context
	method    string
	odd       [][]byte
	announced chan proto.Message // the settings of the client
	polled    bool
}

func (s *oddStream) Header() (metadata.MD, error) { return nil, nil }
func (s *oddStream) Trailer() metadata.MD         { return nil }
func (s *oddStream) CloseSend() error             { return nil }
func (s *oddStream) Context() context.Context     { return s.ctx }

func (s *oddStream) SendMsg(m any) error {
	select {
	case s.announced <- proto.Clone(m.(proto.Message)):
	default: // nobody reads replies to commands
	}
	return s.ctx.Err()
}

func (s *oddStream) RecvMsg(m any) error {
	if len(s.odd) > 0 {
		frame := s.odd[0]
		s.odd = s.odd[1:]
		return proto.Unmarshal(frame, m.(proto.Message))
	}
	if s.method == v2.MessagingService_ReceiveMessage_FullMethodName {
		if s.polled {
			return io.EOF
		}
		s.polled = true
		proto.Merge(m.(proto.Message), usual()[s.method])
		return nil
	}
	for {
		select {
		case announced := <-s.announced:
			command := announced.(*v2.TelemetryCommand)
			if command.GetSettings() == nil {
				continue
			}
			proto.Merge(m.(proto.Message), command)
			return nil
		case <-s.ctx.Done():
			return s.ctx.Err()
		}
	}
}

func FuzzClient_BearsAnyAnswer(f *testing.F) {
	methods := slices.Sorted(maps.Keys(usual()))
	for i, method := range methods {
		f.Add(i, delimited(f, usual()[method]))
		f.Add(i, []byte{0})
		f.Add(i, []byte{})
	}
	for _, odd := range oddities() {
		f.Add(slices.Index(methods, odd.method), delimited(f, odd.answers...))
	}
	f.Fuzz(func(t *testing.T, method int, data []byte) {
		if method < 0 || method >= len(methods) {
			return
		}
		synctest.Test(t, func(t *testing.T) { exercise(t, newOddServer(methods[method], data)) })
	})
}

// delimited writes messages as a stream.
func delimited(f *testing.F, messages ...proto.Message) []byte {
	f.Helper()
	var b bytes.Buffer
	for _, m := range messages {
		_, err := protodelim.MarshalTo(&b, m)
		require.NoError(f, err)
	}
	return b.Bytes()
}

// An oddity is an answer that makes no sense, or some.
type oddity struct {
	method  string
	answers []proto.Message
}

func oddities() []oddity {
	lost := &v2.MessageQueue{Id: -1, Permission: 99, Broker: &v2.Broker{Id: -7, Endpoints: &v2.Endpoints{
		Scheme: 9, Addresses: []*v2.Address{{Host: "", Port: -1}, nil},
	}}}
	command := func(c *v2.TelemetryCommand) proto.Message { return c }
	return []oddity{
		{v2.MessagingService_QueryRoute_FullMethodName, []proto.Message{
			&v2.QueryRouteResponse{Status: ok(), MessageQueues: []*v2.MessageQueue{nil, lost, queueAt("other", 1, single[0])}},
		}},
		{v2.MessagingService_QueryAssignment_FullMethodName, []proto.Message{
			&v2.QueryAssignmentResponse{Status: ok(), Assignments: []*v2.Assignment{nil, {}, {MessageQueue: lost}}},
		}},
		{v2.MessagingService_SendMessage_FullMethodName, []proto.Message{
			&v2.SendMessageResponse{Status: code(v2.Code_MULTIPLE_RESULTS), Entries: []*v2.SendResultEntry{nil, {}, {}}},
		}},
		{v2.MessagingService_AckMessage_FullMethodName, []proto.Message{
			&v2.AckMessageResponse{Status: code(-1), Entries: []*v2.AckMessageResultEntry{nil, {}}},
		}},
		{v2.MessagingService_ReceiveMessage_FullMethodName, []proto.Message{
			statusFrame(nil), statusFrame(code(v2.Code_OK)), timeFrame(),
			messageFrame("", func(m *v2.Message) { m.SystemProperties, m.Topic = nil, nil }),
			messageFrame("x", func(m *v2.Message) {
				m.SystemProperties.BodyEncoding = v2.Encoding_GZIP
				m.SystemProperties.InvisibleDuration = &durationpb.Duration{Seconds: -1, Nanos: 5}
			}),
		}},
		{v2.MessagingService_Telemetry_FullMethodName, []proto.Message{
			&v2.TelemetryCommand{}, command(verifyCommand("1")), command(recoverCommand("2")), command(liteCommand("3")),
			command(stackCommand("4")),
			&v2.TelemetryCommand{Command: &v2.TelemetryCommand_Settings{}},
			&v2.TelemetryCommand{Command: &v2.TelemetryCommand_Settings{Settings: &v2.Settings{
				BackoffPolicy: &v2.RetryPolicy{MaxAttempts: -1, Strategy: &v2.RetryPolicy_CustomizedBackoff{
					CustomizedBackoff: &v2.CustomizedBackoff{},
				}},
				PubSub: &v2.Settings_Subscription{Subscription: &v2.Subscription{ReceiveBatchSize: new(int32(-5))}},
				Metric: &v2.Metric{On: true},
			}}},
			&v2.TelemetryCommand{Status: code(v2.Code_UNAUTHORIZED)},
		}},
	}
}

// A trial is one run through all that a client can do.
type trial struct {
	*testing.T
	client   *client.Client
	failed   []error
	consumed int // by the push consumer
}

// exercise makes a trial on the server. Whatever that answers, each call ends within its context,
// without an error or with one that tells what happened.
func exercise(t *testing.T, s oddServer) *trial {
	t.Helper()
	c, err := client.New(single[0], client.WithConnect(func(context.Context, string) (grpc.ClientConnInterface, io.Closer, error) {
		return s, nil, nil
	}))
	require.NoError(t, err)
	run := &trial{T: t, client: c}
	run.produce()
	run.consume()
	run.push()
	run.lite()
	start := time.Now()
	require.NoError(t, c.Close())
	require.LessOrEqual(t, time.Since(start), time.Minute)
	return run
}

// call calls something with a context that is long enough for all retries, and checks its error.
func (t *trial) call(do func(ctx context.Context) error) {
	t.Helper()
	const limit = time.Minute
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	start := time.Now()
	t.check(do(ctx))
	require.LessOrEqual(t, time.Since(start), limit)
}

// check fails unless err is none, or one of those that the package documents.
func (t *trial) check(err error) {
	t.Helper()
	if err == nil {
		return
	}
	t.failed = append(t.failed, err)
	var (
		status    *client.StatusError
		transport *client.TransportError
		argument  *client.ArgumentError
	)
	typed := errors.As(err, &status) || errors.As(err, &transport) || errors.As(err, &argument) ||
		errors.Is(err, client.ErrClosed) || errors.Is(err, client.ErrNotSent)
	require.True(t, typed, "%T: %v", err, err)
	require.NotEmpty(t, err.Error())
}

func (t *trial) produce() {
	t.Helper()
	check := func(context.Context, *client.Message) client.Resolution { return client.ResolutionCommit }
	p, err := t.client.NewProducer(client.WithTransactionChecker(check))
	require.NoError(t, err)
	t.call(func(ctx context.Context) error {
		r, err := p.Send(ctx, message("orders", "x"))
		if err == nil {
			require.NotEmpty(t, r.MessageID)
		}
		return err
	})
	t.call(func(ctx context.Context) error {
		_, err := p.Send(ctx, &client.Message{Topic: "orders", Body: []byte("x"), MessageGroup: "g"})
		return err
	})
	t.call(func(ctx context.Context) error {
		_, err := p.SendBatch(ctx, []*client.Message{message("orders", "1"), message("orders", "2"), message("orders", "3")})
		return err
	})
	t.call(func(ctx context.Context) error {
		sent := make(chan error, 1)
		p.SendAsync(ctx, message("orders", "x"), func(_ client.Receipt, err error) { sent <- err })
		return <-sent
	})
	for _, end := range []func(*client.Transaction, context.Context) error{
		(*client.Transaction).Commit, (*client.Transaction).Rollback,
	} {
		tx, err := p.BeginTransaction()
		require.NoError(t, err)
		t.call(func(ctx context.Context) error {
			_, err := tx.Send(ctx, message("orders", "x"))
			return err
		})
		t.call(func(ctx context.Context) error { return end(tx, ctx) })
	}
	t.call(func(ctx context.Context) error {
		_, err := p.Recall(ctx, "orders", "handle")
		return err
	})
}

func (t *trial) consume() {
	t.Helper()
	sc, err := t.client.NewSimpleConsumer("G", map[string]client.Filter{"orders": client.All()})
	require.NoError(t, err)
	t.call(func(ctx context.Context) error {
		_, err := sc.Settings(ctx)
		return err
	})
	t.call(func(ctx context.Context) error { return sc.Ack(ctx, t.receive(sc)...) })
	for _, d := range t.receive(sc) {
		t.call(func(ctx context.Context) error { return d.Extend(ctx, time.Minute) })
		t.call(func(ctx context.Context) error { return d.Nack(ctx, time.Second) })
	}
	for _, d := range t.receive(sc) {
		t.call(func(ctx context.Context) error { return sc.ForwardToDeadLetterQueue(ctx, d) })
	}
}

// push consumes for a while. How much depends on the answers; that it ends does not.
func (t *trial) push() {
	t.Helper()
	var consumed atomic.Int32
	pc, err := t.client.NewPushConsumer("G", map[string]client.Filter{"orders": client.All()},
		func(context.Context, *client.Message) error {
			if consumed.Add(1)%2 == 0 {
				return errors.New("every other fails")
			}
			return nil
		}, client.WithReceiveRate(10), client.WithDrainTimeout(time.Second))
	require.NoError(t, err)
	t.call(func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
		defer cancel()
		return pc.Run(ctx)
	})
	t.consumed = int(consumed.Load())
}

// lite subscribes to lite topics, receives, and has them pushed for a while.
func (t *trial) lite() {
	t.Helper()
	lc, err := t.client.NewLiteSimpleConsumer("G", "orders")
	require.NoError(t, err)
	t.call(func(ctx context.Context) error { return lc.SubscribeLite(ctx, "A", client.MinOffset()) })
	t.call(func(ctx context.Context) error {
		got, err := lc.Receive(ctx, 32, time.Minute)
		if err != nil {
			return err
		}
		return lc.Ack(ctx, got...)
	})
	t.call(func(ctx context.Context) error { return lc.UnsubscribeLite(ctx, "A") })

	lp, err := t.client.NewLitePushConsumer("G", "orders", func(context.Context, *client.Message) error { return nil },
		client.WithReceiveRate(10))
	require.NoError(t, err)
	t.call(func(ctx context.Context) error { return lp.SubscribeLite(ctx, "A") })
	t.call(func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
		defer cancel()
		return lp.Run(ctx)
	})
}

func (t *trial) receive(sc *client.SimpleConsumer) []*client.Delivery {
	t.Helper()
	var got []*client.Delivery
	t.call(func(ctx context.Context) (err error) {
		got, err = sc.Receive(ctx, 32, time.Minute)
		return err
	})
	for _, d := range got {
		require.NotNil(t, d.Message)
		require.GreaterOrEqual(t, d.Attempt, 0)
		require.True(t, d.Err == nil || errors.Is(d.Err, client.ErrCorrupted) || errors.Is(d.Err, client.ErrUndecodable))
	}
	return got
}

// The trial is worth something only if it gets everywhere where all is well.
func TestTrial_SucceedsOnAServerThatIsWell(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		run := exercise(t, oddServer{})
		require.Empty(t, run.failed)
		require.Positive(t, run.consumed)
	})
}
