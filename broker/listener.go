package broker

import (
	"net"
	"sync"
)

// A listener knows its open connections: to cut them, to let them stand still, and so that close can
// end also those on which nothing has been said yet, whose first words the gRPC server would wait for.
type listener struct {
	net.Listener
	endpoint string
	gate     *gate
	frost    *frost // of the endpoint

	mu     sync.Mutex // guards what follows
	open   map[*trackedConn]struct{}
	closed bool
}

// Accept waits for the next connection.
func (l *listener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return l.track(conn), nil
}

// track takes a connection for one of the open ones.
func (l *listener) track(conn net.Conn) *trackedConn {
	c := &trackedConn{Conn: conn, from: l, gone: make(chan struct{})}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		_ = conn.Close() // the server, which is about to stop, finds that out
	}
	l.open[c] = struct{}{}
	return c
}

// connections counts those that are open.
func (l *listener) connections() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.open)
}

// hangUp closes all connections, and those that come.
func (l *listener) hangUp() {
	l.gate.forget(l)
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	l.cut()
}

// cut closes all connections and tells how many there were.
func (l *listener) cut() int {
	l.mu.Lock()
	all := make([]*trackedConn, 0, len(l.open))
	for c := range l.open {
		all = append(all, c)
	}
	l.mu.Unlock()
	for _, c := range all {
		_ = c.Close() // its reader is told; there is nobody else to tell
	}
	return len(all)
}

// A trackedConn tells its listener of its end, and stands still with it.
type trackedConn struct {
	net.Conn
	from *listener
	once sync.Once
	gone chan struct{} // closed by Close
}

// Read reads what is there once there is no frost.
func (c *trackedConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.standStill(c.gone)
	return n, err
}

// Write writes once there is no frost.
func (c *trackedConn) Write(b []byte) (int, error) {
	c.standStill(c.gone)
	return c.Conn.Write(b)
}

// standStill returns when there is no frost, neither everywhere nor here, or who waits is gone.
func (c *trackedConn) standStill(gone <-chan struct{}) {
	c.from.gate.frost.wait(gone)
	c.from.frost.wait(gone)
}

// Close closes the connection.
func (c *trackedConn) Close() error {
	c.once.Do(func() { close(c.gone) })
	c.from.mu.Lock()
	delete(c.from.open, c)
	c.from.mu.Unlock()
	return c.Conn.Close()
}
