package client

import (
	"context"
	"runtime"
	"sync"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"google.golang.org/protobuf/types/known/durationpb"
)

// A member is a producer or a consumer as the server knows it: one client id with one set of
// settings, announced over one session to each endpoint of the topics it uses.
type member struct {
	identity

	client   *Client
	kind     v2.ClientType
	group    *v2.Resource         // of a consumer; nil for a producer
	describe func(s *v2.Settings) // adds what is particular to the kind to what is announced
	adopt    func(s *v2.Settings) // takes what the server answers
	// acquainted is called each time that a server has answered, among its commands; nil if nobody wants
	// to know. It ends with ctx.
	acquainted func(ctx context.Context, c *conn)
	commands   commands // what the kind can do for a server that asks
	// cached, if the kind has a cache, reports what is in it of each topic. Set before the first session;
	// called at any time.
	cached   func(report func(topic string, messages, bytes int64))
	ctx      context.Context // ended by close
	cancel   context.CancelCauseFunc
	wg       sync.WaitGroup // the sessions
	labelled sync.Map       // labelsKey to *labels

	mu       sync.Mutex // guards what follows
	closed   bool
	topics   map[string]*topicRoute // those in use
	sessions map[*conn]*session
}

func (c *Client) newMember(kind v2.ClientType) *member {
	m := &member{
		identity: identity{id: c.newClientID(), signer: c.signer, timeout: c.timeout},
		client:   c, kind: kind,
		topics: make(map[string]*topicRoute), sessions: make(map[*conn]*session),
	}
	m.ctx, m.cancel = context.WithCancelCause(context.Background())
	return m
}

// use makes the member follow a topic: it will have a session with each endpoint of it.
func (m *member) use(r *topicRoute) {
	m.mu.Lock()
	_, known := m.topics[r.topic]
	m.topics[r.topic] = r
	m.mu.Unlock()
	if !known {
		m.announce()
		m.reconcile()
	}
}

// drop makes the member forget a topic.
func (m *member) drop(topic string) {
	m.mu.Lock()
	delete(m.topics, topic)
	m.mu.Unlock()
	m.announce()
	m.reconcile()
}

// eachTopic calls f with the topics in use. It must not call back.
func (m *member) eachTopic(f func(*topicRoute)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, r := range m.topics {
		f(r)
	}
}

// reconcile opens the sessions that the routes of the topics in use ask for, and ends those to
// endpoints that have left all of them.
func (m *member) reconcile() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return
	}
	wanted := make(map[*conn]bool)
	for _, r := range m.topics {
		if current := r.current.Load(); current != nil {
			for _, c := range current.conns {
				wanted[c] = true
				m.sessionLocked(c)
			}
		}
	}
	for c, s := range m.sessions {
		if !wanted[c] {
			s.cancel(errNotNeeded)
			delete(m.sessions, c)
		}
	}
}

// session returns the session with the server behind c, opened if there is none; nil if the member
// is closed.
func (m *member) session(c *conn) *session {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return nil
	}
	return m.sessionLocked(c)
}

func (m *member) sessionLocked(c *conn) *session {
	s, ok := m.sessions[c]
	if !ok {
		s = newSession(m, c)
		m.sessions[c] = s
		m.wg.Go(s.run)
	}
	return s
}

// liveConns returns those to the servers that know the member.
func (m *member) liveConns() []*conn {
	m.mu.Lock()
	defer m.mu.Unlock()
	var live []*conn
	for c, s := range m.sessions {
		if s.live.Load() {
			live = append(live, c)
		}
	}
	return live
}

// announce sends the settings again on all sessions, at once.
func (m *member) announce() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, s := range m.sessions {
		s.announceAgain()
	}
}

// settings is what the member announces of itself.
func (m *member) settings() *v2.Settings {
	s := &v2.Settings{
		ClientType:     &m.kind,
		AccessPoint:    m.client.access.endpoint.Proto(),
		RequestTimeout: durationpb.New(m.timeout),
		UserAgent: &v2.UA{
			Language: v2.Language_GOLANG,
			Version:  protocolVersion,
			Platform: runtime.GOOS + "/" + runtime.GOARCH,
			Hostname: m.client.host,
		},
	}
	s.ProtoReflect().SetUnknown(m.client.properties)
	m.describe(s)
	return s
}

// terminateTimeout bounds what closing spends on telling the servers, in all.
const terminateTimeout = 500 * time.Millisecond

// close tells all servers that the member is gone and ends its sessions. Who owns the member has
// seen to it before that nothing is under way any more.
func (m *member) close() {
	m.mu.Lock()
	m.closed = true
	sessions := m.sessions
	m.sessions = nil
	m.mu.Unlock()
	m.terminate(sessions)
	m.cancel(ErrClosed)
	m.wg.Wait()
	m.client.leave(m)
}

// terminate is a courtesy: a server that does not hear it finds out by itself, if later.
func (m *member) terminate(sessions map[*conn]*session) {
	ctx, cancel := context.WithTimeout(m.ctx, terminateTimeout)
	defer cancel()
	var wg sync.WaitGroup
	for c, s := range sessions {
		if !s.live.Load() {
			continue
		}
		wg.Go(func() {
			_, _, err := invoke(ctx, &m.identity, c, call{"take leave of", c.name},
				v2.MessagingServiceClient.NotifyClientTermination,
				&v2.NotifyClientTerminationRequest{Group: m.group})
			if err != nil {
				m.client.cfg.log.Debug("server not told of the end", "client", m.id, "error", err)
			}
		})
	}
	wg.Wait()
}

// name is what people call the member: the group of a consumer, or what it is.
func (m *member) name() string {
	if m.group != nil {
		return m.group.GetName()
	}
	return "producer"
}
