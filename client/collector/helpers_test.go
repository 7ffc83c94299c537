package collector_test

import (
	"context"
	"errors"
	"net"
	"sync"
	"testing"
	"testing/synctest"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"github.com/stretchr/testify/require"
	otlp "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/test/bufconn"

	"github.com/rocketflow-io/rocketflow/client"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	access = "10.0.0.1:8081"
	first  = "10.0.1.1:4317"
	second = "10.0.1.2:4317"
)

// A network is a server that knows every topic, and collectors, reached through memory.
type network struct {
	*testing.T
	client     *client.Client
	server     *server
	collectors map[string]*collecting
	listeners  map[string]*bufconn.Listener
}

// onNetwork runs a test in a bubble of virtual time.
func onNetwork(t *testing.T, test func(n *network), opts ...client.Option) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		n := &network{T: t, server: &server{}, listeners: make(map[string]*bufconn.Listener),
			collectors: map[string]*collecting{first: {}, second: {}}}
		n.serve(access, func(s *grpc.Server) { v2.RegisterMessagingServiceServer(s, n.server) })
		for address, c := range n.collectors {
			n.serve(address, func(s *grpc.Server) { otlp.RegisterMetricsServiceServer(s, c) })
		}
		opts := append([]client.Option{client.WithPlaintext(), client.WithDialer(n.dial)}, opts...)
		var err error
		n.client, err = client.New(access, opts...)
		require.NoError(t, err)
		defer func() { require.NoError(t, n.client.Close()) }()
		test(n)
	})
}

func (n *network) serve(address string, register func(*grpc.Server)) {
	listener, s := bufconn.Listen(1<<20), grpc.NewServer()
	register(s)
	n.listeners[address] = listener
	go func() { _ = s.Serve(listener) }() // ended by Stop
	n.Cleanup(s.Stop)
}

func (n *network) dial(ctx context.Context, address string) (net.Conn, error) {
	if l := n.listeners[address]; l != nil {
		return l.DialContext(ctx)
	}
	return nil, errors.New("connection refused")
}

func (n *network) send() {
	_, err := n.sendTo("orders")
	require.NoError(n, err)
}

func (n *network) sendTo(topic string) (client.Receipt, error) {
	p, err := n.client.NewProducer()
	require.NoError(n, err)
	r, err := p.Send(n.Context(), &client.Message{Topic: topic, Body: []byte("x")})
	synctest.Wait()
	return r, err
}

// A server names a collector in its settings.
type server struct {
	v2.UnimplementedMessagingServiceServer

	mu     sync.Mutex // guards metric
	metric *v2.Metric
}

func (s *server) name(collector *v2.Metric) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.metric = collector
}

// at names a collector.
func at(address string) *v2.Metric {
	host, _, _ := net.SplitHostPort(address)
	return &v2.Metric{On: true, Endpoints: &v2.Endpoints{
		Scheme: v2.AddressScheme_IPv4, Addresses: []*v2.Address{{Host: host, Port: 4317}}}}
}

func ok() *v2.Status { return &v2.Status{Code: v2.Code_OK} }

func (s *server) QueryRoute(_ context.Context, q *v2.QueryRouteRequest) (*v2.QueryRouteResponse, error) {
	return &v2.QueryRouteResponse{Status: ok(), MessageQueues: []*v2.MessageQueue{{
		Topic: q.GetTopic(), Permission: v2.Permission_READ_WRITE,
		Broker: &v2.Broker{Name: "b", Endpoints: &v2.Endpoints{
			Scheme: v2.AddressScheme_IPv4, Addresses: []*v2.Address{{Host: "10.0.0.1", Port: 8081}}}}}}}, nil
}

func (s *server) SendMessage(_ context.Context, q *v2.SendMessageRequest) (*v2.SendMessageResponse, error) {
	if q.GetMessages()[0].GetTopic().GetName() == "refused" {
		return &v2.SendMessageResponse{Status: &v2.Status{Code: v2.Code_FORBIDDEN}}, nil
	}
	return &v2.SendMessageResponse{Status: ok(), Entries: []*v2.SendResultEntry{{Status: ok()}}}, nil
}

func (s *server) Heartbeat(context.Context, *v2.HeartbeatRequest) (*v2.HeartbeatResponse, error) {
	return &v2.HeartbeatResponse{Status: ok()}, nil
}

func (s *server) NotifyClientTermination(
	context.Context, *v2.NotifyClientTerminationRequest,
) (*v2.NotifyClientTerminationResponse, error) {
	return &v2.NotifyClientTerminationResponse{Status: ok()}, nil
}

func (s *server) Telemetry(stream grpc.BidiStreamingServer[v2.TelemetryCommand, v2.TelemetryCommand]) error {
	for {
		c, err := stream.Recv()
		if err != nil {
			return nil
		}
		s.mu.Lock()
		c.GetSettings().Metric = s.metric
		s.mu.Unlock()
		if err := stream.Send(c); err != nil {
			return err
		}
	}
}

// collecting keeps what is exported to it.
type collecting struct {
	otlp.UnimplementedMetricsServiceServer

	mu      sync.Mutex // guards what follows
	err     error      // to answer with
	exports []*otlp.ExportMetricsServiceRequest
	headers []metadata.MD
}

func (c *collecting) Export(
	ctx context.Context, q *otlp.ExportMetricsServiceRequest,
) (*otlp.ExportMetricsServiceResponse, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	md, _ := metadata.FromIncomingContext(ctx)
	c.exports, c.headers = append(c.exports, q), append(c.headers, md)
	return &otlp.ExportMetricsServiceResponse{}, c.err
}

func (c *collecting) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.exports)
}

// refuse has exports answered by err.
func (c *collecting) refuse(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.err = err
}

// header returns a header of the first export.
func (c *collecting) header(key string) []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.headers[0].Get(key)
}

// last returns the names of the metrics last exported.
func (c *collecting) last() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var names []string
	for _, r := range c.exports[len(c.exports)-1].GetResourceMetrics() {
		for _, s := range r.GetScopeMetrics() {
			for _, m := range s.GetMetrics() {
				names = append(names, s.GetScope().GetName()+" "+m.GetName())
			}
		}
	}
	return names
}
