package client

import (
	"context"
	"crypto/tls"
	"io"
	"math"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"

	"github.com/rocketflow-io/rocketflow/client/internal/endpoint"
)

const (
	// The server closes a connection that is pinged more often than every five minutes.
	keepaliveInterval = 5 * time.Minute
	keepaliveTimeout  = 30 * time.Second

	// idleTimeout is after how long without a request a connection is closed, until the next one.
	idleTimeout = 30 * time.Minute

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
		grpc.WithIdleTimeout(idleTimeout),
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
			resolver := fixedAddresses{e.Addresses(), c.tls != nil && c.tls.ServerName != ""}
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
