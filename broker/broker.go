package broker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
)

// A Broker is a running broker; Close ends it. All methods may be called at any time, from any
// goroutine.
type Broker struct {
	*gate
	front     *front
	sessions  *sessions // nil behind the proxies of a cluster
	store     *store
	acl       *acl // nil if all are served
	pulling   bool
	scheduler *scheduler
	barrier   *barrier // for the proxies of a cluster
	limits    Limits
	logger    *slog.Logger

	closing  sync.Once
	closeErr error
	closed   chan struct{} // closed when Close is through
}

// Start makes a broker and lets it serve, until [Broker.Close]. It fails if the broker cannot
// listen, or with a [*ConfigError] if a topic, a group or a user cannot be as it is described, or if a
// quirk is unknown.
func Start(opts Options) (*Broker, error) {
	addr, err := opts.addr()
	if err != nil {
		return nil, err
	}
	b, err := newBroker(opts)
	if err != nil {
		return nil, err
	}
	if err := b.listen(opts, addr); err != nil {
		return nil, errors.Join(err, b.store.diary.close())
	}
	b.store.diary.start(b.store)
	b.answer(opts, func(s *service) v2.MessagingServiceServer { return s })
	return b, nil
}

// listen lets clients come, who are not answered yet.
func (b *Broker) listen(opts Options, addr string) (err error) {
	if _, _, err := net.SplitHostPort(opts.Advertise); opts.Advertise != "" && err != nil {
		return fmt.Errorf("broker: advertise %q: %w: name a host and a port", opts.Advertise, err)
	}
	if b.front, err = openFront(addr, pseudoEndpoint, b.gate, b.logger); err != nil {
		return err
	}
	host, _ := splitEndpoint(b.front.endpoint)
	b.store.storeHost = net.JoinHostPort(host, "10911")
	b.front.advertised, b.front.diary = opts.Advertise, b.store.diary
	return nil
}

// answer lets the clients of this broker be answered at its front, by its service as it is handed over.
func (b *Broker) answer(opts Options, by func(*service) v2.MessagingServiceServer) {
	b.sessions = newSessions(b.limits.ClientExpiry, b.scheduler, b.store)
	b.store.proxies.add(b.sessions)
	b.scheduler.start()
	b.front.serve(opts.TLSConfig, opts.TLSOnly, by(b.service(b.sessions, b.front.endpoints())))
	b.logger.Info("broker: started", "endpoint", b.front.endpoint, "in_memory", opts.InMemory)
}

// newBroker makes a broker that nobody can reach and whose time stands still.
func newBroker(opts Options) (*Broker, error) {
	if err := checkQuirks(opts.Quirks); err != nil {
		return nil, err
	}
	b := &Broker{
		pulling:   opts.Pull,
		scheduler: newScheduler(),
		barrier:   newBarrier(),
		limits:    opts.Limits.withDefaults(),
		logger:    opts.Logger,
		closed:    make(chan struct{}),
	}
	if b.logger == nil {
		b.logger = slog.New(slog.DiscardHandler)
	}
	b.gate = newGate(opts, b.scheduler)
	b.store = newStore(opts, b.limits, b.scheduler)
	if err := b.store.recover(opts, b.logger); err != nil {
		return nil, err
	}
	var err error
	b.acl, err = newACL(opts.ACL)
	if err = errors.Join(b.store.create(opts.Topics, opts.Groups), b.store.fifo.check(), err); err != nil {
		return nil, errors.Join(err, b.store.diary.close())
	}
	return b, nil
}

// again gives a broker that stores what a closed one did, is called the same, and nobody can reach yet.
func (b *Broker) again() *Broker {
	return &Broker{
		gate: b.gate, store: b.store, acl: b.acl, pulling: b.pulling, scheduler: b.scheduler, barrier: newBarrier(),
		limits: b.limits, logger: b.logger, closed: make(chan struct{}),
	}
}

// addr is where to listen: "" for in memory.
func (o *Options) addr() (string, error) {
	switch {
	case o.InMemory && o.Addr != "":
		return "", fmt.Errorf("broker: listen on %q: InMemory is set too: leave one of the two out", o.Addr)
	case o.InMemory:
		return "", nil
	case o.Addr == "":
		return "127.0.0.1:0", nil
	}
	return o.Addr, nil
}

// service answers clients that come through a proxy, which they reach at the endpoints.
func (b *Broker) service(through *sessions, at *v2.Endpoints) *service {
	return &service{
		store: b.store, sessions: through, acl: b.acl, pulling: b.pulling, limits: b.limits, endpoints: at, logger: b.logger,
	}
}

// Endpoint gives where the broker is reached, as "host:port"; its routes say the same, unless
// [Options].Advertise is set. For a broker in memory it is a name only: dial with [Broker.Dialer].
func (b *Broker) Endpoint() string { return b.front.endpoint }

// Dialer gives a function that connects to this broker, whatever address it is called with. It
// fits grpc.WithContextDialer, there with a target of scheme "passthrough".
func (b *Broker) Dialer() func(ctx context.Context, addr string) (net.Conn, error) {
	return func(ctx context.Context, _ string) (net.Conn, error) { return b.front.dial(ctx) }
}

// Close ends the broker: connections break, calls that wait end, and no goroutine of the broker is
// left when it returns. What was stored can still be looked at. It may be called again. It returns
// nil, unless there is an [Options].Dir on which not everything could be written.
func (b *Broker) Close() error {
	b.closing.Do(func() {
		b.barrier.close()
		b.front.close()
		if b.sessions != nil { // it was its own proxy
			b.sessions.close()
			b.store.proxies.remove(b.sessions)
		}
		b.scheduler.close()
		if b.closeErr = b.store.diary.close(); b.closeErr != nil {
			b.logger.Error("broker: what happened last may be lost", "error", b.closeErr)
		}
		close(b.closed)
		b.logger.Info("broker: closed", "endpoint", b.front.endpoint)
	})
	return b.closeErr
}
