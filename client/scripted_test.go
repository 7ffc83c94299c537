package client_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/test/bufconn"

	"github.com/rocketflow-io/rocketflow/client"
)

// A network is servers that answer as a test has them answer, reached through memory. The first is
// the access point.
type network struct {
	*testing.T
	client *client.Client

	mu      sync.Mutex // guards servers
	servers map[string]*scripted
}

// A scripted server answers with its functions. The defaults are those of a server that is well.
type scripted struct {
	v2.UnimplementedMessagingServiceServer

	listener *bufconn.Listener
	server   *grpc.Server

	mu        sync.Mutex // guards what follows, once there is a client; see script
	route     func(ctx context.Context, q *v2.QueryRouteRequest) (*v2.QueryRouteResponse, error)
	assign    func(ctx context.Context, q *v2.QueryAssignmentRequest) (*v2.QueryAssignmentResponse, error)
	send      func(ctx context.Context, q *v2.SendMessageRequest) (*v2.SendMessageResponse, error)
	receive   func(q *v2.ReceiveMessageRequest, s grpc.ServerStreamingServer[v2.ReceiveMessageResponse]) error
	ack       func(ctx context.Context, q *v2.AckMessageRequest) (*v2.AckMessageResponse, error)
	change    func(ctx context.Context, q *v2.ChangeInvisibleDurationRequest) (*v2.ChangeInvisibleDurationResponse, error)
	end       func(ctx context.Context, q *v2.EndTransactionRequest) (*v2.EndTransactionResponse, error)
	recall    func(ctx context.Context, q *v2.RecallMessageRequest) (*v2.RecallMessageResponse, error)
	forward   func(ctx context.Context, q *v2.ForwardMessageToDeadLetterQueueRequest) (*v2.ForwardMessageToDeadLetterQueueResponse, error)
	heartbeat func(ctx context.Context, q *v2.HeartbeatRequest) (*v2.HeartbeatResponse, error)
	terminate func(ctx context.Context, q *v2.NotifyClientTerminationRequest) (*v2.NotifyClientTerminationResponse, error)
	telemetry func(s telemetryServer) error
	lite      func(ctx context.Context, q *v2.SyncLiteSubscriptionRequest) (*v2.SyncLiteSubscriptionResponse, error)
}

type telemetryServer = grpc.BidiStreamingServer[v2.TelemetryCommand, v2.TelemetryCommand]

// onNetwork runs a test in a bubble, with a server at each address, and a client of the first.
func onNetwork(t *testing.T, addresses []string, test func(n *network), opts ...client.Option) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		n := &network{T: t, servers: make(map[string]*scripted)}
		for _, address := range addresses {
			n.start(address, newScripted(addresses))
		}
		opts := append([]client.Option{client.WithPlaintext(), client.WithDialer(n.dial)}, opts...)
		var err error
		n.client, err = client.New(addresses[0], opts...)
		require.NoError(t, err)
		defer func() {
			require.NoError(t, n.client.Close())
			for _, address := range addresses {
				n.stop(address)
			}
		}()
		test(n)
	})
}

// newScripted returns a server that is well and knows one queue at each address.
func newScripted(addresses []string) *scripted {
	s := &scripted{}
	s.route = func(_ context.Context, q *v2.QueryRouteRequest) (*v2.QueryRouteResponse, error) {
		return routeOver(q.GetTopic().GetName(), addresses...), nil
	}
	s.assign = func(_ context.Context, q *v2.QueryAssignmentRequest) (*v2.QueryAssignmentResponse, error) {
		return assignmentsOver(q.GetTopic().GetName(), addresses...), nil
	}
	s.send = func(_ context.Context, q *v2.SendMessageRequest) (*v2.SendMessageResponse, error) {
		a := &v2.SendMessageResponse{Status: ok()}
		for _, m := range q.GetMessages() {
			id := m.GetSystemProperties().GetMessageId()
			a.Entries = append(a.Entries, &v2.SendResultEntry{Status: ok(), MessageId: id, TransactionId: "tx-" + id})
		}
		return a, nil
	}
	s.end = func(context.Context, *v2.EndTransactionRequest) (*v2.EndTransactionResponse, error) {
		return &v2.EndTransactionResponse{Status: ok()}, nil
	}
	s.receive = nothing
	s.lite = func(context.Context, *v2.SyncLiteSubscriptionRequest) (*v2.SyncLiteSubscriptionResponse, error) {
		return &v2.SyncLiteSubscriptionResponse{Status: ok()}, nil
	}
	s.heartbeat = wellHeartbeat
	s.terminate = func(context.Context, *v2.NotifyClientTerminationRequest) (*v2.NotifyClientTerminationResponse, error) {
		return &v2.NotifyClientTerminationResponse{Status: ok()}, nil
	}
	s.telemetry = answerSettings(func(s *v2.Settings) *v2.Settings { return s })
	return s
}

