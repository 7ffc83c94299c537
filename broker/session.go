package broker

import (
	"maps"
	"slices"
	"sync"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
)

// sessions is what clients have said of themselves to a proxy, by client id. A session begins with
// the settings of a Telemetry stream and outlives the stream: it ends by NotifyClientTermination, or
// when nothing has been heard for a time.
type sessions struct {
	expiry    int64 // milliseconds
	scheduler *scheduler
	commands  *commands
	bereft    bereft

	mu   sync.Mutex // guards what follows and the sessions in it
	by   map[string]*session
	over bool // the proxy has been stopped: nothing is known of anybody any more
}

// bereft is told of clients that are there no more, with no lock held.
type bereft interface {
	// abandon is called when a session has ended.
	abandon(at *sessions, client string)
	// abandonLite is called when a client has broken off its telemetry stream.
	abandonLite(client string)
}

// A session is one client.
type session struct {
	deadline // in the scheduler
	all      *sessions
	client   string
	settings *v2.Settings // as the client sent them; never changed
	out      *outbox      // of the stream that sent them; nil when that has ended
	seen     int64        // Unix milliseconds
}

func newSessions(expiry time.Duration, sch *scheduler, told bereft) *sessions {
	return &sessions{
		expiry: expiry.Milliseconds(), scheduler: sch, bereft: told,
		commands: &commands{expected: make(map[string]expectation)}, by: make(map[string]*session),
	}
}

// put begins a session, or gives it other settings. Commands to the client go to out from now on.
func (s *sessions) put(client string, settings *v2.Settings, out *outbox) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, ok := s.by[client]
	if !ok {
		c = &session{all: s, client: client}
		c.owner = c
		s.by[client] = c
		s.scheduler.set(&c.deadline, nowMillis()+s.expiry)
	}
	c.settings, c.out, c.seen = settings, out, nowMillis()
}

// detach notes that a telemetry stream has ended. It gives false if another one speaks for the
// client.
func (s *sessions) detach(client string, out *outbox) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, ok := s.by[client]
	if !ok || c.out != out {
		return false
	}
	c.out = nil
	return true
}

// command sends a command to a client. It gives false if the client cannot be reached: it has no
// session, no telemetry stream, or has not read its commands for too long.
func (s *sessions) command(client string, command *v2.TelemetryCommand) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, ok := s.by[client]
	return ok && c.out != nil && c.out.post(command)
}

// reaches tells whether a client has a telemetry stream.
func (s *sessions) reaches(client string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, ok := s.by[client]
	return ok && c.out != nil
}

// producers gives those who have said that they send to a topic, by client id.
func (s *sessions) producers(topic string) []producer {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []producer
	for _, client := range slices.Sorted(maps.Keys(s.by)) {
		if c := s.by[client]; c.out != nil && c.publishes(topic) {
			all = append(all, producer{s, c.out})
		}
	}
	return all
}

func (c *session) publishes(topic string) bool {
	return slices.ContainsFunc(c.settings.GetPublishing().GetTopics(), func(r *v2.Resource) bool {
		return r.GetName() == topic
	})
}

// settings gives what the client has said of itself.
func (s *sessions) settings(client string) (*v2.Settings, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c, ok := s.by[client]; ok {
		return c.settings, true
	}
	return nil, false
}

// touch notes that the client lives.
func (s *sessions) touch(client string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c, ok := s.by[client]; ok {
		c.seen = nowMillis()
	}
}

// end ends a session and gives its settings.
func (s *sessions) end(client string) (*v2.Settings, bool) {
	s.mu.Lock()
	c, ok := s.by[client]
	delete(s.by, client)
	s.mu.Unlock()
	if !ok {
		return nil, false
	}
	s.scheduler.remove(&c.deadline)
	s.bereft.abandon(s, client)
	return c.settings, true
}

// expire ends the session if the client was not heard of, else sleeps until that can be so.
func (c *session) expire(now int64) {
	if at, over := c.over(now); over {
		c.all.bereft.abandon(c.all, c.client)
	} else if at > 0 {
		c.all.scheduler.set(&c.deadline, at)
	}
}

// over takes the session out if its time has come. Else it tells when that will be; 0 if the
// session had been ended before.
func (c *session) over(now int64) (int64, bool) {
	c.all.mu.Lock()
	defer c.all.mu.Unlock()
	if c.all.by[c.client] != c {
		return 0, false
	}
	if at := c.seen + c.all.expiry; at > now {
		return at, false
	}
	delete(c.all.by, c.client)
	return 0, true
}

// close forgets all sessions, without a word to anybody: the proxy is no more.
func (s *sessions) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.over = true
	for _, c := range s.by {
		s.scheduler.remove(&c.deadline)
	}
	clear(s.by)
}

// ended tells whether the proxy has been stopped.
func (s *sessions) ended() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.over
}
