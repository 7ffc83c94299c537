package client_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/broker"
	"github.com/rocketflow-io/rocketflow/client"
)

// A registry is what one server has been told of the lite topics of one consumer.
type registry struct {
	*commander

	mu     sync.Mutex // guards what follows
	told   []string   // "+A", "-A" and "=A B", in order; with an option, if there is one
	topics map[string]bool
	refuse v2.Code       // 0 for nothing
	delay  time.Duration // before it does what it is told
}

// registers has the server at the address keep a registry.
func (n *network) registers(address string) *registry {
	r := &registry{commander: newCommander(), topics: make(map[string]bool)}
	s := n.at(address)
	s.script(func() { s.lite, s.telemetry = r.sync, r.serve })
	return r
}

func (r *registry) sync(ctx context.Context, q *v2.SyncLiteSubscriptionRequest) (*v2.SyncLiteSubscriptionResponse, error) {
	r.mu.Lock()
	delay := r.delay
	r.mu.Unlock()
	select {
	case <-time.After(delay):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	names := slices.Sorted(slices.Values(q.GetLiteTopicSet()))
	word := strings.Join(names, " ")
	if q.GetOffsetOption() != nil {
		word += " " + strings.ReplaceAll(q.GetOffsetOption().String(), "  ", " ")
	}
	sign := map[v2.LiteSubscriptionAction]string{
		v2.LiteSubscriptionAction_PARTIAL_ADD: "+", v2.LiteSubscriptionAction_PARTIAL_REMOVE: "-",
		v2.LiteSubscriptionAction_COMPLETE_ADD: "=",
	}[q.GetAction()]
	r.told = append(r.told, sign+word)
	if q.GetTopic().GetName() != "parent" || q.GetGroup().GetName() != "G" {
		return &v2.SyncLiteSubscriptionResponse{Status: code(v2.Code_BAD_REQUEST)}, nil
	}
	if r.refuse != 0 {
		return &v2.SyncLiteSubscriptionResponse{Status: code(r.refuse)}, nil
	}
	if sign == "=" {
		clear(r.topics)
	}
	for _, name := range names {
		r.topics[name] = sign != "-"
	}
	return &v2.SyncLiteSubscriptionResponse{Status: ok()}, nil
}

// script changes how the server behaves.
func (r *registry) script(change func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	change()
}

// hears returns what the server has been told since it was last asked.
func (r *registry) hears() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	told := r.told
	r.told = nil
	return told
}

// has returns what the server believes.
func (r *registry) has() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var names []string
	for name, subscribed := range maps.All(r.topics) {
		if subscribed {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return strings.Join(names, " ")
}

func (n *network) liteConsumer(opts ...client.LiteSimpleOption) *client.LiteSimpleConsumer {
	n.Helper()
	c, err := n.client.NewLiteSimpleConsumer("G", "parent", opts...)
	require.NoError(n, err)
	return c
}

// liteQuota has a server lay down limits for lite topics.
func liteQuota(topics, length int32) func(telemetryServer) error {
	return answerSettings(func(s *v2.Settings) *v2.Settings {
		s.GetSubscription().LiteSubscriptionQuota = &topics
		s.GetSubscription().MaxLiteTopicSize = &length
		return s
	})
}

// lite is a parent topic, and groups bound to it.
func lite(o *broker.Options) {
	o.Topics = append(o.Topics, broker.Topic{Name: "parent", Queues: 2, Type: broker.Lite})
	o.Groups = append(o.Groups,
		broker.Group{Name: "L", Lite: broker.LiteBinding{Topic: "parent"}},
		broker.Group{Name: "alone", Lite: broker.LiteBinding{Topic: "parent", Exclusive: true}},
		broker.Group{Name: "twice", RetryMaxTimes: 1, Lite: broker.LiteBinding{Topic: "parent"}},
	)
}

// sendLite sends a message for each body to a lite topic, in order.
func (r *rig) sendLite(liteTopic string, bodies ...string) {
	r.Helper()
	p := r.producer()
	for _, body := range bodies {
		m := message("parent", body)
		m.LiteTopic = liteTopic
		_, err := p.Send(r.Context(), m)
		require.NoError(r, err)
	}
}

func (r *rig) liteConsumer(group string, liteTopics ...string) *client.LiteSimpleConsumer {
	r.Helper()
	c, err := r.client.NewLiteSimpleConsumer(group, "parent")
	require.NoError(r, err)
	for _, name := range liteTopics {
		require.NoError(r, c.SubscribeLite(r.Context(), name))
	}
	return c
}

// receiveLite polls once.
func (r *rig) receiveLite(c *client.LiteSimpleConsumer, invisible time.Duration) []*client.Delivery {
	r.Helper()
	got, err := c.Receive(r.Context(), 32, invisible)
	require.NoError(r, err)
	return got
}

// liteBodies names messages by lite topic and body.
func liteBodies(deliveries []*client.Delivery) []string {
	out := make([]string, len(deliveries))
	for i, d := range deliveries {
		out[i] = fmt.Sprintf("%s/%s", d.LiteTopic, d.Body)
	}
	return out
}
