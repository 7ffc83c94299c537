package inproc

import (
	"cmp"
	"maps"
	"slices"
	"sync"
)

// A link is a connection as the server sees it: one after another of a Conn.
type link struct {
	server *Server
	peer   Peer

	mu    sync.Mutex // guards what follows
	calls map[uint64]*call
	last  uint64 // the number of the latest call
	ended bool
}

// accept begins a connection.
func (s *Server) accept() (*link, error) {
	l := &link{server: s, calls: make(map[uint64]*call)}
	if s.opts.Accept != nil {
		l.peer = s.opts.Accept(l.end)
	}
	s.mu.Lock()
	closed := s.closed
	if !closed {
		s.links = append(s.links, l)
	}
	s.mu.Unlock()
	if closed {
		l.end()
		return nil, errServerClosed
	}
	return l, nil
}

func (s *Server) forget(l *link) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.links = slices.DeleteFunc(s.links, func(other *link) bool { return other == l })
}

func (l *link) open() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return !l.ended
}

func (l *link) add(c *call) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended {
		return errLinkEnded
	}
	l.last++
	c.number = l.last
	l.calls[c.number] = c
	return nil
}

func (l *link) remove(c *call) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.calls, c.number)
}

// end ends the connection, and its calls in the order in which they began.
func (l *link) end() {
	l.mu.Lock()
	if l.ended {
		l.mu.Unlock()
		return
	}
	l.ended = true
	calls := slices.SortedFunc(maps.Values(l.calls), func(a, b *call) int { return cmp.Compare(a.number, b.number) })
	l.mu.Unlock()
	l.server.forget(l)
	for _, c := range calls {
		c.end(errLinkEnded)
	}
	if l.peer.Gone != nil {
		l.peer.Gone()
	}
}
