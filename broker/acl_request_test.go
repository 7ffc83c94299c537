package broker_test

import (
	"context"
	"errors"
	"io"
	"slices"
	"testing"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/rocketflow-io/rocketflow/broker"
)

type asker = func(ctx context.Context) (interface{ GetStatus() *v2.Status }, error)

// requests gives a request of each kind, by group G and for topic N.
func (r *rig) requests() map[string]asker {
	topic, group := resource("N"), resource("G")
	queue := &v2.MessageQueue{Topic: topic}
	type status = interface{ GetStatus() *v2.Status }
	return map[string]asker{
		"route": func(ctx context.Context) (status, error) {
			return r.stub.QueryRoute(ctx, &v2.QueryRouteRequest{Topic: topic})
		},
		"send": func(ctx context.Context) (status, error) {
			return r.stub.SendMessage(ctx, &v2.SendMessageRequest{Messages: []*v2.Message{message("N", "m", "body")}})
		},
		"end": func(ctx context.Context) (status, error) {
			return r.stub.EndTransaction(ctx, &v2.EndTransactionRequest{Topic: topic, TransactionId: "t"})
		},
		"recall": func(ctx context.Context) (status, error) {
			return r.stub.RecallMessage(ctx, &v2.RecallMessageRequest{Topic: topic})
		},
		"heartbeat": func(ctx context.Context) (status, error) {
			return r.stub.Heartbeat(ctx, &v2.HeartbeatRequest{Group: group, ClientType: v2.ClientType_PUSH_CONSUMER})
		},
		"heartbeat of a producer": func(ctx context.Context) (status, error) {
			return r.stub.Heartbeat(ctx, &v2.HeartbeatRequest{ClientType: v2.ClientType_PRODUCER})
		},
		"termination": func(ctx context.Context) (status, error) {
			return r.stub.NotifyClientTermination(ctx, &v2.NotifyClientTerminationRequest{Group: group})
		},
		"termination of a producer": func(ctx context.Context) (status, error) {
			return r.stub.NotifyClientTermination(ctx, &v2.NotifyClientTerminationRequest{})
		},
		"assignment": func(ctx context.Context) (status, error) {
			return r.stub.QueryAssignment(ctx, &v2.QueryAssignmentRequest{Topic: topic, Group: group})
		},
		"ack": func(ctx context.Context) (status, error) {
			return r.stub.AckMessage(ctx, &v2.AckMessageRequest{Topic: topic, Group: group})
		},
		"forward": func(ctx context.Context) (status, error) {
			return r.stub.ForwardMessageToDeadLetterQueue(ctx, &v2.ForwardMessageToDeadLetterQueueRequest{Topic: topic, Group: group})
		},
		"change": func(ctx context.Context) (status, error) {
			return r.stub.ChangeInvisibleDuration(ctx, &v2.ChangeInvisibleDurationRequest{
				Topic: topic, Group: group, InvisibleDuration: durationpb.New(0)})
		},
		"lite": func(ctx context.Context) (status, error) {
			return r.stub.SyncLiteSubscription(ctx, &v2.SyncLiteSubscriptionRequest{Topic: topic, Group: group, LiteTopicSet: []string{"l"}})
		},
		"lite, nothing": func(ctx context.Context) (status, error) {
			return r.stub.SyncLiteSubscription(ctx, &v2.SyncLiteSubscriptionRequest{Topic: topic, Group: group})
		},
		"receive": func(ctx context.Context) (status, error) {
			all, err := r.frames(ctx, r.request("G", "N"))
			return all[0], err
		},
		"pull": func(ctx context.Context) (status, error) {
			stream, err := r.stub.PullMessage(ctx, &v2.PullMessageRequest{Group: group, MessageQueue: queue})
			r.NoError(err)
			answer, err := stream.Recv()
			r.NoError(err)
			_, end := stream.Recv()
			r.ErrorIs(end, io.EOF)
			return answer, err
		},
		"update offset": func(ctx context.Context) (status, error) {
			return r.stub.UpdateOffset(ctx, &v2.UpdateOffsetRequest{Group: group, MessageQueue: queue})
		},
		"get offset": func(ctx context.Context) (status, error) {
			return r.stub.GetOffset(ctx, &v2.GetOffsetRequest{Group: group, MessageQueue: queue})
		},
		"query offset": func(ctx context.Context) (status, error) {
			return r.stub.QueryOffset(ctx, &v2.QueryOffsetRequest{MessageQueue: queue})
		},
		"settings of a producer": func(ctx context.Context) (status, error) {
			return r.tell(ctx, &v2.Settings{PubSub: &v2.Settings_Publishing{Publishing: &v2.Publishing{Topics: []*v2.Resource{topic}}}})
		},
		"settings of a consumer": func(ctx context.Context) (status, error) {
			settings := consumer("G")
			settings.GetSubscription().Subscriptions = []*v2.SubscriptionEntry{{Topic: topic}}
			return r.tell(ctx, settings)
		},
	}
}

