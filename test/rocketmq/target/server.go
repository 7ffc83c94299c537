// Package target gives a test a RocketMQ server, real or embedded, behind one face.
//
// Which of the two a run is against is told by the environment: with ROCKETMQ_ENDPOINT and
// ROCKETMQ_BROKER it is the real server that they name, without them the embedded broker, started
// in the process. A test made with [New] therefore runs unchanged on both.
package target

import (
	"context"
	"errors"
	"fmt"
	"os"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"github.com/rocketflow-io/rocketflow/test/rocketmq"
	"github.com/rocketflow-io/rocketflow/test/rocketmq/admin"
)

// The modes of a server.
const (
	Embedded = "embedded"
	Local    = string(rocketmq.Local)
	Cluster  = string(rocketmq.Cluster)
)

// Topic describes a topic to create.
type Topic = admin.Topic

// Group describes a consumer group to create.
type Group = admin.Group

// Lite makes a group one of lite topics.
type Lite = admin.Lite

// Exponential is the retry policy of a group.
type Exponential = admin.Exponential

// User describes a user to create.
type User = admin.User

// Policy allows, or denies, a user something.
type Policy = admin.Policy

// Server is a RocketMQ to test against. Topics and groups that it creates stay until it goes.
type Server interface {
	// Mode is Embedded, Local or Cluster.
	Mode() string
	// Endpoint is host:port of its gRPC; empty if it can only be dialled.
	Endpoint() string
	// Dial returns a new connection to it, which the caller closes.
	Dial(creds credentials.TransportCredentials) (*grpc.ClientConn, error)
	// Guarded tells whether the server serves users alone.
	Guarded() bool
	// CreateUser creates the user, whom nobody has spoken of yet, with the user's policies. The server
	// must be guarded.
	CreateUser(ctx context.Context, u User) error
	// CreateTopic creates the topic and returns when its route can be asked for.
	CreateTopic(ctx context.Context, t Topic) error
	// CreateGroup creates the group.
	CreateGroup(ctx context.Context, g Group) error
	// Stored counts the messages that the topic has ever stored and a group can receive. On the real
	// server what was sent counts some milliseconds later.
	Stored(ctx context.Context, topic string) (int64, error)
	// Backlog counts the topic's messages that the group has not passed, those that wait to be
	// delivered again included. On the real server a group that is not ordered passes a message
	// when it is handed out, and what was sent counts some milliseconds later; the embedded broker
	// counts a message until it is acknowledged.
	Backlog(ctx context.Context, group, topic string) (int64, error)
	// StackTrace asks a consumer of the group, through the server, what its threads are doing.
	StackTrace(ctx context.Context, group, client string) (string, error)
	// Verify has a consumer of the group consume a message that was received from the topic, outside
	// of any delivery, and tells whether it has.
	Verify(ctx context.Context, group, client string, m *v2.Message) (bool, error)
	// WithoutRecall returns a server that recalls no message until restore is called: this one, or
	// another like it.
	WithoutRecall(ctx context.Context) (server Server, restore func() error, err error)
	// Restart stops the server in an orderly way, starts it again and returns when it answers. It
	// fails with ErrNoRestart if it cannot be restarted.
	Restart(ctx context.Context) error
	// Close ends what the server holds here. It does not stop a real server.
	Close() error
}

// ErrNoServer says that the environment names no real server.
var ErrNoServer = errors.New("no real server in the environment")

// ErrNoRestart says that a server cannot be restarted: it keeps nothing, or is not ours.
var ErrNoRestart = errors.New("the server cannot be restarted")

// FromEnvironment returns the real server that the environment names, or [ErrNoServer].
func FromEnvironment() (Server, error) {
	endpoint, broker := os.Getenv(rocketmq.EndpointVariable), os.Getenv(rocketmq.BrokerVariable)
	names, mode := os.Getenv(rocketmq.NamesrvVariable), os.Getenv(rocketmq.ModeVariable)
	if endpoint == "" && broker == "" {
		return nil, ErrNoServer
	}
	if endpoint == "" || broker == "" || names == "" || mode == "" {
		return nil, fmt.Errorf("target: find the real server: want all of %s, %s, %s and %s in the environment: "+
			"run the test by the command in rocketmq/cmd", rocketmq.EndpointVariable, rocketmq.BrokerVariable,
			rocketmq.NamesrvVariable, rocketmq.ModeVariable)
	}
	return Connect(Real{
		Mode: mode, Endpoint: endpoint, Broker: broker, Names: names,
		Super: rocketmq.Credentials{
			AccessKey: os.Getenv(rocketmq.AccessKeyVariable), Secret: os.Getenv(rocketmq.SecretKeyVariable),
		},
	})
}
