package client

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"

	"github.com/rocketflow-io/rocketflow/client/internal/endpoint"
	"github.com/rocketflow-io/rocketflow/client/internal/messageid"
)

// A Client owns what producers and consumers share: the connections, one to each endpoint, the
// routes of topics, and the credentials. It is safe for concurrent use, and must be closed.
type Client struct {
	identity // under which routes are queried

	cfg        config
	properties []byte // encoded
	observer   *observer
	exporter   *exporter
	access     *conn // of the endpoints given to New
	conns      *connPool
	routes     *routeTable
	ids        *messageid.Generator
	host       string

	ctx    context.Context // ended by Close
	cancel context.CancelCauseFunc
	wg     sync.WaitGroup // the goroutines of spawn
	serial atomic.Uint64  // numbers the members, for their client ids

	mu      sync.Mutex // guards what follows
	closed  bool
	members map[*member]func() error // each with what closes its owner
	done    chan struct{}            // closed when Close is through
	outcome error                    // of Close; written before done is closed
}

// New returns a client of the servers behind endpoints: "host:port", or several IP addresses of one
// access point as "10.0.0.1:8081;10.0.0.2:8081". The prefixes http:// and https:// are accepted and
// mean nothing; [WithPlaintext] is what turns TLS off. A missing port is 80.
//
// Nothing is sent before it is needed, so a server that cannot be reached is reported by the first
// call that needs it. New fails with an [*ArgumentError] or [*OptionError] for all that is wrong with
// its arguments.
func New(endpoints string, opts ...Option) (*Client, error) {
	cfg, err := newConfig(opts)
	access, parseErr := endpoint.Parse(endpoints)
	if parseErr != nil {
		err = errors.Join(illegal(nil, "endpoints", "%v: write host:port", parseErr), err)
	}
	if err != nil {
		return nil, err
	}
	host, err := os.Hostname()
	if err != nil {
		host = "localhost" // it is only for people who read the server's list of clients
	}
	c := &Client{
		cfg: cfg, conns: newConnPool(&cfg), ids: messageid.New(), host: host,
		members: make(map[*member]func() error), done: make(chan struct{}),
	}
	c.properties = encodeProperties(cfg.properties)
	c.access = c.conns.conn(access)
	c.routes = &routeTable{client: c, topics: make(map[string]*topicRoute)}
	c.identity = identity{id: c.newClientID(), signer: newSigner(&cfg), timeout: cfg.requestTimeout}
	c.ctx, c.cancel = context.WithCancelCause(context.Background())
	if c.observer, err = newObserver(c); err != nil {
		return nil, err
	}
	c.spawn(c.routes.run)
	if c.exporter = newExporter(c); c.exporter != nil {
		c.spawn(c.exporter.run)
	}
	return c, nil
}

// newClientID makes an id for one producer or consumer, which tells people where it runs.
func (c *Client) newClientID() string {
	var random [8]byte
	_, _ = rand.Read(random[:]) // never fails: it ends the program instead
	return fmt.Sprintf("%s@%d@%d@%s", c.host, os.Getpid(), c.serial.Add(1),
		strconv.FormatUint(binary.BigEndian.Uint64(random[:]), 36))
}

// randomStart gives where a round of queues begins, so that clients which start together do not all
// begin with the same one.
func randomStart() uint32 {
	var random [4]byte
	_, _ = rand.Read(random[:]) // never fails: it ends the program instead
	return binary.BigEndian.Uint32(random[:])
}

func (c *Client) resource(name string) *v2.Resource {
	return &v2.Resource{ResourceNamespace: c.cfg.namespace, Name: name}
}

// spawn runs f in a goroutine that Close waits for, unless the client is closed already. The context
// of f ends when Close has closed all members.
func (c *Client) spawn(f func(context.Context)) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return false
	}
	c.wg.Go(func() { f(c.ctx) })
	return true
}

// join makes m known, so that route refreshes reach it and Close closes its owner.
func (c *Client) join(m *member, closeOwner func() error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return closedError("client")
	}
	c.members[m] = closeOwner
	return nil
}

func (c *Client) leave(m *member) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.members, m)
}

// eachMember calls f with each member, without holding a lock.
func (c *Client) eachMember(f func(*member)) {
	c.mu.Lock()
	members := slices.Collect(maps.Keys(c.members))
	c.mu.Unlock()
	for _, m := range members {
		f(m)
	}
}

// unanswered is the error of a call that was waiting for another's request when ctx ended.
func (c *Client) unanswered(ctx context.Context, what call) error {
	return exchange{op: what.op, target: what.target, endpoint: c.access.name}.interrupted(ctx)
}

func closedError(what string) error { return fmt.Errorf("client: %s is %w", what, ErrClosed) }

// Close closes all producers and consumers of the client, tells the servers that they are gone, and
// closes the connections. It returns when all goroutines of the client have ended: at once when
// nothing is under way, and otherwise when what is under way has ended. It cancels polls, gives messages
// being sent the request timeout, and handlers of push consumers their [WithDrainTimeout]. Calling it
// again waits for the first call and returns its result.
func (c *Client) Close() error {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		<-c.done
		return c.outcome
	}
	c.closed = true
	owners := make([]func() error, 0, len(c.members))
	for _, closeOwner := range c.members {
		owners = append(owners, closeOwner)
	}
	c.mu.Unlock()

	// The order: members first, since they still have to hand back messages and to take their leave;
	// then what serves them; the connections last.
	errs := make([]error, len(owners), len(owners)+2)
	var wg sync.WaitGroup
	for i, closeOwner := range owners {
		wg.Go(func() { errs[i] = closeOwner() })
	}
	wg.Wait()
	c.cancel(ErrClosed)
	c.wg.Wait()
	errs = append(errs, c.observer.close())
	c.outcome = errors.Join(append(errs, c.conns.close())...)
	close(c.done)
	return c.outcome
}
