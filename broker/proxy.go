package broker

import (
	"context"
	"sync/atomic"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
)

// A proxy answers clients of a cluster of mode ProxyCluster by what its brokers answer. It serves
// once: what clients have said of themselves goes with it.
type proxy struct {
	v2.UnimplementedMessagingServiceServer

	cluster  *Cluster
	endpoint string
	front    *front
	sessions *sessions
	turn     atomic.Uint32 // counts choices of a queue or broker, so that each is the next one
}

// openProxy lets a proxy serve at an endpoint, or if it is "" at a new one, which is called by the
// name in memory. Only who holds changing calls it.
func (c *Cluster) openProxy(endpoint, name string) (*proxy, error) {
	f, err := c.openFront(endpoint, name)
	if err != nil {
		return nil, err
	}
	expiry := c.opts.Options.Limits.withDefaults().ClientExpiry
	p := &proxy{cluster: c, endpoint: f.endpoint, front: f, sessions: newSessions(expiry, c.scheduler, c)}
	for _, b := range c.brokers() {
		b.store.proxies.add(p.sessions)
	}
	f.serve(c.opts.Options.TLSConfig, c.opts.Options.TLSOnly, p)
	c.logger.Info("broker: proxy started", "endpoint", p.endpoint)
	return p, nil
}

// stop breaks all connections. It may be called again; only who holds changing calls it.
func (p *proxy) stop() {
	if p.sessions.ended() {
		return
	}
	p.sessions.close()
	p.front.close()
	for _, b := range p.cluster.brokers() {
		b.store.proxies.remove(p.sessions)
	}
	p.cluster.logger.Info("broker: proxy stopped", "endpoint", p.endpoint)
}

// at gives what a broker answers to the clients of this proxy.
func (p *proxy) at(b *Broker) *service { return b.service(p.sessions, p.front.endpoints()) }

// one gives what one of the brokers answers, whether or not it can be reached: a proxy knows which
// topics and groups there are.
func (p *proxy) one() (*service, error) {
	all := p.cluster.listed()
	if len(all) == 0 {
		return nil, refuse(v2.Code_INTERNAL_SERVER_ERROR, "there is no broker")
	}
	return p.at(all[0]), nil
}

// Telemetry takes the settings of a client, which holds for all brokers.
func (p *proxy) Telemetry(stream telemetryStream) error {
	id, err := clientID(stream.Context())
	if err != nil {
		return stream.Send(&v2.TelemetryCommand{Status: statusOf(err)})
	}
	admit := func(ctx context.Context, req any) (string, error) {
		s, err := p.one()
		if err != nil {
			return "", err
		}
		return s.admit(ctx, req)
	}
	merge := func(sent *v2.Settings) (*v2.Settings, error) {
		s, err := p.one()
		if err != nil {
			return nil, err
		}
		return s.mergeFor(stream.Context())(sent)
	}
	return p.sessions.converse(id, stream, admit, merge)
}

// Heartbeat keeps the session of a client with this proxy.
func (p *proxy) Heartbeat(ctx context.Context, req *v2.HeartbeatRequest) (*v2.HeartbeatResponse, error) {
	s, err := p.one()
	if err != nil {
		return &v2.HeartbeatResponse{Status: statusOf(err)}, nil
	}
	return s.Heartbeat(ctx, req)
}

// NotifyClientTermination ends the session of a client with this proxy.
func (p *proxy) NotifyClientTermination(
	ctx context.Context, req *v2.NotifyClientTerminationRequest,
) (*v2.NotifyClientTerminationResponse, error) {
	s, err := p.one()
	if err != nil {
		return &v2.NotifyClientTerminationResponse{Status: statusOf(err)}, nil
	}
	return s.NotifyClientTermination(ctx, req)
}

// enter lets a call into a broker, which must leave by its barrier, if the broker can be reached.
func enter(b *Broker) error {
	if !b.barrier.enter() {
		return refusef(v2.Code_INTERNAL_SERVER_ERROR, "connect to %s failed", b.store.name)
	}
	return nil
}

// ask gives what a broker answers to a request that has entered it.
func ask[Q, A any](ctx context.Context, b *Broker, request Q, handle func(context.Context, Q) (A, error)) (A, error) {
	defer b.barrier.leave()
	return settle(ctx, b.store.diary, request, handle)
}

// refused gives why a request is refused that no broker has seen: who asks comes first, as at a broker.
func (p *proxy) refused(ctx context.Context, req any, err error) error {
	s, none := p.one()
	if none != nil {
		return err
	}
	if _, unwelcome := s.admit(ctx, req); unwelcome != nil {
		return unwelcome
	}
	return err
}

// abandon implements bereft: the client has gone from one of the proxies.
func (c *Cluster) abandon(at *sessions, client string) {
	for _, b := range c.brokers() {
		b.store.diary.enter()
		b.store.abandon(at, client)
		b.store.diary.leave()
	}
}

// abandonLite implements bereft, unless the client has come to another proxy in the meantime.
func (c *Cluster) abandonLite(client string) {
	for _, b := range c.brokers() {
		if _, there := b.store.proxies.reaching(client); !there {
			b.store.abandonLite(client)
		}
	}
}
