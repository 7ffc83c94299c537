package broker

import (
	"context"
	"io"
	"net"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/peer"

	"github.com/rocketflow-io/rocketflow/broker/internal/inproc"
)

// Connect gives a connection to this broker through no network and none of gRPC's transport: a call
// is one goroutine, that of what answers it. It fits the client's WithConnect. The endpoint counts for
// nothing, as with [Broker.Dialer].
//
// A test in a bubble of testing/synctest runs faster over it, and goes the same way each time as far
// as the test itself does: gRPC's goroutines, which follow no order, are not there. [Broker.Freeze],
// [Broker.Cut] and faults concern such connections as they do others; TLS does not, nor limits of
// message sizes.
func (b *Broker) Connect(_ context.Context, _ string) (grpc.ClientConnInterface, io.Closer, error) {
	c := b.front.direct.Conn()
	return c, c, nil
}

// newDirect makes the server for calls that come through no network. They pass what others do.
func (f *front) newDirect() *inproc.Server {
	return inproc.NewServer(inproc.Options{
		Codec: newCodec(), Unary: inproc.ChainUnary(f.gate.unary, f.diary.unary), Stream: f.gate.stream, Accept: f.admit,
	})
}

// admit takes a connection for one of those that come to the endpoint.
func (f *front) admit(hangUp func()) inproc.Peer {
	at := f.listeners[0]
	c := at.track(directConn{hangUp: hangUp})
	return inproc.Peer{
		Peer:  peer.Peer{Addr: directAddr{}, LocalAddr: at.Addr(), AuthInfo: link{directInfo{}, c}},
		Pause: c.standStill,
		Gone:  func() { _ = c.Close() }, // which only takes it out of the open ones
	}
}

// A directConn is what there is to see of a connection through no network.
type directConn struct {
	net.Conn // nil: nothing is read or written
	hangUp   func()
}

// Close ends the connection, with the calls on it.
func (c directConn) Close() error {
	c.hangUp()
	return nil
}

type directAddr struct{}

func (directAddr) Network() string { return "direct" }
func (directAddr) String() string  { return "direct" }

// directInfo says that nobody else can read or write what is said.
type directInfo struct{}

func (directInfo) AuthType() string { return "direct" }

var _ credentials.AuthInfo = directInfo{}