// refusePoison makes the server refuse every request that has the body "poison" in it, and returns the
// bodies that it has stored.
func (s *scripted) refusePoison() (stored func() []string) {
	var bodies []string
	inner := s.send
	s.send = func(ctx context.Context, q *v2.SendMessageRequest) (*v2.SendMessageResponse, error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		var taken []string
		for _, m := range q.GetMessages() {
			if string(m.GetBody()) == "poison" {
				return &v2.SendMessageResponse{Status: code(v2.Code_ILLEGAL_MESSAGE_PROPERTY_KEY)}, nil
			}
			taken = append(taken, string(m.GetBody()))
		}
		bodies = append(bodies, taken...)
		return inner(ctx, q)
	}
	return func() []string {
		s.mu.Lock()
		defer s.mu.Unlock()
		return bodies
	}
}

// nothing answers a poll when its time is over.
func nothing(q *v2.ReceiveMessageRequest, s grpc.ServerStreamingServer[v2.ReceiveMessageResponse]) error {
	select {
	case <-time.After(q.GetLongPollingTimeout().AsDuration()):
	case <-s.Context().Done():
	}
	return s.Send(&v2.ReceiveMessageResponse{Content: &v2.ReceiveMessageResponse_Status{
		Status: code(v2.Code_MESSAGE_NOT_FOUND)}})
}

func wellHeartbeat(context.Context, *v2.HeartbeatRequest) (*v2.HeartbeatResponse, error) {
	return &v2.HeartbeatResponse{Status: ok()}, nil
}

func (n *network) start(address string, s *scripted) {
	s.listener, s.server = bufconn.Listen(1<<20), grpc.NewServer(grpc.MaxRecvMsgSize(16<<20))
	v2.RegisterMessagingServiceServer(s.server, s)
	go func() { _ = s.server.Serve(s.listener) }() // ended by stop
	n.mu.Lock()
	defer n.mu.Unlock()
	n.servers[address] = s
}

func (n *network) stop(address string) {
	n.mu.Lock()
	s := n.servers[address]
	delete(n.servers, address)
	n.mu.Unlock()
	if s != nil {
		s.server.Stop()
	}
}

func (n *network) at(address string) *scripted {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.servers[address]
}

func (n *network) dial(ctx context.Context, address string) (net.Conn, error) {
	if s := n.at(address); s != nil {
		return s.listener.DialContext(ctx)
	}
	return nil, errors.New("connection refused")
}

func (n *network) producer(opts ...client.ProducerOption) *client.Producer {
	n.Helper()
	p, err := n.client.NewProducer(opts...)
	require.NoError(n, err)
	return p
}

func (n *network) consumer(topics ...string) *client.SimpleConsumer {
	n.Helper()
	subscriptions := make(map[string]client.Filter)
	for _, topic := range topics {
		subscriptions[topic] = client.All()
	}
	c, err := n.client.NewSimpleConsumer("G", subscriptions)
	require.NoError(n, err)
	return c
}

// script changes what the server answers while it is in use.
func (s *scripted) script(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
}

// part returns one of the functions of the server.
func part[F any](s *scripted, f *F) F {
	s.mu.Lock()
	defer s.mu.Unlock()
	return *f
}

func ok() *v2.Status { return &v2.Status{Code: v2.Code_OK, Message: "OK"} }

func code(c v2.Code) *v2.Status { return &v2.Status{Code: c, Message: strings.ToLower(c.String())} }

// routeOver is a route of one queue at each address, each of a broker of its own.
func routeOver(topic string, addresses ...string) *v2.QueryRouteResponse {
	a := &v2.QueryRouteResponse{Status: ok()}
	for i, address := range addresses {
		a.MessageQueues = append(a.MessageQueues, queueAt(topic, int32(i), address))
	}
	return a
}