func TestACL_WantsAPolicyForAllThatARequestDoes(t *testing.T) {
	send, read, group := allow("Topic:N", broker.Publish), allow("Topic:N", broker.Subscribe), allow("Group:G", broker.Subscribe)
	tests := map[string][]broker.Policy{
		"send": {send}, "end": {send}, "recall": {send}, "settings of a producer": {send},
		"heartbeat": {group}, "termination": {group}, "change": {group},
		"assignment": {group, read}, "ack": {group, read}, "forward": {group, read}, "receive": {group, read}, "lite": {group, read},
		"pull": {group, read}, "update offset": {group, read}, "get offset": {group, read}, "settings of a consumer": {group, read},
		"query offset": {read},

		"heartbeat of a producer": {}, "termination of a producer": {}, "lite, nothing": {},
	}
	guarded(t, func(r *rig) {
		requests := r.requests()
		delete(requests, "route") // which either action will do for
		r.Len(tests, len(requests))
		for name, policies := range tests {
			for i, left := range policies {
				r.NoError(r.broker.SetUser(alice(slices.Delete(slices.Clone(policies), i, i+1)...)))
				st := r.asAlice(requests[name])
				r.Equal(v2.Code_UNAUTHORIZED, st.GetCode(), "%s without %v: %v", name, left, st)
				r.Equal("User:alice has no permission to access "+left.Resource+" from 127.0.0.1, no matched policies.", st.GetMessage())
			}
			r.NoError(r.broker.SetUser(alice(policies...)))
			r.NotEqual(v2.Code_UNAUTHORIZED, r.asAlice(requests[name]).GetCode(), "%s with %v", name, policies)
		}
	})
}

func TestACL_LetsWhoSendsAndWhoReadsAskForTheRoute(t *testing.T) {
	guarded(t, func(r *rig) {
		ask := r.requests()["route"]
		for _, action := range []broker.PolicyAction{broker.Publish, broker.Subscribe, broker.AllActions, "pub"} {
			r.NoError(r.broker.SetUser(alice(allow("Topic:N", action))))
			r.Equal(v2.Code_OK, r.asAlice(ask).GetCode(), action)
		}
		r.NoError(r.broker.SetUser(alice(allow("Group:N", broker.AllActions))))
		r.Equal(v2.Code_UNAUTHORIZED, r.asAlice(ask).GetCode())
	})
}

func TestACL_RefusesWhatNamesNothing(t *testing.T) {
	tests := map[string]struct {
		ask  func(r *rig) (interface{ GetStatus() *v2.Status }, error)
		text string
	}{
		"route": {func(r *rig) (interface{ GetStatus() *v2.Status }, error) { return r.stub.QueryRoute(r.ctx, nil) }, "topic is null."},
		"send":  {func(r *rig) (interface{ GetStatus() *v2.Status }, error) { return r.stub.SendMessage(r.ctx, nil) }, "message is null."},
		"ack":   {func(r *rig) (interface{ GetStatus() *v2.Status }, error) { return r.stub.AckMessage(r.ctx, nil) }, "group is null."},
		"receive": {func(r *rig) (interface{ GetStatus() *v2.Status }, error) {
			all, err := r.frames(r.ctx, &v2.ReceiveMessageRequest{Group: resource("G")})
			r.Len(all, 1)
			return all[0], err
		}, "messageQueue is null."},
	}
	guarded(t, func(r *rig) {
		for name, test := range tests {
			answer, err := test.ask(r)
			r.NoError(err)
			r.Equal(v2.Code_UNAUTHORIZED, answer.GetStatus().GetCode(), name)
			r.Equal(test.text, answer.GetStatus().GetMessage(), name)
		}
	})
}

func TestACL_EndsATelemetryStreamInBand(t *testing.T) {
	guarded(t, func(r *rig) {
		stream, err := r.stub.Telemetry(as("stranger"))
		r.NoError(err)
		r.NoError(stream.Send(&v2.TelemetryCommand{Command: &v2.TelemetryCommand_Settings{Settings: consumer("G")}}))
		answer, err := stream.Recv()
		r.NoError(err)
		r.Equal(v2.Code_UNAUTHORIZED, answer.GetStatus().GetCode())
		r.Equal("username cannot be null.", answer.GetStatus().GetMessage())
		r.Nil(answer.GetCommand())
		_, err = stream.Recv()
		r.True(errors.Is(err, io.EOF), "end of the stream: %v", err)
		st, err := r.stub.Heartbeat(signedBy("root", "toor"), &v2.HeartbeatRequest{})
		r.NoError(err)
		r.Equal(v2.Code_UNRECOGNIZED_CLIENT_TYPE, st.GetStatus().GetCode(), "a session was made")
	})
}
