package broker

import (
	"cmp"
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"sync"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"google.golang.org/grpc"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/test/bufconn"

	"github.com/rocketflow-io/rocketflow/broker/internal/inproc"
)

const (
	maxRequestSize = 130 << 20
	idleTimeout    = 120 * time.Second
	pipeSize       = 1 << 20
	// readBufferSize is what a connection holds while something comes; that of TLS, and where there is
	// no readyConn, also while nothing does. Large frames are read past it.
	readBufferSize = 4 << 10
	// pseudoEndpoint is what the routes of a broker say that listens nowhere.
	pseudoEndpoint = "127.0.0.1:8081"
)

// A front is where connections arrive, and the gRPC server behind it. It serves once.
type front struct {
	endpoint string
	// advertised is the endpoint that routes name, if it is another.
	advertised string
	dial       func(context.Context) (net.Conn, error)
	listeners  []*listener
	gate       *gate
	diary      *diary         // where is written down what calls do; nil if nowhere
	feed       *feed          // of an access point; nil without
	server     *grpc.Server   // nil before serve
	direct     *inproc.Server // likewise: for calls that come through no network
	logger     *slog.Logger
	serving    sync.WaitGroup // the goroutines of serve, one for each listener
}

// openFront listens on a TCP address or, where that is "", in memory, under the name of an endpoint.
func openFront(addr, endpoint string, g *gate, logger *slog.Logger) (*front, error) {
	if addr == "" {
		pipe := bufconn.Listen(pipeSize)
		return &front{
			endpoint: endpoint, dial: pipe.DialContext, listeners: []*listener{g.listener(pipe, endpoint)}, gate: g, logger: logger,
		}, nil
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("broker: listen on %q: %w", addr, err)
	}
	f := &front{endpoint: advertised(l.Addr()), listeners: []*listener{g.listener(l, advertised(l.Addr()))}, gate: g, logger: logger}
	f.dial = func(ctx context.Context) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "tcp", f.endpoint)
	}
	return f, nil
}

// advertised is where clients reach a listener: on the loopback interface, if it listens on all.
func advertised(addr net.Addr) string {
	tcp, ok := addr.(*net.TCPAddr)
	if ok && tcp.IP.IsUnspecified() {
		return net.JoinHostPort("127.0.0.1", strconv.Itoa(tcp.Port))
	}
	return addr.String()
}

// endpoints is the endpoint as routes say it.
func (f *front) endpoints() *v2.Endpoints {
	return endpointsOf(splitEndpoint(cmp.Or(f.advertised, f.endpoint)))
}

// serve lets a service answer, until close, to connections in plaintext too unless tlsOnly.
func (f *front) serve(tlsConfig *tls.Config, tlsOnly bool, service v2.MessagingServiceServer) {
	f.server = grpc.NewServer(
		grpc.Creds(newSniffing(tlsConfig, tlsOnly)),
		grpc.ForceServerCodecV2(newCodec()),
		grpc.MaxRecvMsgSize(maxRequestSize),
		grpc.ReadBufferSize(readBufferSize),
		grpc.KeepaliveParams(keepalive.ServerParameters{MaxConnectionIdle: idleTimeout}),
		grpc.WaitForHandlers(true),
		grpc.ChainUnaryInterceptor(f.gate.unary, f.diary.unary),
		grpc.ChainStreamInterceptor(f.gate.stream),
	)
	f.direct = f.newDirect()
	v2.RegisterMessagingServiceServer(f.server, service)
	v2.RegisterMessagingServiceServer(f.direct, service)
	for _, l := range f.listeners {
		f.serving.Go(func() {
			if err := f.server.Serve(l); err != nil {
				f.logger.Error("broker: stopped serving", "endpoint", f.endpoint, "error", err)
			}
		})
	}
}

// takeFed lets connections come also from an access point. It is called before serve.
func (f *front) takeFed() {
	f.feed = newFeed(f.listeners[0].Addr())
	f.listeners = append(f.listeners, f.gate.listener(f.feed, f.endpoint))
}

// connections counts those that are open.
func (f *front) connections() int {
	n := 0
	for _, l := range f.listeners {
		n += l.connections()
	}
	return n
}

// close breaks all connections, and returns when no call is left and nothing listens.
func (f *front) close() {
	for _, l := range f.listeners {
		l.hangUp()
	}
	if f.server != nil {
		f.direct.Close()
		f.server.Stop()
	}
	f.serving.Wait()
}

func splitEndpoint(endpoint string) (host string, port int32) {
	host, text, _ := net.SplitHostPort(endpoint)
	n, _ := strconv.ParseUint(text, 10, 16)
	return host, int32(n)
}

func endpointsOf(host string, port int32) *v2.Endpoints {
	scheme := v2.AddressScheme_DOMAIN_NAME
	switch ip := net.ParseIP(host); {
	case ip == nil:
	case ip.To4() != nil:
		scheme = v2.AddressScheme_IPv4
	default:
		scheme = v2.AddressScheme_IPv6
	}
	return &v2.Endpoints{Scheme: scheme, Addresses: []*v2.Address{{Host: host, Port: port}}}
}
