package sim

import (
	"context"
	"io"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// A link is the network between one process and the broker: a connection of grpc as the process has
// it, on which calls go wrong as the seed has it.
type link struct {
	w    *world
	name string // of the process

	mu        sync.Mutex // guards what follows
	conn      grpc.ClientConnInterface
	closeConn func() error
	number    int // of the broker that conn leads to
	dead      bool
	parted    time.Time // until when nothing gets through
	talks     []*talk   // telemetry streams that are open
}

var _ grpc.ClientConnInterface = (*link)(nil)

func newLink(w *world, name string) *link {
	l := &link{w: w, name: name}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.links = append(w.links, l)
	return l
}

// hangUp breaks all connections to the broker, each at an instant of its own, and tells how many.
func (w *world) hangUp() (n int) {
	w.mu.Lock()
	links := slices.Clone(w.links)
	w.mu.Unlock()
	for _, l := range links {
		if l.hangUp() {
			n++
			w.sleep(context.Background(), time.Microsecond)
		}
	}
	return n
}

// connect is the client's ConnectFunc.
func (l *link) connect(context.Context, string) (grpc.ClientConnInterface, io.Closer, error) {
	return l, nil, nil
}

var (
	errDead  = status.Error(codes.Unavailable, "the process is dead")
	errNoOne = status.Error(codes.Unavailable, "connection refused")
	errLate  = status.Error(codes.DeadlineExceeded, "no answer in time")
)

// dial gives the connection to the present broker.
func (l *link) dial() (grpc.ClientConnInterface, error) {
	_, number, up := l.w.host.current()
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.dead:
		return nil, errDead
	case !up:
		return nil, errNoOne
	case l.conn != nil && l.number == number:
		return l.conn, nil
	}
	conn, closeConn, number := l.w.host.dial()
	if conn == nil {
		return nil, errNoOne
	}
	l.conn, l.closeConn, l.number = conn, closeConn, number
	return conn, nil
}

// die breaks the link for good, as the end of its process does.
func (l *link) die() {
	l.mu.Lock()
	l.dead = true
	l.mu.Unlock()
	l.hangUp()
}

// hangUp breaks what connection there is, and tells whether there was one.
func (l *link) hangUp() bool {
	l.mu.Lock()
	closeConn := l.closeConn
	l.conn, l.closeConn = nil, nil
	l.mu.Unlock()
	if closeConn == nil {
		return false
	}
	_ = closeConn() // which it cannot fail to do
	return true
}

// part lets nothing through for a time.
func (l *link) part(d time.Duration) {
	l.mu.Lock()
	l.parted = time.Now().Add(d)
	l.mu.Unlock()
	l.w.happened(Partition, "%s for %v", l.name, d)
}

func (l *link) partedFor() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return max(0, time.Until(l.parted))
}

// A fate is what becomes of a call.
type fate struct {
	kind        Kind          // none for no fault
	there, back time.Duration // how long the two ways take
	slack       time.Duration // how much before its deadline the call is given up, so that two are not at once
	extra       time.Duration // for what comes later
	salt        uint64
}

const (
	minLatency = 100 * time.Microsecond
	maxLatency = 4 * time.Millisecond
)

// fate draws what becomes of a call, of the faults that can befall it.
func (l *link) fate(ctx context.Context, rpc string, kinds []Kind) fate {
	about := l.name + " " + clientOf(ctx) + " " + rpc
	d := l.w.draw(about)
	l.w.mu.Lock()
	defer l.w.mu.Unlock()
	f := fate{
		kind: none, there: d.Between(minLatency, maxLatency), back: d.Between(minLatency, maxLatency),
		slack: d.Between(0, time.Millisecond), extra: d.Between(0, 5*time.Second), salt: d.Uint64(),
	}
	roll := d.IntN(1000)
	if !l.w.stormy() {
		return f
	}
	for _, k := range kinds {
		if roll -= l.w.rates[k]; roll < 0 {
			f.kind = k
			return f
		}
	}
	return f
}

// clientOf tells the producers and consumers of a client apart. Their ids have the host and the number of
// the process in them, which are not of the seed, and then a number that is.
func clientOf(ctx context.Context) string {
	md, _ := metadata.FromOutgoingContext(ctx)
	for _, id := range md.Get("x-mq-client-id") {
		if parts := strings.Split(id, "@"); len(parts) > 2 {
			return parts[2]
		}
	}
	return ""
}

// patience is how long the client of a call waits for its answer.
func (f fate) patience(ctx context.Context) time.Duration {
	at, ok := ctx.Deadline()
	if !ok {
		return time.Hour
	}
	return time.Until(at) - time.Microsecond - f.slack
}

