// Package brokertest gives a test a broker in one line, which ends with the test:
//
//	b := brokertest.New(t)
//
// That broker is in memory, is reached by its Dialer, and makes topics and groups when they are
// first named. [OnTCP] lets it listen on a free port instead.
//
// If the test fails, its log shows what the broker was asked and what it answered. In any case it
// shows the messages that were received and never settled; with [NewStrict] they fail the test.
// [NewCluster] starts several brokers.
//
// In a bubble of testing/synctest, New is called with the bubble's t; what uses the broker there
// must be closed by the bubble's end too.
package brokertest

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/broker"
)

// The most that a test's log shows.
const (
	maxCalls     = 200
	maxUnsettled = 20
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
//
// What clients say while they are closed is seen if they are closed by then: by the test itself, or
// by a cleanup that was registered after New.
func New(tb testing.TB, opts ...Option) *broker.Broker {
	tb.Helper()
	return start(tb, opts, tb.Log)
}

// NewStrict is as [New], but the test fails if messages were received and are not settled when it
// ends.
func NewStrict(tb testing.TB, opts ...Option) *broker.Broker {
	tb.Helper()
	return start(tb, opts, tb.Error)
}

// NewCluster starts a cluster that is closed when the test ends, as [New] does a broker: opts says what
// brokers and proxies there are, and the options what each is like.
func NewCluster(tb testing.TB, opts broker.ClusterOptions, each ...Option) *broker.Cluster {
	tb.Helper()
	opts.Options = options(opts.Options, each)
	c, err := broker.StartCluster(opts)
	require.NoError(tb, err)
	endWith(tb, c, tb.Log)
	return c
}

// Inject lets a fault happen, in a broker or a cluster, until the test ends. The test fails if it
// cannot be injected.
func Inject(tb testing.TB, b interface {
	Inject(f broker.Fault) (*broker.Injected, error)
}, f broker.Fault) *broker.Injected {
	tb.Helper()
	injected, err := b.Inject(f)
	require.NoError(tb, err)
	return injected
}

// start starts a broker whose unsettled messages are reported by a function.
func start(tb testing.TB, opts []Option, report func(...any)) *broker.Broker {
	tb.Helper()
	b, err := broker.Start(options(broker.Options{}, opts))
	require.NoError(tb, err)
	endWith(tb, b, report)
	return b
}

func options(o broker.Options, changes []Option) broker.Options {
	o.InMemory, o.AutoCreate = true, true
	for _, change := range changes {
		change(&o)
	}
	return o
}

// A server is a broker or a cluster.
type server interface {
	Unsettled() []broker.Unsettled
	Calls(matches ...broker.Match) []broker.Call
	Close() error
}

// endWith closes a server when the test ends, and tells what there is to tell of it.
func endWith(tb testing.TB, s server, report func(...any)) {
	tb.Helper()
	tb.Cleanup(func() {
		tb.Helper()
		if all := s.Unsettled(); len(all) > 0 {
			report(fmt.Sprintf("brokertest: %d messages were received and never settled:\n%s",
				len(all), lines(all[:min(len(all), maxUnsettled)], len(all))))
		}
		if all := s.Calls(); tb.Failed() && len(all) > 0 {
			tb.Logf("brokertest: the broker's latest calls:\n%s", lines(all[max(0, len(all)-maxCalls):], len(all)))
		}
		require.NoError(tb, s.Close())
	})
}

// lines gives what is shown of so many, each on a line.
func lines[T fmt.Stringer](shown []T, of int) string {
	var b strings.Builder
	for _, s := range shown {
		fmt.Fprintf(&b, "\t%v\n", s)
	}
	if of > len(shown) {
		fmt.Fprintf(&b, "\t(%d of %d)\n", len(shown), of)
	}
	return b.String()
}
