package inproc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
)

// A call is one RPC as its handler has it.
type call struct {
	server   *Server
	link     *link
	number   uint64 // on its link
	method   string
	ctx      context.Context // the handler's
	cancel   context.CancelCauseFunc
	requests *pipe
	answers  *pipe

	mu      sync.Mutex // guards what follows
	header  metadata.MD
	trailer metadata.MD
	sent    bool          // the header
	began   chan struct{} // closed when it is
}

// newCall begins a call for a client whose context is given: its deadline and its metadata go to the
// handler, and nothing else of it.
func (s *Server) newCall(client context.Context, l *link, method string) *call {
	c := &call{server: s, link: l, method: method, requests: newPipe(), answers: newPipe(), began: make(chan struct{})}
	ctx, cancel := context.WithCancelCause(context.Background())
	c.cancel = cancel
	if at, ok := client.Deadline(); ok {
		ctx = deadlineContext{ctx, at}
	}
	if md, ok := metadata.FromOutgoingContext(client); ok {
		ctx = metadata.NewIncomingContext(ctx, md.Copy())
	}
	ctx = peer.NewContext(ctx, &l.peer.Peer)
	c.ctx = grpc.NewContextWithServerTransportStream(ctx, transportStream{c})
	return c
}

// deadlineContext tells a deadline that the client keeps. A timer here would be due at the very time
// at which the client's is.
type deadlineContext struct {
	context.Context
	at time.Time
}

func (d deadlineContext) Deadline() (time.Time, bool) { return d.at, true }

// Err says of a call that ran out of time what the client says of it.
func (d deadlineContext) Err() error {
	err := d.Context.Err()
	if err != nil && errors.Is(context.Cause(d.Context), context.DeadlineExceeded) {
		return context.DeadlineExceeded
	}
	return err
}

// start runs the handler.
func (c *call) start() error {
	if err := c.link.add(c); err != nil {
		return err
	}
	return c.server.begin(func() {
		err := c.server.run(c)
		c.pause()
		if cause := context.Cause(c.ctx); cause != nil {
			err = cause // what the handler says comes too late
		}
		c.finish(statusOf(err))
	})
}

// finish ends the call with a status.
func (c *call) finish(err error) {
	c.mu.Lock()
	c.sendHeaderLocked()
	c.mu.Unlock()
	c.requests.close(nil)
	c.answers.close(err)
	c.end(context.Canceled)
}

// end lets the handler know that the call is over, and why.
func (c *call) end(cause error) {
	c.cancel(cause)
	c.link.remove(c)
}

// pause lets the connection hold a message. Without a call there is nothing to hold.
func (c *call) pause() {
	if c.link.peer.Pause != nil {
		c.link.peer.Pause(c.ctx.Done())
	}
}

// receive decodes the next request; io.EOF after the last.
func (c *call) receive(request any) error {
	data, err := c.requests.read(c.ctx.Done())
	if errors.Is(err, errNothing) {
		return statusOf(c.ctx.Err())
	}
	if err != nil {
		return err
	}
	if c.pause(); c.ctx.Err() != nil {
		return statusOf(c.ctx.Err())
	}
	return decode(c.server.opts.Codec, data, request)
}

// send encodes an answer for the client.
func (c *call) send(answer any) error {
	data, err := encode(c.server.opts.Codec, answer)
	if err != nil {
		return err
	}
	if c.pause(); c.ctx.Err() != nil {
		return statusOf(c.ctx.Err())
	}
	c.mu.Lock()
	c.sendHeaderLocked()
	c.mu.Unlock()
	if !c.answers.write(data, c.ctx.Done()) {
		return statusOf(c.ctx.Err())
	}
	return nil
}

func (c *call) sendHeaderLocked() {
	if !c.sent {
		c.sent = true
		close(c.began)
	}
}

// statusOf gives an error as gRPC does to the other side; nil for io.EOF of a stream that is over.
func statusOf(err error) error {
	if err == nil || errors.Is(err, io.EOF) {
		return nil
	}
	if s, ok := status.FromError(err); ok {
		return s.Err()
	}
	return status.FromContextError(err).Err()
}

// encode gives a message in its encoding: never nil, also where that has no bytes.
func encode(codec encoding.CodecV2, message any) ([]byte, error) {
	data, err := codec.Marshal(message)
	if err != nil {
		return nil, status.Errorf(codes.Internal, "inproc: encode: %v", err)
	}
	defer data.Free()
	b := make([]byte, data.Len())
	data.CopyTo(b)
	return b, nil
}

func decode(codec encoding.CodecV2, data []byte, message any) error {
	if err := codec.Unmarshal(mem.BufferSlice{mem.SliceBuffer(data)}, message); err != nil {
		return status.Errorf(codes.Internal, "inproc: decode: %v", err)
	}
	return nil
}

// setHeader adds to what is sent before the first answer.
func (c *call) setHeader(md metadata.MD, send bool) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.sent {
		return fmt.Errorf("inproc: the header of %s has been sent", c.method)
	}
	c.header = metadata.Join(c.header, md)
	if send {
		c.sendHeaderLocked()
	}
	return nil
}

func (c *call) setTrailer(md metadata.MD) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.trailer = metadata.Join(c.trailer, md)
}

// transportStream is what grpc.SetHeader and its like find in a handler's context.
type transportStream struct{ *call }

func (t transportStream) Method() string                  { return t.method }
func (t transportStream) SetHeader(md metadata.MD) error  { return t.setHeader(md, false) }
func (t transportStream) SendHeader(md metadata.MD) error { return t.setHeader(md, true) }
func (t transportStream) SetTrailer(md metadata.MD) error { t.setTrailer(md); return nil }

// serverStream is a call as a handler of streams has it.
type serverStream struct{ *call }

var _ grpc.ServerStream = (*serverStream)(nil)

func (s *serverStream) Context() context.Context        { return s.ctx }
func (s *serverStream) SetHeader(md metadata.MD) error  { return s.setHeader(md, false) }
func (s *serverStream) SendHeader(md metadata.MD) error { return s.setHeader(md, true) }
func (s *serverStream) SetTrailer(md metadata.MD)       { s.setTrailer(md) }
func (s *serverStream) SendMsg(m any) error             { return s.send(m) }
func (s *serverStream) RecvMsg(m any) error             { return s.receive(m) }
