package broker

import (
	"net"
	"sync"
)

// A listener knows its open connections, so that close can end also those on which nothing has
// been said yet: the gRPC server would wait for their first words.
type listener struct {
	net.Listener

	mu     sync.Mutex // guards what follows
	open   map[net.Conn]struct{}
	closed bool
}

func newListener(l net.Listener) *listener {
	return &listener{Listener: l, open: make(map[net.Conn]struct{})}
}

// Accept waits for the next connection.
func (l *listener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		_ = conn.Close() // the server, which is about to stop, finds that out
	}
	l.open[conn] = struct{}{}
	return &trackedConn{conn, l}, nil
}

// hangUp closes all connections, and those that come.
func (l *listener) hangUp() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	for conn := range l.open {
		_ = conn.Close() // its reader is told; there is nobody else to tell
	}
	clear(l.open)
}

// A trackedConn tells its listener of its end.
type trackedConn struct {
	net.Conn
	from *listener
}

// Close closes the connection.
func (c *trackedConn) Close() error {
	c.from.mu.Lock()
	delete(c.from.open, c.Conn)
	c.from.mu.Unlock()
	return c.Conn.Close()
}
