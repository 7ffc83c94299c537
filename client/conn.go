package client

import (
	"context"
	"io"
	"sync/atomic"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"google.golang.org/grpc"
	"google.golang.org/grpc/connectivity"

	"github.com/rocketflow-io/rocketflow/client/internal/endpoint"
)

// A conn is the one connection to an endpoint. All producers and consumers of a Client share it:
// leases, sessions and transactions live in the server that a connection leads to, so requests about
// one of them must not be spread over several.
//
// It exists from the time a route names the endpoint; the connection is made with its first request.
// It is replaced by a new one when it is in doubt, or the server wants it, and given up when its
// endpoint has left all routes and it has been idle for long.
type conn struct {
	name     string
	endpoint endpoint.Endpoint
	pool     *connPool

	// isolated is set by whoever gets no answer, and cleared when an answer arrives. Sends avoid an
	// isolated endpoint while there is another.
	isolated atomic.Bool

	made atomic.Pointer[link] // nil until the first request; stored by the holder of making
	// making is held, by the one who could send to it, while the connection is made, replaced or
	// closed. It is a channel so that the others stop waiting when their contexts end.
	making  chan struct{}
	closed  bool      // guarded by making, as is what follows
	renewed time.Time // when the connection was last replaced
}

// A link is one connection. Its fields are set once.
type link struct {
	rpc     v2.MessagingServiceClient
	cc      grpc.ClientConnInterface
	closer  io.Closer     // may be nil
	retired chan struct{} // closed when no more requests begin on it
}

// is says whether the connection is known to be in a state.
func (l *link) is(s connectivity.State) bool {
	cc, ok := l.cc.(interface{ GetState() connectivity.State })
	return ok && cc.GetState() == s
}

// rpc returns the methods of the server, and connects first if need be.
func (c *conn) rpc(ctx context.Context) (v2.MessagingServiceClient, error) {
	l, err := c.link(ctx)
	if err != nil {
		return nil, err
	}
	return l.rpc, nil
}

// link returns the present connection, made first if there is none.
func (c *conn) link(ctx context.Context) (*link, error) {
	if l := c.made.Load(); l != nil {
		return l, nil
	}
	if err := c.lock(ctx); err != nil {
		return nil, err
	}
	defer c.unlock()
	if l := c.made.Load(); l != nil {
		return l, nil
	}
	if c.closed {
		return nil, ErrClosed
	}
	cc, closer, err := c.pool.connect(ctx, c.name)
	if err != nil {
		return nil, err
	}
	l := &link{rpc: v2.NewMessagingServiceClient(cc), cc: cc, closer: closer, retired: make(chan struct{})}
	c.made.Store(l)
	return l, nil
}

// renew gives up a connection, so that the next request makes a new one, and says whether it did. It does not
// if the connection has been replaced already, or another has within the cooldown.
func (c *conn) renew(ctx context.Context, old *link, cooldown time.Duration) bool {
	if c.lock(ctx) != nil {
		return false
	}
	defer c.unlock()
	now := time.Now()
	if old == nil || c.closed || c.made.Load() != old || now.Sub(c.renewed) < cooldown {
		return false
	}
	c.renewed = now
	c.retire(old)
	return true
}

// retire gives a connection to the pool to be closed. The lock is held.
func (c *conn) retire(old *link) {
	c.made.Store(nil)
	close(old.retired)
	c.pool.closeLater(old)
}

// prune gives the connection up if it is idle: then grpc has closed it already, or the server has.
func (c *conn) prune(ctx context.Context) {
	if c.lock(ctx) != nil {
		return
	}
	defer c.unlock()
	if l := c.made.Load(); l != nil && l.is(connectivity.Idle) {
		c.retire(l)
	}
}

func (c *conn) close() error {
	c.making <- struct{}{}
	defer c.unlock()
	c.closed = true
	l := c.made.Swap(nil)
	if l == nil {
		return nil
	}
	return closeAny(l.closer)
}

func (c *conn) lock(ctx context.Context) error {
	select {
	case c.making <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (c *conn) unlock() { <-c.making }

func closeAny(c io.Closer) error {
	if c == nil {
		return nil
	}
	return c.Close()
}
