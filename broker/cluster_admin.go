package broker

import (
	"errors"
	"fmt"
	"slices"
)

// AddBroker lets another broker serve, with all topics and groups that were created in the cluster,
// and nothing in them but what a broker of that name has kept in [Options].Dir. Its name is of letters,
// digits, - and _. AddBroker fails with [ErrExists] if there is a broker of that name.
func (c *Cluster) AddBroker(name string) error { return c.addBroker(name, c.opts.RouteRefresh) }

// StopBroker makes a broker unreachable, as though its machine had failed: what waits at it ends, and
// until routes say so some requests are still given to it, and fail. It keeps what it stored. To stop
// one that is stopped does nothing. StopBroker fails with [ErrNoMember].
func (c *Cluster) StopBroker(name string) error { return c.stopBroker(name, false) }

// RemoveBroker stops a broker for good: what it stored is gone with it, but for what is in [Options].Dir.
// It fails with [ErrNoMember].
func (c *Cluster) RemoveBroker(name string) error { return c.stopBroker(name, true) }

func (c *Cluster) stopBroker(name string, forever bool) error {
	c.changing.Lock()
	defer c.changing.Unlock()
	m, err := c.member(name)
	if err != nil {
		return err
	}
	err = m.broker.Close()
	c.mu.Lock()
	defer c.mu.Unlock()
	m.removed = forever
	m.listed.set(false, c.opts.RouteRefresh)
	return err
}

// StartBroker starts a broker that was stopped, with what it had stored, and at its old endpoint. What
// has become due in the meantime happens now. To start one that runs does nothing. StartBroker fails
// with [ErrNoMember], if its directory cannot be read, or if in mode [ProxyLocal] the endpoint cannot be
// listened at.
func (c *Cluster) StartBroker(name string) error {
	c.changing.Lock()
	defer c.changing.Unlock()
	m, err := c.member(name)
	if err != nil {
		return err
	}
	if m.broker.barrier.open.Err() == nil {
		return nil
	}
	b, err := c.again(m)
	if err != nil {
		return err
	}
	if err := c.run(b, m.broker.front.endpoint, ""); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	m.broker = b
	m.listed.set(true, c.opts.RouteRefresh)
	return nil
}

// again gives a broker that stores what a stopped one did: what is in its directory, if it has one.
func (c *Cluster) again(m *member) (*Broker, error) {
	if c.opts.Options.Dir == "" {
		return m.broker.again(), nil
	}
	return c.open(m.name, m.broker.store.storeHost)
}

// CreateTopic makes a topic on every broker, with as many queues on each, and on those to come. It
// fails as [Broker.CreateTopic] does.
func (c *Cluster) CreateTopic(t Topic) error {
	return c.create(func(s *store) error { return s.createTopic(t) }, func() { c.topics = append(c.topics, t) })
}

// CreateGroup makes a consumer group on every broker, and on those to come. It fails as
// [Broker.CreateGroup] does.
func (c *Cluster) CreateGroup(g Group) error {
	return c.create(func(s *store) error { return s.createGroup(g) }, func() { c.groups = append(c.groups, g) })
}

// create makes something on every broker, and notes it if that has succeeded.
func (c *Cluster) create(in func(*store) error, note func()) error {
	c.changing.Lock()
	defer c.changing.Unlock()
	var errs []error
	for _, b := range c.brokers() {
		err := in(b.store)
		if b.barrier.open.Err() == nil { // else its directory hears of it when it is started again
			err = b.settle(err)
		}
		errs = append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	note()
	return nil
}

// brokers gives all that have not been removed, by name.
func (c *Cluster) brokers() []*Broker {
	c.mu.RLock()
	defer c.mu.RUnlock()
	var all []*Broker
	for _, m := range c.members {
		if !m.removed {
			all = append(all, m.broker)
		}
	}
	return all
}

// AddProxy lets another proxy serve, and gives where it is reached. In mode [ProxyLocal] it fails:
// add a broker.
func (c *Cluster) AddProxy() (endpoint string, err error) {
	if c.opts.Mode == ProxyLocal {
		return "", errors.New("broker: add a proxy: in mode ProxyLocal the brokers are the proxies: add a broker")
	}
	c.changing.Lock()
	defer c.changing.Unlock()
	number, err := c.number("a proxy")
	if err != nil {
		return "", err
	}
	p, err := c.openProxy("", pseudo(number))
	if err != nil {
		return "", err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.proxies = append(c.proxies, p)
	return p.endpoint, nil
}

// StopProxy ends a proxy, as though it had been killed: connections to it break, and what it knew of
// its clients is lost. The access point leads to it no more. To stop one that is stopped does nothing.
// StopProxy fails with [ErrNoMember].
func (c *Cluster) StopProxy(endpoint string) error {
	c.changing.Lock()
	defer c.changing.Unlock()
	p, err := c.proxy(endpoint)
	if err == nil {
		p.stop()
	}
	return err
}

// RemoveProxy ends a proxy for good. It fails with [ErrNoMember].
func (c *Cluster) RemoveProxy(endpoint string) error {
	err := c.StopProxy(endpoint)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.proxies = slices.DeleteFunc(c.proxies, func(p *proxy) bool { return p.endpoint == endpoint })
	return err
}

// StartProxy starts a proxy that was stopped, at its old endpoint. To start one that runs does nothing.
// StartProxy fails with [ErrNoMember], or if the endpoint cannot be listened at.
func (c *Cluster) StartProxy(endpoint string) error {
	c.changing.Lock()
	defer c.changing.Unlock()
	old, err := c.proxy(endpoint)
	if err != nil || !old.sessions.ended() {
		return err
	}
	p, err := c.openProxy(endpoint, endpoint)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.proxies[slices.Index(c.proxies, old)] = p
	return nil
}

// proxy finds a proxy.
func (c *Cluster) proxy(endpoint string) (*proxy, error) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	for _, p := range c.proxies {
		if p.endpoint == endpoint {
			return p, nil
		}
	}
	return nil, fmt.Errorf("%w: proxy %q", ErrNoMember, endpoint)
}
