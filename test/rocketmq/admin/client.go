// Package admin speaks RocketMQ's remoting protocol, as far as a test must to administer a server:
// topics, consumer groups and offsets. It replaces the server's own command-line tool, which
// starts a virtual machine for each call.
//
// A [Client] is a connection to one name server or one broker; which requests it may make depends
// on which of the two it is.
package admin

import (
	"context"
	"fmt"
	"net"
	"sync"
	"time"
)

// requestTimeout bounds a request whose context has no deadline.
const requestTimeout = 10 * time.Second

// maxIdle is how long a connection may have been idle to be used again: the server closes it after two
// minutes, and a request may be the first to learn of that.
const maxIdle = 30 * time.Second

// success is the response code of a request that was carried out.
const success = 0

// Error is a request that the server refused.
type Error struct {
	Op     string // "create topic"
	Object string // the topic or group
	Code   int    // the remoting protocol's response code
	Remark string // the server's own words
}

// Error names the operation, its object and what the server answered.
func (e *Error) Error() string {
	return fmt.Sprintf("admin: %s %q: code %d: %s", e.Op, e.Object, e.Code, e.Remark)
}

// Client is a connection to a name server or a broker, made by the first request and again after
// one that failed. It is safe for concurrent use; requests take turns. Close ends it.
type Client struct {
	addr string

	mu     sync.Mutex // guards what follows; held for the length of a request, which takes turns by it
	conn   net.Conn
	used   time.Time // when conn last was
	opaque int32
}

// New returns a client of the server at addr, host:port of its remoting port.
func New(addr string) *Client { return &Client{addr: addr} }

// Close closes the connection. A later request would open another.
func (c *Client) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.dropLocked()
}

// call makes one request and returns its response. It fails with [*Error] if the server refuses.
func (c *Client) call(ctx context.Context, op, object string, req command) (command, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	resp, err := c.exchangeLocked(ctx, req)
	if err != nil {
		return command{}, fmt.Errorf("admin: %s %q at %s: %w", op, object, c.addr, err)
	}
	if resp.Code != success {
		return command{}, &Error{Op: op, Object: object, Code: resp.Code, Remark: resp.Remark}
	}
	return resp, nil
}

// exchangeLocked writes the request and reads frames until the one that answers it: the server may
// send requests of its own on the connection, which nobody here serves.
func (c *Client) exchangeLocked(ctx context.Context, req command) (resp command, err error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	if err := c.connectLocked(ctx); err != nil {
		return command{}, err
	}
	conn := c.conn
	defer func() { c.used = time.Now() }()
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer func() {
		// A response that nobody waited for would be taken for the next one's.
		if err != nil || !stop() {
			_ = c.dropLocked()
		}
	}()
	c.opaque++
	req.Opaque, req.Language, req.Serialize = c.opaque, "GO", "JSON"
	if err := writeFrame(conn, req); err != nil {
		return command{}, err
	}
	for {
		resp, err := readFrame(conn)
		if err != nil {
			return command{}, err
		}
		if resp.Opaque == req.Opaque && resp.Flag&1 != 0 {
			return resp, nil
		}
	}
}

func (c *Client) connectLocked(ctx context.Context) error {
	if c.conn != nil && time.Since(c.used) < maxIdle {
		return nil
	}
	_ = c.dropLocked() // the server may have closed it
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", c.addr)
	if err != nil {
		return err
	}
	c.conn = conn
	return nil
}

func (c *Client) dropLocked() error {
	if c.conn == nil {
		return nil
	}
	err := c.conn.Close()
	c.conn = nil
	return err
}
