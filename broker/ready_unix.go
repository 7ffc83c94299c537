//go:build unix

package broker

import (
	"errors"
	"io"
	"net"
	"syscall"

	"google.golang.org/grpc/mem"
)

// A readyConn is a peekedConn of TCP that needs a buffer only once there is something to read. The
// gRPC server looks for ReadOnReady, and reads by it: a connection on which nothing is said holds no
// buffer. One goroutine reads.
type readyConn struct {
	*peekedConn
	from *trackedConn
	raw  syscall.RawConn
	try  func(fd uintptr) bool // attempt, once for all

	pool mem.BufferPool // of the read under way, and so is what follows
	size int
	into *[]byte // nil while there is nothing to read
	n    int
	err  error
}

// ready gives the connection as one that waits without a buffer, where that can be.
func ready(c *peekedConn) net.Conn {
	from, ok := c.Conn.(*trackedConn)
	if !ok {
		return c
	}
	tcp, ok := from.Conn.(*net.TCPConn)
	if !ok {
		return c
	}
	raw, err := tcp.SyscallConn()
	if err != nil { // it is closed, as reading will tell
		return c
	}
	r := &readyConn{peekedConn: c, from: from, raw: raw}
	r.try = r.attempt
	return r
}

// ReadOnReady waits until there is something to read, and gives it in a buffer of the pool, which the
// caller puts back.
func (c *readyConn) ReadOnReady(size int, pool mem.BufferPool) (*[]byte, int, error) {
	if c.unread {
		into := pool.Get(size)
		n, err := c.Read(*into)
		return into, n, err
	}
	c.pool, c.size = pool, size
	err := c.raw.Read(c.try)
	into, n := c.into, c.n
	if err == nil {
		err = c.err
	}
	c.pool, c.into, c.n, c.err = nil, nil, 0, nil
	c.from.standStill(c.from.gone)
	if err == nil && n == 0 {
		err = io.EOF
	}
	if err != nil && into != nil {
		pool.Put(into)
		into = nil
	}
	return into, n, err
}

// attempt reads what is there, and tells whether it is done: else it is called again when there is more.
func (c *readyConn) attempt(fd uintptr) bool {
	c.into = c.pool.Get(c.size)
	for {
		c.n, c.err = syscall.Read(int(fd), *c.into)
		if !errors.Is(c.err, syscall.EINTR) {
			break
		}
	}
	if c.err == nil {
		return true
	}
	c.pool.Put(c.into)
	c.into, c.n = nil, 0
	return !errors.Is(c.err, syscall.EAGAIN)
}
