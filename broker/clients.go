package broker

import (
	"cmp"
	"slices"
	"time"
)

// Client is what a client has said of itself in its settings, and whether it can be reached.
type Client struct {
	ID        string
	Type      string   // the server's name, such as "PUSH_CONSUMER"
	Group     string   // of a consumer; "" of a producer
	Topics    []string // those that it sends to, or subscribes to
	Connected bool     // it has a telemetry stream
	LastSeen  time.Time
}

// Clients lists, by id, the clients that have sent their settings and are not forgotten yet; see
// [Limits].ClientExpiry.
func (b *Broker) Clients() []Client {
	var all []Client
	for _, proxy := range b.store.proxies.list() {
		all = append(all, proxy.clients()...)
	}
	slices.SortFunc(all, func(a, b Client) int { return cmp.Compare(a.ID, b.ID) })
	return all
}

// clients gives those that have a session here.
func (s *sessions) clients() []Client {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]Client, 0, len(s.by))
	for _, c := range s.by {
		all = append(all, c.describe())
	}
	return all
}

func (c *session) describe() Client {
	told := Client{
		ID: c.client, Type: c.settings.GetClientType().String(), Group: c.settings.GetSubscription().GetGroup().GetName(),
		Connected: c.out != nil, LastSeen: time.UnixMilli(c.seen),
	}
	for _, t := range c.settings.GetPublishing().GetTopics() {
		told.Topics = append(told.Topics, t.GetName())
	}
	for _, e := range c.settings.GetSubscription().GetSubscriptions() {
		told.Topics = append(told.Topics, e.GetTopic().GetName())
	}
	slices.Sort(told.Topics)
	return told
}

// Connections counts the open connections, those included on which nothing has been said.
func (b *Broker) Connections() int { return b.front.connections() }
