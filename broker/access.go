package broker

import (
	"context"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
)

// pseudoAccess is what the access point of a cluster in memory is called. Its proxies have the ports
// after it.
const (
	pseudoHost   = "127.0.0.1"
	pseudoAccess = 8080
)

// A door is an endpoint of a cluster, and the front behind it; nil while that is stopped.
type door struct {
	endpoint string
	front    *front
}

// An access is the access point of a cluster: each connection to it goes to one of the open doors.
type access struct {
	endpoint string
	doors    func() []door
	turn     atomic.Uint32 // counts connections, so that each goes to the next door

	listener  net.Listener   // nil in memory
	accepting sync.WaitGroup // the goroutine of accept
}

func openAccess(inMemory bool, doors func() []door) (*access, error) {
	a := &access{endpoint: pseudo(0), doors: doors}
	if inMemory {
		return a, nil
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("broker: listen at the access point: %w", err)
	}
	a.endpoint, a.listener = l.Addr().String(), l
	a.accepting.Go(a.accept)
	return a, nil
}

// pseudo is the name of the access point of a cluster in memory, and of its endpoints from 1.
func pseudo(n int) string { return fmt.Sprintf("%s:%d", pseudoHost, pseudoAccess+n) }

// accept ends by close.
func (a *access) accept() {
	for {
		conn, err := a.listener.Accept()
		if err != nil {
			return
		}
		if f, ok := a.next(); !ok || !f.feed.hand(conn) {
			_ = conn.Close() // nobody is there: who has dialled finds that out
		}
	}
}

// next gives the open door whose turn it is.
func (a *access) next() (*front, bool) {
	var open []*front
	for _, d := range a.doors() {
		if d.front != nil {
			open = append(open, d.front)
		}
	}
	if len(open) == 0 {
		return nil, false
	}
	return open[int(a.turn.Add(1)-1)%len(open)], true
}

// dial connects to an address.
func (a *access) dial(ctx context.Context, addr string) (net.Conn, error) {
	if a.listener != nil {
		return new(net.Dialer).DialContext(ctx, "tcp", addr)
	}
	if addr == a.endpoint {
		if f, ok := a.next(); ok {
			return f.dial(ctx)
		}
	}
	for _, d := range a.doors() {
		if d.endpoint == addr && d.front != nil {
			return d.front.dial(ctx)
		}
	}
	return nil, fmt.Errorf("broker: dial %q: %w", addr, syscall.ECONNREFUSED)
}

func (a *access) close() {
	if a.listener != nil {
		_ = a.listener.Close() // it only ends the accepting
		a.accepting.Wait()
	}
}

// A feed is a listener at which connections arrive that were accepted elsewhere.
type feed struct {
	addr    net.Addr
	conns   chan net.Conn
	closing sync.Once
	closed  chan struct{}
}

func newFeed(addr net.Addr) *feed {
	return &feed{addr: addr, conns: make(chan net.Conn), closed: make(chan struct{})}
}

// hand gives a connection to who accepts. It gives false if nobody does any more.
func (f *feed) hand(conn net.Conn) bool {
	select {
	case f.conns <- conn:
		return true
	case <-f.closed:
		return false
	}
}

// Accept, Close and Addr are for net.Listener.
func (f *feed) Accept() (net.Conn, error) {
	select {
	case conn := <-f.conns:
		return conn, nil
	case <-f.closed:
		return nil, net.ErrClosed
	}
}

// Close is for net.Listener.
func (f *feed) Close() error {
	f.closing.Do(func() { close(f.closed) })
	return nil
}

// Addr is for net.Listener.
func (f *feed) Addr() net.Addr { return f.addr }
