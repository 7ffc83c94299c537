//go:build unix

package broker

import (
	"io"
	"net"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/mem"
)

// A watchedPool tells of each buffer that is taken and put back.
type watchedPool struct{ taken, back chan struct{} }

func newWatchedPool() *watchedPool {
	return &watchedPool{taken: make(chan struct{}, 16), back: make(chan struct{}, 16)}
}

func (p *watchedPool) Get(n int) *[]byte {
	p.taken <- struct{}{}
	return new(make([]byte, n))
}

func (p *watchedPool) Put(*[]byte) { p.back <- struct{}{} }

// vain waits for an attempt that finds nothing, which holds no buffer.
func (p *watchedPool) vain() {
	<-p.taken
	<-p.back
}

// A heard is what ReadOnReady gave.
type heard struct {
	text string
	err  error
}

func (c *readyConn) read(pool mem.BufferPool) heard {
	b, n, err := c.ReadOnReady(64, pool)
	if err != nil {
		return heard{err: err}
	}
	return heard{text: string((*b)[:n])}
}

func (c *readyConn) goRead(pool mem.BufferPool) <-chan heard {
	got := make(chan heard, 1)
	go func() { got <- c.read(pool) }()
	return got
}

// connect gives a connection as the server has it, whose first byte was "P", and the client's end.
func connect(t *testing.T) (*gate, *readyConn, net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, l.Close()) })
	client, err := net.Dial("tcp", l.Addr().String())
	require.NoError(t, err)
	t.Cleanup(func() { _ = client.Close() }) // it may be closed
	g := newGate(Options{}, newScheduler())
	conn, err := g.listener(l, "here").Accept()
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	c, ok := ready(&peekedConn{Conn: conn, first: [1]byte{'P'}, unread: true}).(*readyConn)
	require.True(t, ok)
	return g, c, client
}

func TestReadyConn_HoldsNoBufferWhileItWaits(t *testing.T) {
	_, c, client := connect(t)
	pool := newWatchedPool()
	require.Equal(t, heard{text: "P"}, c.read(pool))
	<-pool.taken
	for _, text := range []string{"RI", " * HTTP/2.0"} {
		got := c.goRead(pool)
		pool.vain()
		_, err := io.WriteString(client, text)
		require.NoError(t, err)
		require.Equal(t, heard{text: text}, <-got)
		<-pool.taken
	}
	got := c.goRead(pool)
	pool.vain()
	require.NoError(t, client.Close())
	require.Equal(t, heard{err: io.EOF}, <-got)
	pool.vain()
}

func TestReadyConn_EndsWhenItIsClosed(t *testing.T) {
	_, c, _ := connect(t)
	pool := newWatchedPool()
	require.Equal(t, heard{text: "P"}, c.read(pool))
	<-pool.taken
	got := c.goRead(pool)
	pool.vain()
	require.NoError(t, c.Close())
	require.ErrorIs(t, (<-got).err, net.ErrClosed)
	require.Empty(t, pool.taken)
}

func TestReadyConn_StandsStillWhileItIsFrozen(t *testing.T) {
	g, c, client := connect(t)
	pool := newWatchedPool()
	require.Equal(t, heard{text: "P"}, c.read(pool))
	<-pool.taken
	got := c.goRead(pool)
	pool.vain()
	thaw := g.Freeze()
	_, err := io.WriteString(client, "RI")
	require.NoError(t, err)
	<-pool.taken
	require.Empty(t, got)
	thaw()
	require.Equal(t, heard{text: "RI"}, <-got)
}