// assignmentsOver are one for each address, of all queues there.
func assignmentsOver(topic string, addresses ...string) *v2.QueryAssignmentResponse {
	a := &v2.QueryAssignmentResponse{Status: ok()}
	for _, address := range addresses {
		a.Assignments = append(a.Assignments, &v2.Assignment{MessageQueue: queueAt(topic, -1, address)})
	}
	return a
}

func queueAt(topic string, id int32, address string) *v2.MessageQueue {
	host, _, _ := strings.Cut(address, ":")
	return &v2.MessageQueue{
		Topic: &v2.Resource{Name: topic}, Id: id, Permission: v2.Permission_READ_WRITE,
		AcceptMessageTypes: []v2.MessageType{
			v2.MessageType_NORMAL, v2.MessageType_FIFO, v2.MessageType_DELAY, v2.MessageType_TRANSACTION,
			v2.MessageType_LITE, v2.MessageType_PRIORITY,
		},
		Broker: &v2.Broker{Name: "broker-" + host, Endpoints: &v2.Endpoints{
			Scheme: v2.AddressScheme_IPv4, Addresses: []*v2.Address{{Host: host, Port: 8081}},
		}},
	}
}

// answerSettings answers each announcement with what change makes of it.
func answerSettings(change func(*v2.Settings) *v2.Settings) func(telemetryServer) error {
	return func(s telemetryServer) error {
		for {
			command, err := s.Recv()
			if err != nil {
				return nil
			}
			if settings := command.GetSettings(); settings != nil {
				answer := &v2.TelemetryCommand{Status: ok(), Command: &v2.TelemetryCommand_Settings{Settings: change(settings)}}
				if err := s.Send(answer); err != nil {
					return err
				}
			}
		}
	}
}

func (s *scripted) QueryRoute(ctx context.Context, q *v2.QueryRouteRequest) (*v2.QueryRouteResponse, error) {
	return part(s, &s.route)(ctx, q)
}

func (s *scripted) QueryAssignment(ctx context.Context, q *v2.QueryAssignmentRequest) (*v2.QueryAssignmentResponse, error) {
	return part(s, &s.assign)(ctx, q)
}

func (s *scripted) SendMessage(ctx context.Context, q *v2.SendMessageRequest) (*v2.SendMessageResponse, error) {
	return part(s, &s.send)(ctx, q)
}

func (s *scripted) ReceiveMessage(q *v2.ReceiveMessageRequest, stream grpc.ServerStreamingServer[v2.ReceiveMessageResponse]) error {
	return part(s, &s.receive)(q, stream)
}

func (s *scripted) AckMessage(ctx context.Context, q *v2.AckMessageRequest) (*v2.AckMessageResponse, error) {
	return part(s, &s.ack)(ctx, q)
}

func (s *scripted) ChangeInvisibleDuration(ctx context.Context, q *v2.ChangeInvisibleDurationRequest) (*v2.ChangeInvisibleDurationResponse, error) {
	return part(s, &s.change)(ctx, q)
}

func (s *scripted) ForwardMessageToDeadLetterQueue(ctx context.Context, q *v2.ForwardMessageToDeadLetterQueueRequest) (*v2.ForwardMessageToDeadLetterQueueResponse, error) {
	return part(s, &s.forward)(ctx, q)
}

func (s *scripted) EndTransaction(ctx context.Context, q *v2.EndTransactionRequest) (*v2.EndTransactionResponse, error) {
	return part(s, &s.end)(ctx, q)
}

func (s *scripted) RecallMessage(ctx context.Context, q *v2.RecallMessageRequest) (*v2.RecallMessageResponse, error) {
	return part(s, &s.recall)(ctx, q)
}

func (s *scripted) Heartbeat(ctx context.Context, q *v2.HeartbeatRequest) (*v2.HeartbeatResponse, error) {
	return part(s, &s.heartbeat)(ctx, q)
}

func (s *scripted) Telemetry(stream telemetryServer) error { return part(s, &s.telemetry)(stream) }

func (s *scripted) NotifyClientTermination(ctx context.Context, q *v2.NotifyClientTerminationRequest) (*v2.NotifyClientTerminationResponse, error) {
	return part(s, &s.terminate)(ctx, q)
}

func (s *scripted) SyncLiteSubscription(ctx context.Context, q *v2.SyncLiteSubscriptionRequest) (*v2.SyncLiteSubscriptionResponse, error) {
	return part(s, &s.lite)(ctx, q)
}
