package sim

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"sync"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

// NewStream begins a call with streams: a poll, or a conversation.
func (l *link) NewStream(ctx context.Context, desc *grpc.StreamDesc, method string, _ ...grpc.CallOption) (grpc.ClientStream, error) {
	if path.Base(method) == "ReceiveMessage" {
		return &poll{link: l, desc: desc, method: method, ctx: ctx}, nil
	}
	f := l.fate(ctx, "Telemetry", []Kind{RefusedUnavailable})
	if f.kind != none {
		l.w.happened(f.kind, "%s Telemetry", l.name)
	}
	if !l.w.sleep(ctx, f.there+l.partedFor()) {
		return nil, status.FromContextError(ctx.Err()).Err()
	}
	if f.kind == RefusedUnavailable {
		return nil, status.Error(codes.Unavailable, "refused by a fault")
	}
	conn, err := l.dial()
	if err != nil {
		return nil, err
	}
	inner, cancel := context.WithCancelCause(ctx)
	s, err := conn.NewStream(inner, desc, method)
	if err != nil {
		cancel(nil)
		return nil, err
	}
	t := &talk{ClientStream: s, link: l, ctx: ctx, cancel: cancel}
	l.mu.Lock()
	l.talks = append(l.talks, t)
	l.mu.Unlock()
	return t, nil
}

// A talk is a telemetry stream.
type talk struct {
	grpc.ClientStream
	link   *link
	ctx    context.Context
	cancel context.CancelCauseFunc

	mu  sync.Mutex // guards cut
	cut bool
}

// Context gives the context of the client.
func (t *talk) Context() context.Context { return t.ctx }

func (t *talk) latency(way string) time.Duration {
	d := t.link.w.draw(t.link.name + " " + clientOf(t.ctx) + way)
	t.link.w.mu.Lock()
	defer t.link.w.mu.Unlock()
	return d.Between(minLatency, maxLatency)
}

// SendMsg lets a command reach the broker.
func (t *talk) SendMsg(m any) error {
	if !t.link.w.sleep(t.ctx, t.latency(" says")+t.link.partedFor()) {
		return io.EOF
	}
	return t.ClientStream.SendMsg(m)
}

// RecvMsg lets a command reach the client.
func (t *talk) RecvMsg(m any) error {
	err := t.ClientStream.RecvMsg(m)
	if err == nil && !t.link.w.sleep(t.ctx, t.latency(" hears")+t.link.partedFor()) {
		err = status.FromContextError(t.ctx.Err()).Err()
	}
	if err == nil {
		return nil
	}
	t.link.forget(t)
	t.cancel(nil)
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.cut {
		return status.Error(codes.Unavailable, "cut by a fault")
	}
	return err
}

func (l *link) forget(t *talk) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.talks = slices.DeleteFunc(l.talks, func(other *talk) bool { return other == t })
}

// cutTalks breaks the telemetry streams, one after the other.
func (l *link) cutTalks() {
	l.mu.Lock()
	talks := slices.Clone(l.talks)
	l.mu.Unlock()
	for _, t := range talks {
		l.w.happened(TelemetryCut, "%s", l.name)
		t.mu.Lock()
		t.cut = true
		t.mu.Unlock()
		t.cancel(errNoOne)
		l.w.sleep(context.Background(), time.Millisecond)
	}
}

// pollFaults is what can befall polls.
var pollFaults = []Kind{RequestLost, RefusedUnavailable, Throttled, InternalError, PollLost, PollCut, BodyDamaged, RequestTwice}

// A poll is a call of ReceiveMessage. It begins when its request is known.
type poll struct {
	link   *link
	desc   *grpc.StreamDesc
	method string
	ctx    context.Context
	fate   fate

	inner  grpc.ClientStream
	cancel context.CancelCauseFunc
	stop   *time.Timer // of the client's patience
	begun  time.Time   // when the answer began to come
	frames int         // messages that were given to the client
	said   bool        // a refusal
}

// Header is not asked for.
func (p *poll) Header() (metadata.MD, error) { return nil, nil }

// Trailer is not asked for either.
func (p *poll) Trailer() metadata.MD { return nil }

// CloseSend does nothing: there is one request.
func (p *poll) CloseSend() error { return nil }

// Context gives the context of the client.
func (p *poll) Context() context.Context { return p.ctx }

// SendMsg sends the request.
func (p *poll) SendMsg(m any) error {
	l := p.link
	p.fate = l.fate(p.ctx, "ReceiveMessage", pollFaults)
	if p.fate.kind == RequestLost || p.fate.kind == RefusedUnavailable || p.fate.kind == Throttled || p.fate.kind == InternalError {
		l.w.happened(p.fate.kind, "%s ReceiveMessage", l.name)
	}
	if l.partedFor() > 0 {
		p.fate.kind = RequestLost
	}
	if p.fate.kind == RequestLost {
		return nil
	}
	if !l.w.sleep(p.ctx, p.fate.there) {
		return nil // the answer tells
	}
	if p.fate.kind == RefusedUnavailable || p.fate.kind == Throttled || p.fate.kind == InternalError {
		return nil
	}
	conn, err := l.dial()
	if err != nil {
		p.fate.kind = RefusedUnavailable
		return nil
	}
	if p.fate.kind == RequestTwice {
		p.twice(conn, proto.Clone(m.(proto.Message)))
	}
	inner, cancel := context.WithCancelCause(p.ctx)
	p.cancel = cancel
	p.stop = time.AfterFunc(l.w.instant(p.fate.patience(p.ctx)), func() { cancel(errLate) })
	p.inner, err = conn.NewStream(inner, p.desc, p.method)
	if err != nil {
		return p.over(err)
	}
	return p.inner.SendMsg(m)
}

