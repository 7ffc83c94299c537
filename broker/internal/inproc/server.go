package inproc

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/encoding"
	grpcproto "google.golang.org/grpc/encoding/proto"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
)

// Options say how a server answers.
type Options struct {
	// Codec encodes what handlers answer, and decodes requests; grpc's own of protobuf if nil.
	Codec encoding.CodecV2
	// Unary and Stream are called around handlers; nil for none.
	Unary  grpc.UnaryServerInterceptor
	Stream grpc.StreamServerInterceptor
	// Accept is called with each connection that begins, with what ends it; nil to take all.
	Accept func(hangUp func()) Peer
}

// A Peer is what the server makes of a connection.
type Peer struct {
	peer.Peer
	// Pause is called before a message is passed on, in either direction, and may hold it until done
	// is closed; nil for no pause.
	Pause func(done <-chan struct{})
	// Gone is called when the connection has ended; it may be nil.
	Gone func()
}

// A Server answers calls that come from its [Conn]s.
type Server struct {
	opts Options

	mu       sync.Mutex // guards what follows
	services map[string]service
	links    []*link // that are open
	closed   bool
	calls    sync.WaitGroup // handlers; added to only while not closed
}

var _ grpc.ServiceRegistrar = (*Server)(nil)

// A service is an implementation with its methods by name.
type service struct {
	impl    any
	methods map[string]*grpc.MethodDesc
	streams map[string]*grpc.StreamDesc
}

// NewServer gives a server without services.
func NewServer(opts Options) *Server {
	if opts.Codec == nil {
		opts.Codec = encoding.GetCodecV2(grpcproto.Name)
	}
	return &Server{opts: opts, services: make(map[string]service)}
}

// RegisterService adds a service, in the place of an earlier one of its name.
func (s *Server) RegisterService(desc *grpc.ServiceDesc, impl any) {
	added := service{impl, make(map[string]*grpc.MethodDesc), make(map[string]*grpc.StreamDesc)}
	for i := range desc.Methods {
		added.methods[desc.Methods[i].MethodName] = &desc.Methods[i]
	}
	for i := range desc.Streams {
		added.streams[desc.Streams[i].StreamName] = &desc.Streams[i]
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.services[desc.ServiceName] = added
}

// Conn gives a connection, which begins with its first call.
func (s *Server) Conn() *Conn { return &Conn{server: s} }

// Close ends all connections and calls, and returns when no handler runs any more.
func (s *Server) Close() {
	s.mu.Lock()
	s.closed = true
	links := slices.Clone(s.links)
	s.mu.Unlock()
	for _, l := range links {
		l.end()
	}
	s.calls.Wait()
}

var (
	errServerClosed = status.Error(codes.Unavailable, "inproc: the server is closed")
	errLinkEnded    = status.Error(codes.Unavailable, "inproc: the connection has ended")
	errConnClosed   = status.Error(codes.Canceled, "grpc: the client connection is closing")
)

// begin lets a handler run on a goroutine of its own.
func (s *Server) begin(handle func()) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return errServerClosed
	}
	s.calls.Go(handle)
	return nil
}

// find gives what answers a method, which is "/service/method".
func (s *Server) find(method string) (service, string, error) {
	name, short, ok := strings.Cut(strings.TrimPrefix(method, "/"), "/")
	if !ok {
		return service{}, "", status.Errorf(codes.Unimplemented, "malformed method name: %q", method)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	found, ok := s.services[name]
	if !ok {
		return service{}, "", status.Errorf(codes.Unimplemented, "unknown service %v", name)
	}
	return found, short, nil
}

// run handles a call.
func (s *Server) run(c *call) error {
	found, name, err := s.find(c.method)
	if err != nil {
		return err
	}
	if m, ok := found.methods[name]; ok {
		return s.unary(c, found.impl, m)
	}
	if d, ok := found.streams[name]; ok {
		return s.stream(c, found.impl, d)
	}
	return status.Error(codes.Unimplemented, fmt.Sprintf("unknown method %v for service %v", name, c.method))
}

func (s *Server) unary(c *call, impl any, m *grpc.MethodDesc) error {
	answer, err := m.Handler(impl, c.ctx, func(request any) error { return c.receive(request) }, s.opts.Unary)
	if err != nil {
		return err
	}
	return c.send(answer)
}

func (s *Server) stream(c *call, impl any, d *grpc.StreamDesc) error {
	stream := &serverStream{c}
	if s.opts.Stream == nil {
		return d.Handler(impl, stream)
	}
	info := &grpc.StreamServerInfo{FullMethod: c.method, IsClientStream: d.ClientStreams, IsServerStream: d.ServerStreams}
	return s.opts.Stream(impl, stream, info, d.Handler)
}

// ChainUnary makes one interceptor of several, of which the first is called first.
func ChainUnary(all ...grpc.UnaryServerInterceptor) grpc.UnaryServerInterceptor {
	return func(ctx context.Context, request any, info *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
		for _, outer := range slices.Backward(all) {
			inner := handle
			handle = func(ctx context.Context, request any) (any, error) { return outer(ctx, request, info, inner) }
		}
		return handle(ctx, request)
	}
}
