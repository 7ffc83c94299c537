package inproc

import (
	"context"
	"errors"
	"io"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/encoding"
	grpcproto "google.golang.org/grpc/encoding/proto"
	"google.golang.org/grpc/metadata"
)

// A Conn calls the services of a [Server]. Like a grpc.ClientConn it connects with the first call, and
// anew with the next call after its connection was ended.
type Conn struct {
	server *Server

	mu     sync.Mutex // guards what follows
	link   *link
	closed bool
}

var (
	_ grpc.ClientConnInterface = (*Conn)(nil)
	_ io.Closer                = (*Conn)(nil)
)

// Close ends the connection and the calls on it.
func (c *Conn) Close() error {
	c.mu.Lock()
	l := c.link
	c.closed = true
	c.mu.Unlock()
	if l != nil {
		l.end()
	}
	return nil
}

// current gives the connection, begun first if need be.
func (c *Conn) current() (*link, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, errConnClosed
	}
	if c.link != nil && c.link.open() {
		return c.link, nil
	}
	l, err := c.server.accept()
	if err != nil {
		return nil, err
	}
	c.link = l
	return l, nil
}

// Invoke makes a call with one request and one answer. Of the options those count that ask for the
// header, the trailer or the peer.
func (c *Conn) Invoke(ctx context.Context, method string, request, answer any, opts ...grpc.CallOption) error {
	s, err := c.NewStream(ctx, &grpc.StreamDesc{}, method, opts...)
	if err != nil {
		return err
	}
	if err := s.SendMsg(request); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	return s.RecvMsg(answer)
}

// NewStream begins a call.
func (c *Conn) NewStream(ctx context.Context, desc *grpc.StreamDesc, method string, opts ...grpc.CallOption) (grpc.ClientStream, error) {
	if err := ctx.Err(); err != nil {
		return nil, statusOf(err)
	}
	l, err := c.current()
	if err != nil {
		return nil, err
	}
	s := &clientStream{call: c.server.newCall(ctx, l, method), ctx: ctx, desc: desc, opts: opts}
	// The handler's time ends with the client's, also when the client waits for nothing.
	s.stop = context.AfterFunc(ctx, func() { s.call.end(ctx.Err()) })
	if err := s.call.start(); err != nil {
		s.stop()
		s.call.end(err)
		return nil, err
	}
	return s, nil
}

// clientCodec is what a client encodes with.
func clientCodec() encoding.CodecV2 { return encoding.GetCodecV2(grpcproto.Name) }

// clientStream is a call as its client has it.
type clientStream struct {
	call *call
	ctx  context.Context
	desc *grpc.StreamDesc
	opts []grpc.CallOption
	stop func() bool // of the watch over ctx
}

var _ grpc.ClientStream = (*clientStream)(nil)

// Header waits for the handler's header.
func (s *clientStream) Header() (metadata.MD, error) {
	select {
	case <-s.call.began:
	case <-s.call.ctx.Done():
	}
	s.call.mu.Lock()
	defer s.call.mu.Unlock()
	switch {
	case s.call.sent:
		return s.call.header.Copy(), nil
	case s.ctx.Err() != nil:
		return nil, statusOf(s.ctx.Err())
	}
	return nil, errLinkEnded
}

// Trailer gives the handler's trailer, once RecvMsg has given an error.
func (s *clientStream) Trailer() metadata.MD {
	s.call.mu.Lock()
	defer s.call.mu.Unlock()
	return s.call.trailer.Copy()
}

// CloseSend tells the handler that there are no more requests.
func (s *clientStream) CloseSend() error {
	s.call.requests.close(nil)
	return nil
}

// Context gives the context of the call.
func (s *clientStream) Context() context.Context { return s.ctx }

// SendMsg sends a request. It fails with io.EOF when the call is over: RecvMsg tells how it ended.
func (s *clientStream) SendMsg(m any) error {
	data, err := encode(clientCodec(), m)
	if err != nil {
		return err
	}
	if !s.call.requests.write(data, s.call.ctx.Done()) {
		return io.EOF
	}
	if !s.desc.ClientStreams {
		s.call.requests.close(nil)
	}
	return nil
}

// RecvMsg receives the next answer, and after the last how the call has ended: io.EOF if it went well.
func (s *clientStream) RecvMsg(m any) error {
	data, err := s.call.answers.read(s.call.ctx.Done())
	if err != nil {
		return s.end(err)
	}
	if err := decode(clientCodec(), data, m); err != nil {
		return s.end(err)
	}
	if s.desc.ServerStreams {
		return nil
	}
	// A call that has one answer is over with that, if its status says so.
	_, err = s.call.answers.read(s.call.ctx.Done())
	if err := s.end(err); !errors.Is(err, io.EOF) {
		return err
	}
	return nil
}

// end is the end of the call for its client, who knows best why it gave up itself.
func (s *clientStream) end(err error) error {
	switch {
	case errors.Is(err, io.EOF):
	case s.ctx.Err() != nil:
		err = statusOf(s.ctx.Err())
	case errors.Is(err, errNothing):
		err = errLinkEnded
	}
	s.stop()
	s.call.end(context.Canceled)
	s.call.mu.Lock()
	defer s.call.mu.Unlock()
	for _, o := range s.opts {
		switch o := o.(type) {
		case grpc.HeaderCallOption:
			*o.HeaderAddr = s.call.header.Copy()
		case grpc.TrailerCallOption:
			*o.TrailerAddr = s.call.trailer.Copy()
		case grpc.PeerCallOption:
			*o.PeerAddr = s.call.link.peer.Peer
		}
	}
	return err
}
