package broker

import "time"

const (
	// quotaTolerance is what one request may exceed the quota of its group by.
	quotaTolerance = 300
	// maxUnackedLite bounds the deliveries that are extended for a client of lite topics when it
	// asks for more.
	maxUnackedLite = 100
	// liteSubscriptionExpiry is after how many milliseconds without a word about them the
	// subscriptions of a client are forgotten.
	liteSubscriptionExpiry = int64(3 * time.Minute / time.Millisecond)
)

// DefaultLiteQuota is the number of lite topics that one client of a group may subscribe to, as
// on the server.
const DefaultLiteQuota = 2000

// LiteBinding makes a group one of lite topics: its clients subscribe to lite topics of one parent
// topic by name, each client to its own. A lite topic comes into being with the first message that
// is sent to it, or the first subscription. Each is a queue by itself, which the group takes in
// order.
type LiteBinding struct {
	// Topic is the parent, of type [Lite]. If "", the group is one of ordinary topics.
	Topic string

	// Exclusive lets the client that subscribes last take a lite topic from the others of its
	// group, which are told so. Otherwise they share it: each delivery goes to one of them.
	Exclusive bool

	// ResetOnTakeover lets a lite topic that was taken from another client be read from its
	// beginning; ResetOnUnsubscribe one that a client has unsubscribed from, when next read.
	ResetOnTakeover, ResetOnUnsubscribe bool

	// Wildcard lets every client of the group that announces its subscriptions read all lite topics
	// of the parent. It cannot subscribe to single ones.
	Wildcard bool

	// Quota bounds the lite topics that one client may subscribe to: DefaultLiteQuota if 0. The
	// client holds to it by itself; the broker refuses a request that names over 300 more.
	Quota int
}

// isLite tells whether the group is one of lite topics.
func (g *Group) isLite() bool { return g.Lite.Topic != "" }

func (g *Group) normalizeLite() error {
	l := &g.Lite
	switch {
	case l.Topic == "" && *l != LiteBinding{}:
		return &ConfigError{"group", g.Name, "a lite binding needs its parent topic"}
	case l.Quota < 0:
		return &ConfigError{"group", g.Name, "the quota of lite topics must not be negative"}
	case l.Topic != "" && checkTopic(l.Topic) != nil:
		return &ConfigError{"group", g.Name, checkTopic(l.Topic).Error()}
	}
	if l.Quota == 0 {
		l.Quota = DefaultLiteQuota
	}
	return nil
}
