package broker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
)

// A member is a broker of a cluster over its life.
type member struct {
	name string
	// What follows is guarded by the cluster's mu.
	broker  *Broker // the one that runs, or has run last
	listed  listing
	removed bool // it stays among the members for as long as it is listed
}

// A listing is whether the proxies' routes have a broker. It changes some time after it should.
type listing struct {
	on, before bool
	since      int64 // when on holds from, in Unix milliseconds
}

func (l listing) at(now int64) bool {
	if now >= l.since {
		return l.on
	}
	return l.before
}

// set changes the listing after a delay.
func (l *listing) set(on bool, delay time.Duration) {
	now := nowMillis()
	*l = listing{on: on, before: l.at(now), since: now + delay.Milliseconds()}
}

// addBroker makes a broker, which is in the routes after a delay.
func (c *Cluster) addBroker(name string, delay time.Duration) error {
	if isBlank(name) || !isName(name) {
		return fmt.Errorf("broker: add broker %q: the name must be letters, digits, - and _", name)
	}
	c.changing.Lock()
	defer c.changing.Unlock()
	number, err := c.number("broker " + strconv.Quote(name))
	if err != nil {
		return err
	}
	if _, err := c.member(name); err == nil {
		return fmt.Errorf("%w: broker %q", ErrExists, name)
	}
	b, err := c.open(name, net.JoinHostPort(pseudoHost, strconv.Itoa(10911+10*number)))
	if err != nil {
		return err
	}
	if err := c.run(b, "", pseudo(number)); err != nil {
		return err
	}
	m := &member{name: name, broker: b}
	m.listed.set(true, delay)
	c.mu.Lock()
	defer c.mu.Unlock()
	i, found := c.findLocked(name)
	if found { // one that was removed
		m.listed.before = c.members[i].listed.at(nowMillis())
		c.members[i] = m
		return nil
	}
	c.members = slices.Insert(c.members, i, m)
	return nil
}

// open makes a broker that nobody can reach yet, with what a broker of its name has kept.
func (c *Cluster) open(name, storeHost string) (*Broker, error) {
	opts := c.described()
	if opts.Dir != "" {
		opts.Dir = filepath.Join(opts.Dir, name)
	}
	b, err := newBroker(opts)
	if err != nil {
		return nil, err
	}
	if opts.Dir != "" {
		c.learn(b)
	}
	b.gate, b.acl, b.store.name, b.store.storeHost = c.gate, c.acl, name, storeHost
	return b, nil
}

// learn lets the brokers to come have the topics and groups too that a broker has kept.
func (c *Cluster) learn(b *Broker) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, t := range b.Topics() {
		known := slices.ContainsFunc(c.topics, func(other Topic) bool { return other.Name == t.Name })
		if !known && !strings.HasPrefix(t.Name, "%") && checkTopic(t.Name) == nil { // else it makes itself
			c.topics = append(c.topics, t)
		}
	}
	for _, g := range b.Groups() {
		if !slices.ContainsFunc(c.groups, func(other Group) bool { return other.Name == g.Name }) {
			c.groups = append(c.groups, g.asDeclared())
		}
	}
}

// number gives the number of a broker or proxy that is to be added, from 1.
func (c *Cluster) number(what string) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return 0, fmt.Errorf("broker: add %s: the cluster is closed", what)
	}
	c.made++
	return c.made, nil
}

// described gives the options of a broker, with all topics and groups that are to exist.
func (c *Cluster) described() Options {
	c.mu.RLock()
	defer c.mu.RUnlock()
	opts := c.opts.Options
	opts.Topics, opts.Groups = slices.Clone(c.topics), slices.Clone(c.groups)
	return opts
}

// run lets a broker serve, in mode ProxyLocal at an endpoint as openFront does. Only who holds changing
// calls it.
func (c *Cluster) run(b *Broker, endpoint, name string) error {
	if c.opts.Mode == ProxyCluster {
		b.front = &front{endpoint: c.access.endpoint, dial: c.dialAccess, logger: c.logger}
		for _, s := range c.runningProxies() {
			b.store.proxies.add(s)
		}
		b.store.diary.start(b.store)
		b.scheduler.start()
		return nil
	}
	f, err := c.openFront(endpoint, name)
	if err != nil {
		return errors.Join(err, b.store.diary.close())
	}
	f.diary = b.store.diary
	b.front = f
	b.store.diary.start(b.store)
	b.answer(c.opts.Options, func(s *service) v2.MessagingServiceServer { return &localProxy{service: s, cluster: c} })
	return nil
}

// openFront listens at an endpoint, or if it is "" at a new one, which is called by the name in memory.
func (c *Cluster) openFront(endpoint, name string) (*front, error) {
	if c.opts.Options.InMemory {
		return openFront("", cmp.Or(endpoint, name), c.gate, c.logger)
	}
	f, err := openFront(cmp.Or(endpoint, "127.0.0.1:0"), "", c.gate, c.logger)
	if err != nil {
		return nil, err
	}
	f.takeFed()
	return f, nil
}

// findLocked finds the place of a broker among the members, by its name.
func (c *Cluster) findLocked(name string) (int, bool) {
	return slices.BinarySearchFunc(c.members, name, func(m *member, name string) int { return cmp.Compare(m.name, name) })
}

// member finds a broker.
func (c *Cluster) member(name string) (*member, error) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	i, ok := c.findLocked(name)
	if !ok || c.members[i].removed {
		return nil, fmt.Errorf("%w: broker %q", ErrNoMember, name)
	}
	return c.members[i], nil
}

// Broker gives a broker by its name, to look at what it stores, be it stopped or not. In mode
// [ProxyCluster] its endpoint and its dialer are those of the access point, and to close it is to stop
// it, as [Cluster.StopBroker] does.
func (c *Cluster) Broker(name string) (*Broker, error) {
	m, err := c.member(name)
	if err != nil {
		return nil, err
	}
	c.mu.RLock()
	defer c.mu.RUnlock()
	return m.broker, nil
}

// listed gives the brokers that are in the routes, by name, whether or not they can be reached.
func (c *Cluster) listed() []*Broker {
	c.mu.RLock()
	defer c.mu.RUnlock()
	now := nowMillis()
	all := make([]*Broker, 0, len(c.members))
	for _, m := range c.members {
		if m.listed.at(now) {
			all = append(all, m.broker)
		}
	}
	return all
}

// doors gives the endpoints of the cluster.
func (c *Cluster) doors() []door {
	c.mu.RLock()
	defer c.mu.RUnlock()
	var all []door
	if c.opts.Mode == ProxyCluster {
		for _, p := range c.proxies {
			all = append(all, doorOf(p.endpoint, p.front, !p.sessions.ended()))
		}
		return all
	}
	for _, m := range c.members {
		if !m.removed {
			all = append(all, doorOf(m.broker.front.endpoint, m.broker.front, m.broker.barrier.open.Err() == nil))
		}
	}
	return all
}

func doorOf(endpoint string, f *front, open bool) door {
	if !open {
		f = nil
	}
	return door{endpoint, f}
}

// runningProxies gives the sessions of the proxies that run.
func (c *Cluster) runningProxies() []*sessions {
	c.mu.RLock()
	defer c.mu.RUnlock()
	var all []*sessions
	for _, p := range c.proxies {
		if !p.sessions.ended() {
			all = append(all, p.sessions)
		}
	}
	return all
}

// dialAccess connects to the access point.
func (c *Cluster) dialAccess(ctx context.Context) (net.Conn, error) {
	return c.access.dial(ctx, c.access.endpoint)
}
