package broker

import (
	"context"
	"errors"
	"io"
	"math"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
)

// What the server tells all clients.
const (
	producerAttempts     = 3
	receiveBatchSize     = 32
	producerBackoffFirst = 10 * time.Millisecond
	producerBackoffMax   = time.Second
)

type telemetryStream = grpc.BidiStreamingServer[v2.TelemetryCommand, v2.TelemetryCommand]

// Telemetry takes the settings of a client and answers with what holds for it; commands to the
// client go the same way. The end of the stream does not end the session.
func (s *service) Telemetry(stream telemetryStream) error {
	id, err := clientID(stream.Context())
	if err != nil {
		return stream.Send(&v2.TelemetryCommand{Status: statusOf(err)})
	}
	return s.sessions.converse(id, stream, s.admit, s.mergeFor(stream.Context()))
}

// An admission tells which client asks, or why it is not answered at all.
type admission func(ctx context.Context, req any) (client string, err error)

// A merger checks settings and gives them with what the broker decides.
type merger func(sent *v2.Settings) (*v2.Settings, error)

// converse talks with a client until it says no more.
func (s *sessions) converse(id string, stream telemetryStream, admit admission, merge merger) error {
	out := openOutbox(stream.Send)
	err := s.listen(stream, out, admit, merge)
	if s.detach(id, out) && err != nil {
		s.bereft.abandonLite(id) // the client has broken off; what it says of them when it is back holds
	}
	out.close()
	return err
}

// listen reads what a client says, and lets it be answered.
func (s *sessions) listen(stream telemetryStream, out *outbox, admit admission, merge merger) error {
	for {
		command, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		over := false
		apart(func() { over, err = s.hear(stream.Context(), command, out, admit, merge) })
		if over || err != nil {
			return err
		}
	}
}

// hear takes one command of a client. It tells whether that was the last to be listened to.
func (s *sessions) hear(
	ctx context.Context, command *v2.TelemetryCommand, out *outbox, admit admission, merge merger,
) (over bool, err error) {
	id, err := admit(ctx, command)
	if err != nil {
		out.post(&v2.TelemetryCommand{Status: statusOf(err)})
		return true, nil
	}
	settings := command.GetSettings()
	if settings == nil { // the answer to a command, or nothing
		s.commands.answered(id, command)
		return false, nil
	}
	merged, err := merge(settings)
	if err != nil {
		return true, telemetryError(err)
	}
	s.put(id, settings, out)
	out.post(&v2.TelemetryCommand{
		Status: statusOf(nil), Command: &v2.TelemetryCommand_Settings{Settings: merged},
	})
	return false, nil
}

// telemetryError ends the stream: what is wrong with settings has no answer within the protocol.
func telemetryError(err error) error {
	code := codes.Internal
	if r, ok := errors.AsType[*refusal](err); ok && r.code >= 40000 && r.code < 50000 {
		code = codes.InvalidArgument
	}
	return status.Errorf(code, "process client telemetryCommand failed. %v", err)
}

// merge checks settings and gives them with what the broker decides, whatever the client said.
func (s *service) merge(sent *v2.Settings) (*v2.Settings, error) {
	settings := proto.CloneOf(sent)
	settings.Metric = &v2.Metric{}
	switch sent.GetPubSub().(type) {
	case *v2.Settings_Publishing:
		return settings, s.mergePublishing(settings)
	case *v2.Settings_Subscription:
		return settings, s.mergeSubscription(settings)
	}
	return nil, refuse(v2.Code_BAD_REQUEST, "there is no publishing or subscription data in settings")
}

func (s *service) mergePublishing(settings *v2.Settings) error {
	p := settings.GetPublishing()
	for _, topic := range p.GetTopics() {
		if err := checkTopic(topic.GetName()); err != nil {
			return err
		}
	}
	p.MaxBodySize, p.ValidateMessageType = maxBodySize, true
	settings.BackoffPolicy = exponential(producerAttempts, producerBackoffFirst, producerBackoffMax, 2)
	return nil
}

func (s *service) mergeSubscription(settings *v2.Settings) error {
	sub := settings.GetSubscription()
	g, err := s.findGroup(sub.GetGroup(), v2.Code_ILLEGAL_CONSUMER_GROUP)
	if err != nil {
		return err
	}
	if t := settings.GetClientType(); !s.isConsumer(t) {
		return refusef(v2.Code_INTERNAL_SERVER_ERROR, "Client type is not consumer, type: %v", t)
	}
	if err := g.checkConsumer(settings); err != nil {
		return err
	}
	for _, entry := range sub.GetSubscriptions() {
		if err := s.subscribe(g, entry); err != nil {
			return err
		}
	}
	sub.Fifo = new(g.Ordered)
	sub.ReceiveBatchSize = new(int32(receiveBatchSize))
	sub.LongPollingTimeout = durationpb.New(s.limits.MaxPolling)
	sub.LiteSubscriptionQuota = new(int32(min(g.Lite.Quota, math.MaxInt32)))
	sub.MaxLiteTopicSize = new(int32(maxLiteTopic))
	settings.BackoffPolicy = g.policy()
	return nil
}

// isConsumer tells of the clients that the broker lets consume.
func (s *service) isConsumer(t v2.ClientType) bool {
	switch t {
	case v2.ClientType_PUSH_CONSUMER, v2.ClientType_SIMPLE_CONSUMER, v2.ClientType_LITE_PUSH_CONSUMER:
		return true
	case v2.ClientType_PULL_CONSUMER:
		return s.pulling
	}
	return false
}

// checkConsumer refuses a client that is none for the group.
func (g *group) checkConsumer(settings *v2.Settings) error {
	if err := g.checkMode(settings.GetClientType()); err != nil || !g.isLite() {
		return err
	}
	if entries := settings.GetSubscription().GetSubscriptions(); len(entries) > 0 {
		return g.checkBinding(entries[0].GetTopic().GetName())
	}
	return nil
}

// subscribe checks a subscription. From then on the group's statistics have the topic, if it exists.
func (s *service) subscribe(g *group, entry *v2.SubscriptionEntry) error {
	if err := checkTopic(entry.GetTopic().GetName()); err != nil {
		return err
	}
	if checkFilter(entry.GetExpression()) != nil {
		return refuse(v2.Code_ILLEGAL_FILTER_EXPRESSION, "expression format is not correct")
	}
	if t, ok := s.store.topic(entry.GetTopic().GetName()); ok {
		s.store.subscription(g, t)
	}
	return nil
}

// policy is the group's backoff as clients are told of it.
func (g *group) policy() *v2.RetryPolicy {
	if b := g.Backoff; b.Initial > 0 {
		return exponential(g.maxAttempts(), b.Initial, b.Max, b.Multiplier)
	}
	steps := make([]*durationpb.Duration, len(g.Backoff.Steps))
	for i, step := range g.Backoff.Steps {
		steps[i] = durationpb.New(step)
	}
	return &v2.RetryPolicy{
		MaxAttempts: g.maxAttempts(),
		Strategy:    &v2.RetryPolicy_CustomizedBackoff{CustomizedBackoff: &v2.CustomizedBackoff{Next: steps}},
	}
}

func exponential(attempts int32, first, longest time.Duration, multiplier float32) *v2.RetryPolicy {
	return &v2.RetryPolicy{
		MaxAttempts: attempts,
		Strategy: &v2.RetryPolicy_ExponentialBackoff{ExponentialBackoff: &v2.ExponentialBackoff{
			Initial: durationpb.New(first), Max: durationpb.New(longest), Multiplier: multiplier,
		}},
	}
}
