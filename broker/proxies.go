package broker

import (
	"slices"
	"sync"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
)

// proxies is those through which the clients of a store come, by their sessions: one, unless the
// store is in a cluster.
type proxies struct {
	mu  sync.Mutex  // guards all; not held while one of them is asked
	all []*sessions // replaced, never changed
}

// add lets clients come through another proxy, if they do not already.
func (p *proxies) add(s *sessions) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !slices.Contains(p.all, s) {
		p.all = append(slices.Clone(p.all), s)
	}
}

// remove ends that.
func (p *proxies) remove(s *sessions) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.all = slices.DeleteFunc(slices.Clone(p.all), func(other *sessions) bool { return other == s })
}

func (p *proxies) list() []*sessions {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.all
}

// reaching finds the proxy to which a client has a telemetry stream.
func (p *proxies) reaching(client string) (*sessions, bool) {
	for _, s := range p.list() {
		if s.reaches(client) {
			return s, true
		}
	}
	return nil, false
}

// knowing finds the proxy that has the session of a client; nil if none has.
func (p *proxies) knowing(client string) *sessions {
	for _, s := range p.list() {
		if _, ok := s.settings(client); ok {
			return s
		}
	}
	return nil
}

// command sends a command to a client, through whichever proxy reaches it. It gives false if none does.
func (p *proxies) command(client string, command *v2.TelemetryCommand) bool {
	s, ok := p.reaching(client)
	return ok && s.command(client, command)
}

// A producer is a client that has said that it sends to a topic.
type producer struct {
	proxy *sessions
	out   *outbox
}

// producers gives those of a topic, by proxy and client id.
func (p *proxies) producers(topic string) []producer {
	var all []producer
	for _, s := range p.list() {
		all = append(all, s.producers(topic)...)
	}
	return all
}
