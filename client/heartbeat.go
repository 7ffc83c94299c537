package client

import (
	"errors"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"google.golang.org/grpc/connectivity"
)

const (
	heartbeatPeriod = 10 * time.Second

	// silences is after how many requests without an answer, one after the other, a connection is
	// given up.
	silences = 2
	// recoveryCooldown keeps a server in trouble from being given one new connection after the other.
	recoveryCooldown = 30 * time.Second
	// commandCooldown keeps one that orders them from it as well.
	commandCooldown = time.Second
)

// heartbeats keeps the member known to the server, and tells when it is not any more. Each session has
// its own, so that one server does not hold up the others.
func (s *session) heartbeats() {
	ticker := time.NewTicker(heartbeatPeriod)
	defer ticker.Stop()
	var doubt doubt
	for {
		select {
		case <-ticker.C:
			if s.live.Load() {
				s.heartbeat(&doubt)
			}
		case <-s.ctx.Done():
			return
		}
	}
}

func (s *session) heartbeat(doubt *doubt) {
	q := &v2.HeartbeatRequest{Group: s.member.group, ClientType: s.member.kind}
	before := s.conn.made.Load()
	a, _, err := invoke(s.ctx, &s.member.identity, s.conn, call{"heartbeat of", s.member.name()},
		v2.MessagingServiceClient.Heartbeat, q)
	switch {
	case err == nil:
		s.conn.isolated.Store(false)
	case a.GetStatus().GetCode() == v2.Code_UNRECOGNIZED_CLIENT_TYPE:
		s.announceAgain() // it has lost the settings, as after a restart behind a load balancer
	case s.ctx.Err() == nil:
		s.member.client.cfg.log.Warn("heartbeat failed", "endpoint", s.conn.name, "client", s.member.id, "error", err)
	}
	// A load balancer whose server is gone says that it is unavailable while the connection stands.
	unavailable := errors.Is(err, ErrUnavailable) && before != nil && before.is(connectivity.Ready)
	if doubt.grows(err) || unavailable {
		s.replace(before, err)
	}
}

// doubt counts the requests without an answer, one after the other, over a connection with which grpc
// sees nothing wrong.
type doubt struct{ silences int }

// grows says whether there have been too many.
func (d *doubt) grows(err error) bool {
	if !errors.Is(err, ErrNoAnswer) {
		d.silences = 0
		return false
	}
	d.silences++
	return d.silences >= silences
}

// replace gives up a connection, and says whether it did. What is under way on it goes on, and other
// endpoints are not concerned.
func (s *session) replace(old *link, because error) bool {
	if s.ctx.Err() != nil || !s.conn.renew(s.ctx, old, recoveryCooldown) {
		return false
	}
	s.member.client.cfg.log.Warn("connection replaced", "endpoint", s.conn.name, "error", because)
	return true
}

// reconnect does what a server asks that wants to be reached over a new connection, which may lead to
// another one behind the same address.
func (s *session) reconnect() {
	if s.conn.renew(s.ctx, s.conn.made.Load(), commandCooldown) {
		s.member.client.cfg.log.Info("connection replaced, as the server wants", "endpoint", s.conn.name)
	}
}
