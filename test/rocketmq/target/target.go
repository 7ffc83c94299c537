package target

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/broker"
)

// createTimeout bounds the creation of a topic or a group.
const createTimeout = 30 * time.Second

// Target is the server of one test.
type Target struct {
	Server
	prefix string // of every name, so that runs against one server do not meet
	last   atomic.Int64
}

// New returns the server of the environment, or an embedded broker that ends with the test.
func New(tb testing.TB) *Target {
	tb.Helper()
	return NewLimited(tb, broker.Limits{})
}

// NewLimited is New with other limits for the embedded broker, such as shorter times.
func NewLimited(tb testing.TB, limits broker.Limits) *Target {
	tb.Helper()
	server, err := FromEnvironment()
	if errors.Is(err, ErrNoServer) {
		server, err = StartEmbedded(broker.Options{Limits: limits})
	}
	require.NoError(tb, err)
	tb.Cleanup(func() { require.NoError(tb, server.Close()) })
	return &Target{Server: server, prefix: Prefix()}
}

// IsReal tells a real server from the embedded broker.
func (g *Target) IsReal() bool { return g.Mode() != Embedded }

// CreateTopic creates a topic of the message type (NORMAL, FIFO, DELAY, TRANSACTION, PRIORITY, LITE)
// with so many queues and returns its name, which is new.
func (g *Target) CreateTopic(tb testing.TB, messageType string, queues int) string {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), createTimeout)
	defer cancel()
	name := g.name(strings.ToLower(messageType))
	require.NoError(tb, g.Server.CreateTopic(ctx, Topic{Name: name, Type: messageType, Queues: queues}))
	return name
}

// CreateGroup creates a consumer group and returns its name, which is new. The server delivers a
// message 1 + retryMaxTimes times before it moves it to the dead letters.
func (g *Target) CreateGroup(tb testing.TB, ordered bool, retryMaxTimes int) string {
	tb.Helper()
	return g.CreateGroupLike(tb, Group{Ordered: ordered, RetryMaxTimes: retryMaxTimes})
}

// CreateGroupLike creates a consumer group as it is described and returns its name, which is new.
func (g *Target) CreateGroupLike(tb testing.TB, group Group) string {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), createTimeout)
	defer cancel()
	group.Name = g.name("group")
	require.NoError(tb, g.Server.CreateGroup(ctx, group))
	return group.Name
}

func (g *Target) name(kind string) string {
	return fmt.Sprintf("%s-%s-%d", g.prefix, kind, g.last.Add(1))
}

// Prefix returns the beginning of names that no other run uses.
func Prefix() string { return "t" + strings.ToLower(rand.Text()[:8]) }
