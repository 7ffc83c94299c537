package broker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"sync"
	"time"
)

// ClusterMode tells how the brokers of a [Cluster] are reached. The zero value is [ProxyCluster].
type ClusterMode int

const (
	// ProxyCluster puts proxies before the brokers. Every proxy reaches every broker, and routes name
	// the proxies as the client that asks has named them: all queues are behind the access point. It is
	// the server's mode CLUSTER.
	ProxyCluster ClusterMode = iota
	// ProxyLocal makes each broker its own proxy, which reaches no other. Routes name for each broker
	// its own endpoint. It is the server's mode LOCAL.
	ProxyLocal
)

// DefaultRouteRefresh is how old the routes of a cluster's proxies are, as on the server.
const DefaultRouteRefresh = 20 * time.Second

// ClusterOptions says what a cluster is like. The zero value is one broker, "broker-a", behind one
// proxy, on free ports of the loopback interface.
type ClusterOptions struct {
	// Options is what each broker is like, and each proxy. Addr and Advertise must be empty: there are
	// several that listen.
	Options Options

	// Mode tells how the brokers are reached.
	Mode ClusterMode

	// Brokers names the brokers, one word each: "broker-a" alone, if there are none.
	Brokers []string

	// Proxies is the number of proxies: 1 if 0. In mode ProxyLocal it must be 0, since the brokers are
	// the proxies.
	Proxies int

	// RouteRefresh is for how long the proxies go by the old route after a broker has come, or gone:
	// DefaultRouteRefresh if 0. In that time a request may be given to a broker that is there no more,
	// and fail.
	RouteRefresh time.Duration
}

// ErrNoMember is why nothing can be done with a broker or proxy: the cluster has none of that name or
// endpoint.
var ErrNoMember = errors.New("broker: no such broker or proxy in the cluster")

// A Cluster is several brokers behind one access point; Close ends all of it. Brokers and proxies can
// be added, stopped, started again and removed while clients work. All methods may be called at any
// time, from any goroutine.
//
// Each topic has queues on every broker, and every broker keeps what it stored while it is stopped:
// then nobody can reach it, and its time stands still. A message of a message group is stored in the
// queue that the group has among those of all brokers, so that the groups move when a broker comes or
// goes. What clients have said of themselves is known to the proxy that heard it, and to no other.
//
// Faults, the log of calls and the users of an ACL are those of the cluster: also [Broker.Inject],
// [Broker.Freeze] and [Broker.SetUser] of one of its brokers are for all. One proxy, or one broker of
// mode ProxyLocal, fails by its endpoint: see [Match], [Cluster.Freeze] and [Cluster.Cut].
type Cluster struct {
	*gate
	opts      ClusterOptions
	logger    *slog.Logger
	acl       *acl       // nil if all are served
	scheduler *scheduler // of the proxies; each broker has its own
	access    *access

	changing sync.Mutex // held while something is added, stopped, started or removed; before mu

	mu      sync.RWMutex // guards what follows; not held while anything starts or ends
	members []*member    // by name
	proxies []*proxy     // in the order of their making; none in mode ProxyLocal
	topics  []Topic      // those that brokers to come will have
	groups  []Group
	made    int // brokers and proxies ever made: each has an address of its own
	closed  bool
}

// StartCluster makes a cluster and lets it serve, until [Cluster.Close]. It fails as [Start] does, or
// if the options contradict each other.
func StartCluster(opts ClusterOptions) (*Cluster, error) {
	if err := opts.normalize(); err != nil {
		return nil, err
	}
	users, err := newACL(opts.Options.ACL)
	if err != nil {
		return nil, err
	}
	sch := newScheduler()
	c := &Cluster{
		gate: newGate(opts.Options, sch), opts: opts, logger: opts.Options.Logger, acl: users, scheduler: sch,
		topics: slices.Clone(opts.Options.Topics), groups: slices.Clone(opts.Options.Groups),
	}
	c.several = true
	if c.access, err = openAccess(opts.Options.InMemory, c.doors); err != nil {
		return nil, err
	}
	sch.start()
	if err := c.start(); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

func (o *ClusterOptions) normalize() error {
	if len(o.Brokers) == 0 {
		o.Brokers = []string{brokerName}
	}
	if o.RouteRefresh <= 0 {
		o.RouteRefresh = DefaultRouteRefresh
	}
	if o.Options.Logger == nil {
		o.Options.Logger = slog.New(slog.DiscardHandler)
	}
	switch {
	case o.Mode != ProxyCluster && o.Mode != ProxyLocal:
		return fmt.Errorf("broker: start a cluster: unknown mode %d", o.Mode)
	case o.Mode == ProxyLocal && o.Proxies != 0:
		return fmt.Errorf("broker: start a cluster of %d proxies: in mode ProxyLocal the brokers are the proxies: leave Proxies 0", o.Proxies)
	case o.Options.Addr != "" || o.Options.Advertise != "":
		return fmt.Errorf("broker: start a cluster at %q: Addr and Advertise must be empty: there are several to listen",
			o.Options.Addr+o.Options.Advertise)
	}
	if o.Mode == ProxyCluster {
		o.Proxies = max(1, o.Proxies)
	}
	return nil
}

func (c *Cluster) start() error {
	for _, name := range c.opts.Brokers {
		if err := c.addBroker(name, 0); err != nil {
			return err
		}
	}
	for range c.opts.Proxies {
		if _, err := c.AddProxy(); err != nil {
			return err
		}
	}
	c.logger.Info("broker: cluster started", "endpoint", c.Endpoint(), "brokers", c.opts.Brokers, "proxies", c.opts.Proxies)
	return nil
}

// Endpoint gives the access point, as "host:port": a connection to it leads to one of the proxies that
// run, to each in turn. For a cluster in memory it is a name only: dial with [Cluster.Dialer].
func (c *Cluster) Endpoint() string { return c.access.endpoint }

// Endpoints gives where each proxy is reached that has not been removed, whether or not it runs; in
// mode [ProxyLocal] each broker. A client may be given several, separated by semicolons.
func (c *Cluster) Endpoints() []string {
	var all []string
	for _, d := range c.doors() {
		all = append(all, d.endpoint)
	}
	return all
}

// Dialer gives a function that connects to the access point, or to the proxy or broker, that has the
// address it is called with. It fits grpc.WithContextDialer, there with a target of scheme
// "passthrough".
func (c *Cluster) Dialer() func(ctx context.Context, addr string) (net.Conn, error) {
	return c.access.dial
}

// Close ends all proxies and brokers. No goroutine of the cluster is left when it returns. It may be
// called again, and returns nil then, as it does the first time unless there is an [Options].Dir in which
// not everything could be written.
func (c *Cluster) Close() error {
	c.changing.Lock()
	defer c.changing.Unlock()
	c.mu.Lock()
	closed := c.closed
	c.closed = true
	members, proxies := slices.Clone(c.members), slices.Clone(c.proxies)
	c.mu.Unlock()
	if closed {
		return nil
	}
	c.access.close()
	for _, p := range proxies {
		p.stop()
	}
	var errs []error
	for _, m := range members {
		errs = append(errs, m.broker.Close())
	}
	c.scheduler.close()
	return errors.Join(errs...)
}
