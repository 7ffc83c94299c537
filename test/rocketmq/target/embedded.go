package target

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"github.com/rocketflow-io/rocketflow/broker"
	"github.com/rocketflow-io/rocketflow/test/rocketmq/admin"
)

// embedded is the broker of this project, in this process.
type embedded struct {
	options broker.Options

	mu     sync.Mutex // guards what follows
	broker *broker.Broker
}

// StartEmbedded starts an embedded broker. Close ends it. With the option InMemory it has no
// endpoint and is reached by [Server.Dial] alone, and it fits a bubble of testing/synctest. Recall is
// on, as on the real server that rocketmq/cmd starts. With the option Dir it can be restarted.
func StartEmbedded(o broker.Options) (Server, error) {
	o.Recall = true
	return startEmbedded(o)
}

func startEmbedded(o broker.Options) (*embedded, error) {
	b, err := broker.Start(o)
	if err != nil {
		return nil, fmt.Errorf("target: start the embedded broker: %w", err)
	}
	return &embedded{broker: b, options: o}, nil
}

// WithoutRecall implements Server.
func (s *embedded) WithoutRecall(context.Context) (Server, func() error, error) {
	o := s.options
	o.Recall, o.Dir = false, ""
	other, err := startEmbedded(o)
	if err != nil {
		return nil, nil, err
	}
	return other, other.Close, nil
}

// Restart implements Server: another broker goes on in the directory of this one.
func (s *embedded) Restart(context.Context) error {
	if s.options.Dir == "" {
		return ErrNoRestart
	}
	o := s.options
	if !o.InMemory {
		o.Addr = s.Endpoint()
	}
	if err := s.Close(); err != nil {
		return err
	}
	next, err := startEmbedded(o)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.broker = next.broker
	return nil
}

// running is the broker that runs now.
func (s *embedded) running() *broker.Broker {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.broker
}

// Mode implements Server.
func (s *embedded) Mode() string { return Embedded }

// Close implements Server.
func (s *embedded) Close() error { return s.running().Close() }

// Endpoint implements Server.
func (s *embedded) Endpoint() string {
	if s.options.InMemory {
		return ""
	}
	return s.running().Endpoint()
}

// Dial implements Server.
func (s *embedded) Dial(creds credentials.TransportCredentials) (*grpc.ClientConn, error) {
	return grpc.NewClient("passthrough:///"+s.running().Endpoint(),
		grpc.WithTransportCredentials(creds), grpc.WithContextDialer(s.dial))
}

// Guarded implements Server.
func (s *embedded) Guarded() bool { return s.options.ACL != nil }

// CreateUser implements Server.
func (s *embedded) CreateUser(_ context.Context, u User) error {
	user := broker.User{Name: u.Name, Secret: u.Secret, Disabled: u.Disabled}
	for _, p := range u.Policies {
		policy := broker.Policy{Resource: p.Resource, Deny: p.Deny, Sources: p.Sources}
		for _, action := range p.Actions {
			policy.Actions = append(policy.Actions, broker.PolicyAction(action))
		}
		user.Policies = append(user.Policies, policy)
	}
	return s.running().SetUser(user)
}

// dial connects to the broker that runs now.
func (s *embedded) dial(ctx context.Context, addr string) (net.Conn, error) {
	return s.running().Dialer()(ctx, addr)
}

// CreateTopic implements Server.
func (s *embedded) CreateTopic(_ context.Context, t Topic) error {
	permission := broker.ReadWrite
	switch t.Perm {
	case admin.PermRead:
		permission = broker.ReadOnly
	case admin.PermWrite:
		permission = broker.WriteOnly
	}
	kind, err := messageType(t.Type)
	if err != nil {
		return err
	}
	return s.running().CreateTopic(broker.Topic{Name: t.Name, Queues: max(t.Queues, 1), Type: kind, Permission: permission})
}

// CreateGroup implements Server.
func (s *embedded) CreateGroup(_ context.Context, g Group) error {
	retries := g.RetryMaxTimes
	if retries == 0 {
		retries = -1 // the broker's word for none
	}
	var backoff broker.RetryPolicy
	if g.Retry != nil {
		backoff = broker.RetryPolicy{Initial: g.Retry.Initial, Max: g.Retry.Max, Multiplier: float32(g.Retry.Multiplier)}
	}
	group := broker.Group{Name: g.Name, Ordered: g.Ordered, RetryMaxTimes: retries, Backoff: backoff}
	if l := g.Lite; l != nil {
		group.Lite = broker.LiteBinding{
			Topic: l.Parent, Exclusive: l.Exclusive, ResetOnTakeover: l.ResetOnTakeover,
			ResetOnUnsubscribe: l.ResetOnUnsubscribe, Wildcard: l.Wildcard, Quota: l.Quota,
		}
	}
	return s.running().CreateGroup(group)
}

// Stored implements Server.
func (s *embedded) Stored(_ context.Context, topic string) (int64, error) {
	return int64(len(s.running().Messages(topic))), nil
}

// Backlog implements Server. It is all of the topic for a group that has read nothing, which the
// broker's statistics do not list.
func (s *embedded) Backlog(ctx context.Context, group, topic string) (int64, error) {
	stats, err := s.running().GroupStats(group)
	if err != nil {
		return 0, err
	}
	if progress, ok := stats.Topics[topic]; ok {
		return progress.Backlog, nil
	}
	return s.Stored(ctx, topic)
}

// messageType returns the broker's constant for a message type of the protocol; none is NORMAL.
func messageType(name string) (broker.MessageType, error) {
	if name == "" {
		return broker.Normal, nil
	}
	types := []broker.MessageType{
		broker.Normal, broker.FIFO, broker.Delay, broker.Transaction, broker.Priority, broker.Lite, broker.Mixed,
	}
	i := slices.IndexFunc(types, func(t broker.MessageType) bool { return t.String() == name })
	if i < 0 {
		return 0, fmt.Errorf("target: message type %q: want one of %v", name, types)
	}
	return types[i], nil
}

// StackTrace implements Server.
func (s *embedded) StackTrace(ctx context.Context, _, client string) (string, error) {
	return s.running().StackTrace(ctx, client)
}

// Verify implements Server.
func (s *embedded) Verify(ctx context.Context, _, client string, m *v2.Message) (bool, error) {
	err := s.running().VerifyMessage(ctx, client, m.GetTopic().GetName(), m.GetSystemProperties().GetMessageId())
	if _, failed := errors.AsType[*broker.ClientError](err); failed {
		return false, nil
	}
	return err == nil, err
}