// outwait lets the client wait for an answer that does not come.
func (l *link) outwait(ctx context.Context, f fate) error {
	if !l.w.sleep(ctx, f.patience(ctx)) {
		return status.FromContextError(ctx.Err()).Err()
	}
	return errLate
}

// unaryFaults is what can befall calls with one answer.
var unaryFaults = []Kind{
	RequestLost, RequestSlow, RequestLate, RequestTwice, AnswerLost, AnswerSlow, RefusedUnavailable, FailedAfter,
	Throttled, InternalError,
}

// Invoke makes a call with one answer.
func (l *link) Invoke(ctx context.Context, method string, request, answer any, _ ...grpc.CallOption) error {
	rpc := path.Base(method)
	f := l.fate(ctx, rpc, unaryFaults)
	md, _ := metadata.FromOutgoingContext(ctx)
	q := question{w: l.w, method: method, metadata: md, request: proto.Clone(request.(proto.Message))}
	q.sent()
	if f.kind != none {
		l.w.happened(f.kind, "%s %s %s", l.name, rpc, q.about())
	}
	if l.partedFor() > 0 {
		return l.outwait(ctx, f)
	}
	switch f.kind {
	case RequestLost:
		return l.outwait(ctx, f)
	case RequestLate:
		q.unclear()
		l.later(max(f.patience(ctx), 0)+f.extra, q, answer)
		return l.outwait(ctx, f)
	case RequestSlow:
		f.there += f.extra / 2
	}
	if f.there >= f.patience(ctx) {
		return l.outwait(ctx, f)
	}
	if !l.w.sleep(ctx, f.there) {
		return status.FromContextError(ctx.Err()).Err()
	}
	switch f.kind {
	case RefusedUnavailable:
		return status.Error(codes.Unavailable, "refused by a fault")
	case Throttled:
		return l.refuse(ctx, f, answer, v2.Code_TOO_MANY_REQUESTS)
	case InternalError:
		return l.refuse(ctx, f, answer, v2.Code_INTERNAL_SERVER_ERROR)
	case RequestTwice:
		q.unclear()
		l.later(f.extra, q, answer)
	case AnswerLost, FailedAfter:
		q.unclear()
	}
	return l.answer(ctx, f, q, answer)
}

// answer lets the broker answer, and the answer go back.
func (l *link) answer(ctx context.Context, f fate, q question, answer any) error {
	conn, err := l.dial()
	if err != nil {
		return err
	}
	inner, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stop := time.AfterFunc(l.w.instant(f.patience(ctx)), func() { cancel(errLate) })
	defer stop.Stop()
	err = q.ask(inner, conn, answer)
	switch {
	case inner.Err() != nil:
		q.unclear()
		if ctx.Err() != nil {
			return status.FromContextError(ctx.Err()).Err()
		}
		return errLate
	case f.kind == AnswerLost:
		return l.outwait(ctx, f)
	case f.kind == AnswerSlow:
		f.back += f.extra / 2
	}
	if f.back >= f.patience(ctx) || l.partedFor() > 0 {
		q.unclear()
		return l.outwait(ctx, f)
	}
	if !l.w.sleep(ctx, f.back) {
		q.unclear()
		return status.FromContextError(ctx.Err()).Err()
	}
	if f.kind == FailedAfter {
		return status.Error(codes.Unavailable, "failed by a fault")
	}
	return err
}

// refuse answers with a code of the protocol.
func (l *link) refuse(ctx context.Context, f fate, answer any, code v2.Code) error {
	if !l.w.sleep(ctx, min(f.back, f.patience(ctx))) {
		return status.FromContextError(ctx.Err()).Err()
	}
	setStatus(answer.(proto.Message), code)
	return nil
}

// setStatus sets the status that all answers have.
func setStatus(answer proto.Message, code v2.Code) {
	m := answer.ProtoReflect()
	m.Set(m.Descriptor().Fields().ByName("status"), protoreflect.ValueOfMessage(
		(&v2.Status{Code: code, Message: "refused by a fault"}).ProtoReflect()))
}

// later lets a request reach the broker some time from now, whatever has become of its sender. Nobody
// gets the answer.
func (l *link) later(d time.Duration, q question, answer any) {
	unread := answer.(proto.Message).ProtoReflect().New().Interface()
	l.w.goes.Go(func() {
		l.w.sleep(context.Background(), d)
		conn, closeConn, _ := l.w.host.dial()
		if conn == nil {
			return
		}
		defer func() { _ = closeConn() }() // it cannot fail to
		ctx, cancel := context.WithTimeout(metadata.NewOutgoingContext(context.Background(), q.metadata), l.w.instant(10*time.Second))
		defer cancel()
		_ = q.ask(ctx, conn, unread) // nobody learns of it
	})
}
