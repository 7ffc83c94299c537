package broker

import (
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
)

const (
	maxRequestSize = 130 << 20
	idleTimeout    = 120 * time.Second
	pipeSize       = 1 << 20
	// pseudoEndpoint is what the routes of a broker say that listens nowhere.
	pseudoEndpoint = "127.0.0.1:8081"
)

// A Broker is a running broker; Close ends it. All methods may be called at any time, from any
// goroutine.
type Broker struct {
	endpoint  string
	dial      func(context.Context) (net.Conn, error)
	listener  *listener
	server    *grpc.Server
	store     *store
	scheduler *scheduler
	logger    *slog.Logger

	closing sync.Once
	served  chan struct{} // closed when serve has ended
}

// Start makes a broker and lets it serve, until [Broker.Close]. It fails if the broker cannot
// listen, or with a [*ConfigError] if a topic or a group cannot be as it is described.
func Start(opts Options) (*Broker, error) {
	limits := opts.Limits.withDefaults()
	sch := newScheduler()
	st := newStore(opts, limits, sch)
	if err := st.create(opts.Topics, opts.Groups); err != nil {
		return nil, err
	}
	l, dial, err := listen(opts)
	if err != nil {
		return nil, err
	}
	b := &Broker{
		endpoint:  advertised(l.Addr()),
		dial:      dial,
		listener:  newListener(l),
		store:     st,
		scheduler: sch,
		logger:    opts.Logger,
		served:    make(chan struct{}),
	}
	if b.logger == nil {
		b.logger = slog.New(slog.DiscardHandler)
	}
	host, _ := splitEndpoint(b.endpoint)
	st.storeHost = net.JoinHostPort(host, "10911")
	b.server = b.newServer(opts.TLSConfig, limits)
	b.scheduler.start()
	go b.serve()
	b.logger.Info("broker: started", "endpoint", b.endpoint, "in_memory", opts.InMemory)
	return b, nil
}

// listen gives where connections come from, and how they are made.
func listen(opts Options) (net.Listener, func(context.Context) (net.Conn, error), error) {
	if opts.InMemory {
		if opts.Addr != "" {
			return nil, nil, fmt.Errorf("broker: listen on %q: InMemory is set too: leave one of the two out", opts.Addr)
		}
		pipe := bufconn.Listen(pipeSize)
		return pipe, pipe.DialContext, nil
	}
	addr := opts.Addr
	if addr == "" {
		addr = "127.0.0.1:0"
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, nil, fmt.Errorf("broker: listen on %q: %w", addr, err)
	}
	return l, func(ctx context.Context) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "tcp", advertised(l.Addr()))
	}, nil
}

// advertised is where clients reach a listener: on the loopback interface, if it listens on all.
func advertised(addr net.Addr) string {
	tcp, ok := addr.(*net.TCPAddr)
	if !ok {
		return pseudoEndpoint
	}
	if tcp.IP.IsUnspecified() {
		return net.JoinHostPort("127.0.0.1", strconv.Itoa(tcp.Port))
	}
	return tcp.String()
}

func (b *Broker) newServer(tlsConfig *tls.Config, limits Limits) *grpc.Server {
	server := grpc.NewServer(
		grpc.Creds(newSniffing(tlsConfig)),
		grpc.MaxRecvMsgSize(maxRequestSize),
		grpc.KeepaliveParams(keepalive.ServerParameters{MaxConnectionIdle: idleTimeout}),
		grpc.WaitForHandlers(true),
	)
	host, port := splitEndpoint(b.endpoint)
	v2.RegisterMessagingServiceServer(server, &service{
		store:     b.store,
		limits:    limits,
		endpoints: endpointsOf(host, port),
		logger:    b.logger,
	})
	return server
}

// serve ends by the server's Stop.
func (b *Broker) serve() {
	defer close(b.served)
	if err := b.server.Serve(b.listener); err != nil {
		b.logger.Error("broker: stopped serving", "endpoint", b.endpoint, "error", err)
	}
}

// Endpoint gives where the broker is reached, as "host:port"; its routes say the same. For a
// broker in memory it is a name only: dial with [Broker.Dialer].
func (b *Broker) Endpoint() string { return b.endpoint }

// Dialer gives a function that connects to this broker, whatever address it is called with. It
// fits grpc.WithContextDialer, there with a target of scheme "passthrough".
func (b *Broker) Dialer() func(ctx context.Context, addr string) (net.Conn, error) {
	return func(ctx context.Context, _ string) (net.Conn, error) { return b.dial(ctx) }
}

// Close ends the broker: connections break, calls that wait end, and no goroutine of the broker is
// left when it returns. What was stored can still be looked at. It may be called again, and
// always returns nil.
func (b *Broker) Close() error {
	b.closing.Do(func() {
		b.listener.hangUp()
		b.server.Stop()
		<-b.served
		b.scheduler.close()
		b.logger.Info("broker: closed", "endpoint", b.endpoint)
	})
	return nil
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
