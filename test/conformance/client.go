package conformance

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/types/known/durationpb"
)

const (
	callTimeout       = 40 * time.Second // of a call that does not wait for a message, on a machine that is busy
	heartbeatInterval = 10 * time.Second
	clientVersion     = "5.1.0"
)

// Client is a client of the protocol with an id of its own. Each method makes one call; a gRPC
// error, where the protocol promises a status in the response, fails the row.
type Client struct {
	e        *Env
	rpc      v2.MessagingServiceClient
	id       string
	version  string
	language string
	signed   map[string]string // the headers of a signature
	lapses   int               // receives that the server may leave without an answer, to be repeated
}

// Client returns a client that has told the server nothing.
func (e *Env) Client() *Client {
	return &Client{
		e: e, rpc: v2.NewMessagingServiceClient(patient{e.conn}), id: e.Name("client"),
		version: clientVersion, language: "GO",
	}
}

// Consumer returns a simple consumer of the group: its settings are sent, and its heartbeats go
// on until the row ends. It may receive from any topic.
func (e *Env) Consumer(group string) *Client {
	c := e.Client()
	c.Settle(consumerSettings(v2.ClientType_SIMPLE_CONSUMER, group))
	require.Equal(e, v2.Code_OK, c.Heartbeat(group).GetCode())
	ctx, cancel := context.WithCancel(c.ctx())
	var beating sync.WaitGroup
	beating.Go(func() { c.beat(ctx, group) })
	e.Cleanup(func() {
		cancel()
		beating.Wait()
	})
	return c
}

// beat sends heartbeats until ctx ends.
func (c *Client) beat(ctx context.Context, group string) {
	ticker := time.NewTicker(heartbeatInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			_, err := c.rpc.Heartbeat(ctx, heartbeatOf(group))
			if err != nil && ctx.Err() == nil {
				c.e.Errorf("Error: heartbeat of %s: %v", c.id, err)
			}
		}
	}
}

// ctx returns the row's context with the client's metadata.
func (c *Client) ctx() context.Context {
	md := metadata.Pairs("x-mq-client-version", c.version, "x-mq-protocol", "v2")
	if c.id != "" {
		md.Set("x-mq-client-id", c.id)
	}
	if c.language != "" {
		md.Set("x-mq-language", c.language)
	}
	for header, value := range c.signed {
		md.Set(header, value)
	}
	return metadata.NewOutgoingContext(c.e.ctx, md)
}

// short returns ctx with the timeout of a call that does not wait.
func (c *Client) short() (context.Context, context.CancelFunc) {
	return context.WithTimeout(c.ctx(), callTimeout)
}

// Settle sends settings on a telemetry stream, which stays open until the row ends, and returns
// the settings that the server answers.
func (c *Client) Settle(s *v2.Settings) *v2.Settings {
	stream, err := c.Telemetry(settingsCommand(s))
	require.NoError(c.e, err)
	command, err := stream.Recv()
	require.NoError(c.e, err)
	require.Equal(c.e, v2.Code_OK, command.GetStatus().GetCode(), "status of the settings: %v", command.GetStatus())
	return command.GetSettings()
}

// Telemetry opens a stream that lasts until the row ends and sends the commands on it.
func (c *Client) Telemetry(commands ...*v2.TelemetryCommand) (v2.MessagingService_TelemetryClient, error) {
	ctx, cancel := context.WithCancel(c.ctx())
	stream, err := c.rpc.Telemetry(ctx)
	if err != nil {
		cancel()
		return nil, err
	}
	c.e.Cleanup(func() {
		cancel()
		drain(stream)
	})
	for _, command := range commands {
		// io.EOF is the stream's end by the server; what it was is for Recv to tell.
		if sendErr := stream.Send(command); sendErr != nil && !errors.Is(sendErr, io.EOF) {
			return nil, sendErr
		}
	}
	return stream, nil
}

// drain reads the stream to its end, so that nothing of it is left behind.
func drain(stream v2.MessagingService_TelemetryClient) {
	for {
		if _, err := stream.Recv(); err != nil {
			return
		}
	}
}

// Heartbeat returns the status of a heartbeat for a group.
func (c *Client) Heartbeat(group string) *v2.Status {
	ctx, cancel := c.short()
	defer cancel()
	resp, err := c.rpc.Heartbeat(ctx, heartbeatOf(group))
	require.NoError(c.e, err)
	return resp.GetStatus()
}

// Terminate returns the status of the client's farewell.
func (c *Client) Terminate(group string) *v2.Status {
	ctx, cancel := c.short()
	defer cancel()
	req := &v2.NotifyClientTerminationRequest{}
	if group != "" {
		req.Group = resource(group)
	}
	resp, err := c.rpc.NotifyClientTermination(ctx, req)
	require.NoError(c.e, err)
	return resp.GetStatus()
}

// Route returns the answer to a query for a topic's route.
func (c *Client) Route(topic string) *v2.QueryRouteResponse {
	ctx, cancel := c.short()
	defer cancel()
	resp, err := c.rpc.QueryRoute(ctx, &v2.QueryRouteRequest{Topic: resource(topic), Endpoints: c.e.endpoints()})
	require.NoError(c.e, err)
	return resp
}

// Assignment returns the answer to a query for a group's queues of a topic.
func (c *Client) Assignment(group, topic string) *v2.QueryAssignmentResponse {
	ctx, cancel := c.short()
	defer cancel()
	resp, err := c.rpc.QueryAssignment(ctx, &v2.QueryAssignmentRequest{
		Topic: resource(topic), Group: resource(group), Endpoints: c.e.endpoints(),
	})
	require.NoError(c.e, err)
	return resp
}

func resource(name string) *v2.Resource { return &v2.Resource{Name: name} }

func heartbeatOf(group string) *v2.HeartbeatRequest {
	req := &v2.HeartbeatRequest{ClientType: v2.ClientType_SIMPLE_CONSUMER}
	if group != "" {
		req.Group = resource(group)
	}
	return req
}

func settingsCommand(s *v2.Settings) *v2.TelemetryCommand {
	return &v2.TelemetryCommand{Command: &v2.TelemetryCommand_Settings{Settings: s}}
}

func producerSettings(topics ...string) *v2.Settings {
	publishing := &v2.Publishing{}
	for _, topic := range topics {
		publishing.Topics = append(publishing.Topics, resource(topic))
	}
	return &v2.Settings{
		ClientType:     v2.ClientType_PRODUCER.Enum(),
		RequestTimeout: durationpb.New(3 * time.Second),
		PubSub:         &v2.Settings_Publishing{Publishing: publishing},
	}
}

func consumerSettings(kind v2.ClientType, group string) *v2.Settings {
	return &v2.Settings{
		ClientType:     kind.Enum(),
		RequestTimeout: durationpb.New(3 * time.Second),
		PubSub:         &v2.Settings_Subscription{Subscription: &v2.Subscription{Group: resource(group)}},
	}
}