// twice lets the broker answer a request, and the answer be lost, before it answers the same again.
func (p *poll) twice(conn grpc.ClientConnInterface, request proto.Message) {
	md, _ := metadata.FromOutgoingContext(p.ctx)
	ctx, cancel := context.WithTimeout(metadata.NewOutgoingContext(context.Background(), md), p.link.w.instant(6*time.Second))
	p.link.w.goes.Go(func() {
		defer cancel()
		s, err := conn.NewStream(ctx, p.desc, p.method)
		if err != nil || s.SendMsg(request) != nil {
			return
		}
		if n := p.drain(s, time.Time{}); n > 0 {
			p.link.w.happened(RequestTwice, "%s ReceiveMessage: %d messages", p.link.name, n)
		}
	})
}

// drain reads what the client is not to have of an answer, and counts the messages. Begun is when the
// answer began to come, if it did.
func (p *poll) drain(s grpc.ClientStream, begun time.Time) (n int) {
	for {
		var frame v2.ReceiveMessageResponse
		if s.RecvMsg(&frame) != nil {
			return n
		}
		if begun.IsZero() {
			begun = time.Now()
		}
		if m := frame.GetMessage(); m != nil {
			p.given(m, begun)
			n++
		}
	}
}

// given tells the ledger of a message in an answer that began to come at a time, and lets it tell which
// delivery it is.
func (p *poll) given(m *v2.Message, begun time.Time) {
	it := itemOf(m.GetUserProperties(), "")
	sp := m.GetSystemProperties()
	n := p.link.w.ledger.given(it.Src, sp.GetMessageId(), sp.GetReceiptHandle(), begun)
	p.link.w.ledger.came(n, m)
	m.UserProperties[propertyDelivery] = fmt.Sprint(n)
	p.link.w.note("%s is given %d of input %d, attempt %d", p.link.name, n, it.Src, sp.GetDeliveryAttempt())
}

// RecvMsg gives the client what it is to have.
func (p *poll) RecvMsg(m any) error {
	l, f := p.link, p.fate
	switch {
	case p.ctx.Err() != nil:
		return p.over(status.FromContextError(p.ctx.Err()).Err())
	case f.kind == RequestLost:
		return p.over(l.outwait(p.ctx, f))
	case f.kind == RefusedUnavailable:
		return p.over(status.Error(codes.Unavailable, "refused by a fault"))
	case f.kind == Throttled || f.kind == InternalError:
		return p.refusal(m.(*v2.ReceiveMessageResponse))
	case f.kind == PollLost:
		if n := p.drain(p.inner, p.begun); n > 0 {
			l.w.happened(PollLost, "%s: %d messages", l.name, n)
			return p.over(l.outwait(p.ctx, f))
		}
		return p.over(status.Error(codes.Unavailable, "lost by a fault"))
	}
	if err := p.inner.RecvMsg(m); err != nil {
		return p.over(err)
	}
	early := p.begun.IsZero()
	if early {
		p.begun = time.Now()
	}
	message := m.(*v2.ReceiveMessageResponse).GetMessage()
	if message != nil {
		p.given(message, p.begun)
		p.frames++
		p.damage(message)
	}
	if early && !l.w.sleep(p.ctx, f.back+l.partedFor()) {
		return p.over(status.FromContextError(p.ctx.Err()).Err())
	}
	if f.kind == PollCut && message != nil && p.frames > int(f.salt%4) {
		n := 1 + p.drain(p.inner, p.begun)
		l.w.happened(PollCut, "%s: %d messages", l.name, n)
		return p.over(status.Error(codes.Unavailable, "cut by a fault"))
	}
	return nil
}

// refusal is a status, and the end.
func (p *poll) refusal(m *v2.ReceiveMessageResponse) error {
	if p.said {
		return p.over(io.EOF)
	}
	p.said = true
	code := v2.Code_TOO_MANY_REQUESTS
	if p.fate.kind == InternalError {
		code = v2.Code_INTERNAL_SERVER_ERROR
	}
	m.Content = &v2.ReceiveMessageResponse_Status{Status: &v2.Status{Code: code, Message: "refused by a fault"}}
	return nil
}

// damage changes a body on its way.
func (p *poll) damage(m *v2.Message) {
	if p.fate.kind == BodyDamaged && p.frames == 1+int(p.fate.salt%3) && len(m.GetBody()) > 0 {
		m.Body[int(p.fate.salt>>8)%len(m.GetBody())] ^= 1
		it := itemOf(m.GetUserProperties(), "")
		p.link.w.happened(BodyDamaged, "%s: delivery %d of input %d", p.link.name, it.Delivery, it.Src)
		p.link.w.ledger.failed(it.At(sourceOf(m.GetTopic().GetName())), true)
	}
}

// over ends the poll.
func (p *poll) over(err error) error {
	if p.cancel != nil {
		if errors.Is(err, io.EOF) {
			p.stop.Stop()
			p.cancel(nil)
			return err
		}
		if !p.stop.Stop() && p.ctx.Err() == nil {
			err = errLate
		}
		p.cancel(nil)
	}
	return err
}
