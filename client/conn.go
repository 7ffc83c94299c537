package client

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"maps"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"

	"github.com/rocketflow-io/rocketflow/client/internal/endpoint"
)

// A conn is the one connection to an endpoint. All producers and consumers of a Client share it:
// leases, sessions and transactions live in the server that a connection leads to, so requests about
// one of them must not be spread over several.
//
// It exists from the time a route names the endpoint; the connection is made with its first request,
// and grpc closes it when it has been idle for long, as when the endpoint has left all routes.
type conn struct {
	name     string
	endpoint endpoint.Endpoint
	connect  ConnectFunc

	// isolated is set by whoever gets no answer, and cleared when an answer arrives. Sends avoid an
	// isolated endpoint while there is another.
	isolated atomic.Bool

	made atomic.Pointer[link] // nil until the first request; stored by the holder of making
	// making is held, by the one who could send to it, while the connection is made or closed. It is
	// a channel so that the others stop waiting when their contexts end.
	making chan struct{}
	closed bool // guarded by making
}

type link struct {
	rpc    v2.MessagingServiceClient
	closer io.Closer
}

// rpc returns the methods of the server, and connects first if need be.
func (c *conn) rpc(ctx context.Context) (v2.MessagingServiceClient, error) {
	if l := c.made.Load(); l != nil {
		return l.rpc, nil
	}
	select {
	case c.making <- struct{}{}:
		defer func() { <-c.making }()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	if l := c.made.Load(); l != nil {
		return l.rpc, nil
	}
	if c.closed {
		return nil, ErrClosed
	}
	cc, closer, err := c.connect(ctx, c.name)
	if err != nil {
		return nil, err
	}
	l := &link{rpc: v2.NewMessagingServiceClient(cc), closer: closer}
	c.made.Store(l)
	return l.rpc, nil
}

func (c *conn) close() error {
	c.making <- struct{}{}
	defer func() { <-c.making }()
	c.closed = true
	l := c.made.Swap(nil)
	if l == nil || l.closer == nil {
		return nil
	}
	return l.closer.Close()
}

// A connPool owns the connections of a Client, one for each endpoint.
type connPool struct {
	connect ConnectFunc

	mu     sync.Mutex // guards what follows
	conns  map[string]*conn
	closed bool
}

func newConnPool(c *config) *connPool {
	p := &connPool{connect: c.connect, conns: make(map[string]*conn)}
	if p.connect == nil {
		p.connect = dialer(c)
	}
	return p
}

// conn returns the connection to e without connecting.
func (p *connPool) conn(e endpoint.Endpoint) *conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	c, ok := p.conns[e.String()]
	if !ok {
		c = &conn{name: e.String(), endpoint: e, connect: p.connect, making: make(chan struct{}, 1), closed: p.closed}
		p.conns[c.name] = c
	}
	return c
}

func (p *connPool) close() error {
	p.mu.Lock()
	p.closed = true
	conns := slices.Collect(maps.Values(p.conns))
	p.mu.Unlock()
	var errs []error
	for _, c := range conns {
		errs = append(errs, c.close())
	}
	return errors.Join(errs...)
}

const (
	// The server closes a connection that is pinged more often than every five minutes.
	keepaliveInterval = 5 * time.Minute
	keepaliveTimeout  = 30 * time.Second

	// A broken connection is tried again so often that sessions stand again within two seconds of
	// the server's return.
	firstReconnect = 100 * time.Millisecond
	lastReconnect  = 800 * time.Millisecond
	connectTimeout = 3 * time.Second

	// Long polls bring up to 32 messages of 4 MiB at once; the default window of 64 KiB would make
	// each of them many round trips.
	streamWindow     = 4 << 20
	connectionWindow = 16 << 20
)

// dialer returns the ConnectFunc for real connections.
func dialer(c *config) ConnectFunc {
	base := []grpc.DialOption{
		grpc.WithTransportCredentials(transportCredentials(c)),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: keepaliveInterval, Timeout: keepaliveTimeout}),
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff: backoff.Config{
				BaseDelay: firstReconnect, Multiplier: 1.6, Jitter: 0.2, MaxDelay: lastReconnect,
			},
			MinConnectTimeout: connectTimeout,
		}),
		grpc.WithDisableServiceConfig(),
		grpc.WithDisableRetry(), // what may be repeated is decided here, by RocketMQ's own codes
		grpc.WithInitialWindowSize(streamWindow),
		grpc.WithInitialConnWindowSize(connectionWindow),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(math.MaxInt32)),
	}
	if c.dial != nil {
		base = append(base, grpc.WithContextDialer(c.dial))
	}
	return func(_ context.Context, name string) (grpc.ClientConnInterface, io.Closer, error) {
		e, err := endpoint.Parse(name)
		if err != nil {
			return nil, nil, err
		}
		target, opts := "dns:///"+name, base
		if !e.IsDomain() || c.dial != nil {
			resolver := fixedAddresses(e.Addresses())
			target, opts = resolver.Scheme()+":///"+name, append(base[:len(base):len(base)], grpc.WithResolvers(resolver))
		}
		cc, err := grpc.NewClient(target, opts...)
		if err != nil {
			return nil, nil, err
		}
		return cc, cc, nil
	}
}

func transportCredentials(c *config) credentials.TransportCredentials {
	switch {
	case c.plaintext:
		return insecure.NewCredentials()
	case c.tls != nil:
		return credentials.NewTLS(c.tls)
	default:
		return credentials.NewTLS(&tls.Config{MinVersion: tls.VersionTLS12})
	}
}
