package broker

import (
	"context"
	"fmt"
	"net"
	"slices"
	"sync"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	"github.com/rocketflow-io/rocketflow/internal/pacing"
)

// A gate is what all calls pass on their way to the service, and their answers on the way back: it
// writes the log, and lets happen what was injected. What is behind it may be stopped and started
// again.
type gate struct {
	log       *callLog
	faults    faults
	frost     frost
	scheduler *scheduler
	several   bool // there are several endpoints, so that each call tells its own

	mu        sync.Mutex // guards what follows
	listeners []*listener
	frosts    map[string]*frost // by endpoint, whether or not anything listens there
}

func newGate(opts Options, sch *scheduler) *gate {
	return &gate{log: newCallLog(opts), scheduler: sch, frosts: make(map[string]*frost)}
}

// listener lets connections come in to an endpoint, until they are hung up.
func (g *gate) listener(l net.Listener, endpoint string) *listener {
	local := g.frostAt(endpoint)
	at := &listener{Listener: l, endpoint: endpoint, gate: g, frost: local, open: make(map[*trackedConn]struct{})}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.listeners = append(g.listeners, at)
	return at
}

// forget is called by a listener that lets nobody in any more.
func (g *gate) forget(l *listener) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.listeners = slices.DeleteFunc(g.listeners, func(other *listener) bool { return other == l })
}

// idle tells whether a call can pass unseen.
func (g *gate) idle() bool { return g.log.size == 0 && !g.faults.some.Load() }

// unary is called with each call that has one answer.
func (g *gate) unary(ctx context.Context, request any, info *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
	if g.idle() {
		return handle(ctx, request)
	}
	c := g.newCall(ctx, info.FullMethod)
	c.read(request)
	number, v := g.enter(&c)
	answer, err := g.answer(ctx, &c, v, func() (any, error) { return handle(ctx, request) })
	o := outcome{err: err}
	o.read(answer) // also if it was lost
	g.log.end(number, &o)
	return answer, err
}

// enter decides what becomes of a call and writes both down, before any of it happens: the client may
// give up on a lost call, and ask for the log, sooner than the call ends here.
func (g *gate) enter(c *Call) (number uint64, v verdict) {
	v = g.faults.judge(c)
	c.Fault = v.String()
	return g.log.begin(c), v
}

// answer lets happen to a call what was decided. What it gives with an error is an answer that the
// client does not get.
func (g *gate) answer(ctx context.Context, c *Call, v verdict, handle func() (any, error)) (any, error) {
	if err := g.before(ctx, v); err != nil {
		return nil, err
	}
	if a := v.ends(); a.kind == actAnswer {
		return answerWith(c.RPC, a.status())
	}
	answer, err := handle()
	if err != nil {
		return nil, err
	}
	return answer, after(ctx, v)
}

// before does what is to happen before the service has the request. It fails if the service is not
// to have it.
func (g *gate) before(ctx context.Context, v verdict) error {
	for _, a := range v {
		if err := g.do(ctx, a); err != nil {
			return err
		}
	}
	return nil
}

func (g *gate) do(ctx context.Context, a Action) error {
	switch a.kind {
	case actDelay:
		return pacing.Wait(ctx, a.time)
	case actFreeze:
		g.freezeFor(a.time)
	case actFail:
		return status.Error(codes.Code(a.code), a.text)
	case actDropRequest:
		return silence(ctx)
	case actCutBefore:
		return cut(ctx)
	}
	return nil
}

// after does what is to happen instead of the answer.
func after(ctx context.Context, v verdict) error {
	switch v.ends().kind {
	case actDropResponse:
		return silence(ctx)
	case actCutAfter:
		return cut(ctx)
	}
	return nil
}

// silence lasts until the client has given up.
func silence(ctx context.Context) error {
	<-ctx.Done()
	return ctx.Err()
}

// cut breaks the connection of a call.
func cut(ctx context.Context) error {
	if conn, ok := connOf(ctx); ok {
		_ = conn.Close() // that it is broken is the purpose
	}
	return status.Error(codes.Unavailable, "the connection was cut")
}

// A link is what is known of the connection of a call, with the connection.
type link struct {
	credentials.AuthInfo
	conn net.Conn
}

// connOf gives the connection of a call.
func connOf(ctx context.Context) (*trackedConn, bool) {
	p, ok := peer.FromContext(ctx)
	if !ok {
		return nil, false
	}
	l, ok := p.AuthInfo.(link)
	if !ok {
		return nil, false
	}
	conn, ok := l.conn.(*trackedConn)
	return conn, ok
}

func (a Action) status() *v2.Status { return &v2.Status{Code: v2.Code(a.code), Message: a.text} }

// emptyAnswer makes an answer of the type that an RPC has.
func emptyAnswer(rpc string) (proto.Message, error) {
	methods := v2.File_apache_rocketmq_v2_service_proto.Services().ByName("MessagingService").Methods()
	name := methods.ByName(protoreflect.Name(rpc)).Output().FullName()
	t, err := protoregistry.GlobalTypes.FindMessageByName(name)
	if err != nil {
		return nil, fmt.Errorf("broker: make an answer to %s: %w", rpc, err)
	}
	return t.New().Interface(), nil
}
