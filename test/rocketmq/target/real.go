package target

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"

	"github.com/rocketflow-io/rocketflow/test/rocketmq"
	"github.com/rocketflow-io/rocketflow/test/rocketmq/admin"
)

// pollInterval is how often a change at the real server is looked for.
const pollInterval = 50 * time.Millisecond

// Real tells where a real server is.
type Real struct {
	Mode     string
	Endpoint string               // host:port of the proxy's gRPC
	Broker   string               // host:port of the broker
	Names    string               // host:port of the name server
	Super    rocketmq.Credentials // of a user who may do everything, if it serves users alone
}

// real is a RocketMQ that runs in other processes.
type real struct {
	mode, endpoint string
	super          rocketmq.Credentials
	broker, names  *admin.Client
	conn           *grpc.ClientConn
	rpc            v2.MessagingServiceClient
}

// Connect returns a real server. It is connected to by the first call.
func Connect(where Real) (Server, error) {
	r := &real{
		mode: where.Mode, endpoint: where.Endpoint, super: where.Super,
		broker: admin.New(where.Broker), names: admin.New(where.Names),
	}
	conn, err := r.Dial(insecure.NewCredentials())
	if err != nil {
		return nil, err
	}
	r.conn, r.rpc = conn, v2.NewMessagingServiceClient(conn)
	return r, nil
}

// Mode implements Server.
func (r *real) Mode() string { return r.mode }

// Endpoint implements Server.
func (r *real) Endpoint() string { return r.endpoint }

// Dial implements Server.
func (r *real) Dial(creds credentials.TransportCredentials) (*grpc.ClientConn, error) {
	return grpc.NewClient(r.endpoint, grpc.WithTransportCredentials(creds))
}

// Close implements Server.
func (r *real) Close() error {
	return errors.Join(r.conn.Close(), r.broker.Close(), r.names.Close())
}

// CreateTopic implements Server. It waits for the name server before it asks the proxy, because
// the proxy remembers for some 20 s that a topic has no route.
func (r *real) CreateTopic(ctx context.Context, t Topic) error {
	if err := r.broker.CreateTopic(ctx, t); err != nil {
		return err
	}
	err := poll(ctx, func() error {
		_, err := r.names.ReadQueues(ctx, t.Name)
		return err
	})
	if err != nil {
		return fmt.Errorf("target: create topic %q: %w", t.Name, err)
	}
	err = poll(ctx, func() error {
		ctx := r.super.Sign(metadata.AppendToOutgoingContext(ctx, "x-mq-client-id", "target"))
		resp, err := r.rpc.QueryRoute(ctx, &v2.QueryRouteRequest{Topic: &v2.Resource{Name: t.Name}})
		if err == nil && resp.GetStatus().GetCode() != v2.Code_OK {
			err = errors.New(resp.GetStatus().String())
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("target: create topic %q: %w", t.Name, err)
	}
	return nil
}

// Guarded implements Server.
func (r *real) Guarded() bool { return r.super.AccessKey != "" }

// CreateUser implements Server.
func (r *real) CreateUser(ctx context.Context, u User) error { return r.broker.CreateUser(ctx, u) }

// CreateGroup implements Server.
func (r *real) CreateGroup(ctx context.Context, g Group) error { return r.broker.CreateGroup(ctx, g) }

// Stored implements Server.
func (r *real) Stored(ctx context.Context, topic string) (int64, error) {
	queues, err := r.names.ReadQueues(ctx, topic)
	if err != nil {
		return 0, err
	}
	var stored int64
	for queue := range queues {
		end, err := r.broker.MaxOffset(ctx, topic, queue)
		if err != nil {
			return 0, err
		}
		stored += end
	}
	return stored, nil
}

// Backlog implements Server.
func (r *real) Backlog(ctx context.Context, group, topic string) (int64, error) {
	queues, err := r.names.ReadQueues(ctx, topic)
	if err != nil {
		return 0, err
	}
	fresh, err := r.broker.Backlog(ctx, group, topic, queues)
	if err != nil {
		return 0, err
	}
	again, err := r.broker.Backlog(ctx, group, retryTopic(group, topic), admin.RetryQueues)
	if err != nil {
		return 0, err
	}
	return fresh + again, nil
}

// retryTopic is where the server puts what it redelivers to a group that is not ordered. It makes
// the topic at the first redelivery and tells the name server of it much later.
func retryTopic(group, topic string) string { return "%RETRY%" + group + "_" + topic }

// WithoutRecall implements Server: the broker is told so while it runs.
func (r *real) WithoutRecall(ctx context.Context) (Server, func() error, error) {
	const property = "recallMessageEnable"
	if err := r.broker.Configure(ctx, property, "false"); err != nil {
		return nil, nil, err
	}
	return r, func() error { return r.broker.Configure(context.WithoutCancel(ctx), property, "true") }, nil
}

// Restart implements Server, if the command in rocketmq/cmd has started it.
func (r *real) Restart(ctx context.Context) error {
	url := os.Getenv(rocketmq.ControlVariable)
	if url == "" {
		return ErrNoRestart
	}
	if err := rocketmq.RequestRestart(ctx, url); err != nil {
		return err
	}
	// Connections that broke with the server are made anew by the next request.
	return errors.Join(r.broker.Close(), r.names.Close())
}

// poll tries until it succeeds, or ctx ends.
func poll(ctx context.Context, try func() error) error {
	for {
		err := try()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", context.Cause(ctx), err)
		case <-time.After(pollInterval):
		}
	}
}

// StackTrace implements Server. The broker knows the consumers of its own proxy alone, which it has
// in mode local.
func (r *real) StackTrace(ctx context.Context, group, client string) (string, error) {
	return r.broker.StackTrace(ctx, group, client)
}

// Verify implements Server, as StackTrace. Where the message lies, the ninth field of its receipt
// handle tells.
func (r *real) Verify(ctx context.Context, group, client string, m *v2.Message) (bool, error) {
	fields := strings.Fields(m.GetSystemProperties().GetReceiptHandle())
	position, err := strconv.ParseInt(fields[len(fields)-1], 10, 64)
	if err != nil {
		return false, fmt.Errorf("target: find message %q: %w", m.GetSystemProperties().GetMessageId(), err)
	}
	return r.broker.Verify(ctx, group, client, m.GetTopic().GetName(), position)
}
