//go:build !unix

package broker

import "net"

// ready gives the connection as it is: it waits with a buffer.
func ready(c *peekedConn) net.Conn { return c }
