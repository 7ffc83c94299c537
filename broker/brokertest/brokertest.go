// Package brokertest gives a test a broker in one line, which ends with the test:
//
//	b := brokertest.New(t)
//
// That broker is in memory, is reached by its Dialer, and makes topics and groups when they are
// first named. [OnTCP] lets it listen on a free port instead.
//
// In a bubble of testing/synctest, New is called with the bubble's t; what uses the broker there
// must be closed by the bubble's end too.
package brokertest

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/broker"
)

// An Option changes what [New] starts.
type Option func(*broker.Options)

// WithTopics lets topics exist from the start.
func WithTopics(topics ...broker.Topic) Option {
	return func(o *broker.Options) { o.Topics = append(o.Topics, topics...) }
}

// WithGroups lets groups exist from the start.
func WithGroups(groups ...broker.Group) Option {
	return func(o *broker.Options) { o.Groups = append(o.Groups, groups...) }
}

// WithoutAutoCreate lets nothing come into being by being named.
func WithoutAutoCreate() Option {
	return func(o *broker.Options) { o.AutoCreate = false }
}

// OnTCP lets the broker listen on a free port of the loopback interface: not for a bubble.
func OnTCP() Option {
	return func(o *broker.Options) { o.InMemory = false }
}

// With changes anything else.
func With(change func(*broker.Options)) Option { return change }

// New starts a broker that is closed when the test ends. The test fails if it does not start.
func New(tb testing.TB, opts ...Option) *broker.Broker {
	tb.Helper()
	options := broker.Options{InMemory: true, AutoCreate: true}
	for _, change := range opts {
		change(&options)
	}
	b, err := broker.Start(options)
	require.NoError(tb, err)
	tb.Cleanup(func() { require.NoError(tb, b.Close()) })
	return b
}
