package client

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/rocketflow-io/rocketflow/client/internal/endpoint"
)

// lingering is how long requests under way keep a connection that has been given up. It is longer than
// servers let a poll wait.
const lingering = 30 * time.Second

// A connPool owns the connections of a Client, one for each endpoint, and those that have been given
// up and are still in use.
type connPool struct {
	connect ConnectFunc
	log     *slog.Logger

	ended chan struct{}  // closed by close
	old   sync.WaitGroup // the goroutines of closeLater; begun only while a conn is not closed

	mu     sync.Mutex // guards what follows
	conns  map[string]*conn
	closed bool
}

func newConnPool(c *config) *connPool {
	p := &connPool{connect: c.connect, log: c.log, ended: make(chan struct{}), conns: make(map[string]*conn)}
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
		c = &conn{name: e.String(), endpoint: e, pool: p, making: make(chan struct{}, 1), closed: p.closed}
		p.conns[c.name] = c
	}
	return c
}

func (p *connPool) all() []*conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Collect(maps.Values(p.conns))
}

// prune gives up idle connections, but for those that are in use.
func (p *connPool) prune(ctx context.Context, used map[*conn]bool) {
	for _, c := range p.all() {
		if !used[c] {
			c.prune(ctx)
		}
	}
}

// closeLater closes a connection when what is under way on it has had time to end.
func (p *connPool) closeLater(l *link) {
	p.old.Go(func() {
		timer := time.NewTimer(lingering)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-p.ended:
		}
		if err := closeAny(l.closer); err != nil {
			p.log.Debug("old connection not closed", "error", err)
		}
	})
}

func (p *connPool) close() error {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	var errs []error
	for _, c := range p.all() {
		errs = append(errs, c.close())
	}
	close(p.ended)
	p.old.Wait()
	return errors.Join(errs...)
}
