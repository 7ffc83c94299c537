package soak

import (
	"context"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
)

type dialFunc = func(ctx context.Context, address string) (net.Conn, error)

// A network is the way to the broker, with faults.
type network struct {
	dial                    dialFunc
	cuts, freezes, refusals atomic.Int64
	refusing                atomic.Bool

	mu     sync.Mutex // guards what follows
	random *rand.Rand
	conns  map[*frail]bool
	frozen chan struct{} // closed when the network thaws; nil if it is not frozen
}

func newNetwork(dial dialFunc, seed uint64) *network {
	return &network{dial: dial, random: rand.New(rand.NewPCG(seed, 2)), conns: make(map[*frail]bool)}
}

func (n *network) newConn() (*grpc.ClientConn, error) {
	return grpc.NewClient("passthrough:///broker", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, address string) (net.Conn, error) {
			c, err := n.dial(ctx, address)
			if err != nil {
				return nil, err
			}
			f := &frail{Conn: c, network: n, closed: make(chan struct{})}
			n.mu.Lock()
			defer n.mu.Unlock()
			n.conns[f] = true
			return f, nil
		}),
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: 100 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: time.Second},
			MinConnectTimeout: 3 * time.Second,
		}))
}

// cut breaks all connections.
func (n *network) cut() {
	n.cuts.Add(1)
	n.mu.Lock()
	var all []*frail
	for c := range n.conns {
		all = append(all, c)
	}
	n.mu.Unlock()
	for _, c := range all {
		_ = c.Close() // that it is broken off is the purpose
	}
}

// freeze lets nothing pass for a while.
func (n *network) freeze(ctx context.Context, d time.Duration) {
	n.freezes.Add(1)
	thaw := make(chan struct{})
	n.mu.Lock()
	n.frozen = thaw
	n.mu.Unlock()
	pass(ctx, d)
	n.mu.Lock()
	n.frozen = nil
	n.mu.Unlock()
	close(thaw)
}

// refuse has one request in four refused for a while, as by a server that is busy.
func (n *network) refuse(ctx context.Context, d time.Duration) {
	n.refusing.Store(true)
	pass(ctx, d)
	n.refusing.Store(false)
}

func pass(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// moody is a connection whose server is busy at times.
type moody struct {
	*grpc.ClientConn
	network *network
}

func (m *moody) Invoke(ctx context.Context, method string, request, reply any, opts ...grpc.CallOption) error {
	n := m.network
	if n.refusing.Load() {
		n.mu.Lock()
		refused := n.random.IntN(4) == 0
		n.mu.Unlock()
		if refused {
			n.refusals.Add(1)
			return status.Error(codes.ResourceExhausted, "busy")
		}
	}
	return m.ClientConn.Invoke(ctx, method, request, reply, opts...)
}

// frail is a network connection that stands still while the network is frozen.
type frail struct {
	net.Conn
	network *network
	once    sync.Once
	closed  chan struct{}
}

func (f *frail) Read(b []byte) (int, error) {
	n, err := f.Conn.Read(b)
	f.wait()
	return n, err
}

func (f *frail) Write(b []byte) (int, error) {
	f.wait()
	return f.Conn.Write(b)
}

// wait waits for the end of a frost, or of the connection.
func (f *frail) wait() {
	f.network.mu.Lock()
	frozen := f.network.frozen
	f.network.mu.Unlock()
	if frozen == nil {
		return
	}
	select {
	case <-frozen:
	case <-f.closed:
	}
}

func (f *frail) Close() error {
	f.once.Do(func() { close(f.closed) })
	f.network.mu.Lock()
	delete(f.network.conns, f)
	f.network.mu.Unlock()
	return f.Conn.Close()
}
