package broker_test

import (
	"context"
	"io"
	"testing"
	"testing/synctest"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/rocketflow-io/rocketflow/broker"
)

func producer(topics ...string) *v2.Settings {
	p := &v2.Publishing{}
	for _, topic := range topics {
		p.Topics = append(p.Topics, resource(topic))
	}
	return &v2.Settings{
		ClientType: new(v2.ClientType_PRODUCER),
		PubSub:     &v2.Settings_Publishing{Publishing: p},
	}
}

func TestTelemetry_TellsAProducerWhatHolds(t *testing.T) {
	inBubble(t, func(r *rig) {
		sent := producer("N", "missing")
		sent.GetPublishing().MaxBodySize = 7
		sent.BackoffPolicy = &v2.RetryPolicy{MaxAttempts: 99}
		answer, err := r.tell(r.ctx, sent)
		r.NoError(err)
		r.Equal(v2.Code_OK, answer.GetStatus().GetCode())
		settings := answer.GetSettings()
		r.Equal(v2.ClientType_PRODUCER, settings.GetClientType())
		r.EqualValues(4<<20, settings.GetPublishing().GetMaxBodySize())
		r.True(settings.GetPublishing().GetValidateMessageType())
		r.Len(settings.GetPublishing().GetTopics(), 2)
		r.EqualValues(3, settings.GetBackoffPolicy().GetMaxAttempts())
		backoff := settings.GetBackoffPolicy().GetExponentialBackoff()
		r.Equal(10*time.Millisecond, backoff.GetInitial().AsDuration())
		r.Equal(time.Second, backoff.GetMax().AsDuration())
		r.EqualValues(2, backoff.GetMultiplier())
		r.NotNil(settings.GetMetric())
		r.False(settings.GetMetric().GetOn())
	})
}

func TestTelemetry_TellsAConsumerWhatHolds(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.NoError(r.broker.CreateGroup(broker.Group{
			Name: "exponential", RetryMaxTimes: 3, Backoff: broker.RetryPolicy{Initial: 5 * time.Second},
		}))
		sent := consumer("O")
		sent.GetSubscription().Fifo = new(false)
		sent.GetSubscription().ReceiveBatchSize = new(int32(7))
		sent.GetSubscription().LongPollingTimeout = durationpb.New(time.Hour)
		answer, err := r.tell(r.ctx, sent)
		r.NoError(err)
		sub := answer.GetSettings().GetSubscription()
		r.True(sub.GetFifo())
		r.EqualValues(32, sub.GetReceiveBatchSize())
		r.Equal(20*time.Second, sub.GetLongPollingTimeout().AsDuration())
		r.EqualValues(2000, sub.GetLiteSubscriptionQuota())
		r.EqualValues(64, sub.GetMaxLiteTopicSize())
		policy := answer.GetSettings().GetBackoffPolicy()
		r.EqualValues(17, policy.GetMaxAttempts())
		steps := policy.GetCustomizedBackoff().GetNext()
		r.Len(steps, 18)
		r.Equal(time.Second, steps[0].AsDuration())
		r.Equal(2*time.Hour, steps[17].AsDuration())

		answer, err = r.tell(r.ctx, consumer("exponential"))
		r.NoError(err)
		policy = answer.GetSettings().GetBackoffPolicy()
		r.EqualValues(4, policy.GetMaxAttempts())
		r.Equal(5*time.Second, policy.GetExponentialBackoff().GetInitial().AsDuration())
		r.Equal(2*time.Hour, policy.GetExponentialBackoff().GetMax().AsDuration())
		r.False(answer.GetSettings().GetSubscription().GetFifo())
	})
}

func TestTelemetry_EndsTheStreamOfSettingsAtFault(t *testing.T) {
	subscribed := func(topic, expression string, kind v2.FilterType) *v2.Settings {
		s := consumer("G")
		s.GetSubscription().Subscriptions = []*v2.SubscriptionEntry{{
			Topic: resource(topic), Expression: &v2.FilterExpression{Type: kind, Expression: expression},
		}}
		return s
	}
	ofKind := func(kind v2.ClientType) *v2.Settings {
		s := consumer("G")
		s.ClientType = &kind
		return s
	}
	tests := map[string]struct {
		settings *v2.Settings
		code     codes.Code
		text     string
	}{
		"nothing at all":      {&v2.Settings{}, codes.InvalidArgument, "there is no publishing or subscription data in settings"},
		"system topic":        {producer("TBW102"), codes.InvalidArgument, "cannot access system topic"},
		"blank group":         {consumer(""), codes.InvalidArgument, "the specified group is blank"},
		"unknown group":       {consumer("X"), codes.InvalidArgument, "group not found: X"},
		"puller":              {ofKind(v2.ClientType_PULL_CONSUMER), codes.Internal, "Client type is not consumer, type: PULL_CONSUMER"},
		"lite simple":         {ofKind(v2.ClientType_LITE_SIMPLE_CONSUMER), codes.Internal, "Client type is not consumer, type: LITE_SIMPLE_CONSUMER"},
		"lite push":           {ofKind(v2.ClientType_LITE_PUSH_CONSUMER), codes.InvalidArgument, "regular group cannot use LITE mode: G"},
		"illegal topic":       {subscribed("a b", "*", v2.FilterType_TAG), codes.InvalidArgument, "The specified topic[a b] contains illegal characters, allowing only ^[%|a-zA-Z0-9_-]+$"},
		"bars for a tag":      {subscribed("N", "||", v2.FilterType_TAG), codes.InvalidArgument, "expression format is not correct"},
		"empty SQL":           {subscribed("N", "", v2.FilterType_SQL), codes.InvalidArgument, "expression format is not correct"},
		"SQL":                 {subscribed("N", "a >", v2.FilterType_SQL), codes.OK, ""},
		"unknown topic":       {subscribed("X", "*", v2.FilterType_TAG), codes.OK, ""},
		"no topic to send to": {producer(), codes.OK, ""},
	}
	inBubble(t, func(r *rig) {
		for name, test := range tests {
			_, err := r.tell(r.ctx, test.settings)
			r.Equal(test.code, status.Code(err), name)
			if err != nil {
				r.Equal("process client telemetryCommand failed. "+test.text, status.Convert(err).Message(), name)
			}
		}
	})
}

func TestTelemetry_SaysNothingToNothing(t *testing.T) {
	inBubble(t, func(r *rig) {
		stream, err := r.stub.Telemetry(r.ctx)
		r.NoError(err)
		r.NoError(stream.Send(&v2.TelemetryCommand{}))
		r.NoError(stream.Send(&v2.TelemetryCommand{
			Command: &v2.TelemetryCommand_ThreadStackTrace{ThreadStackTrace: &v2.ThreadStackTrace{}},
		}))
		synctest.Wait()
		r.NoError(stream.CloseSend())
		_, err = stream.Recv()
		r.ErrorIs(err, io.EOF)
	})
}

func TestTelemetry_NeedsAClientID(t *testing.T) {
	inBubble(t, func(r *rig) {
		answer, err := r.tell(context.Background(), producer())
		r.NoError(err)
		r.Equal(v2.Code_CLIENT_ID_REQUIRED, answer.GetStatus().GetCode())
		r.Nil(answer.GetSettings())
	})
}

func TestHeartbeat_KeepsASession(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.Equal(v2.Code_UNRECOGNIZED_CLIENT_TYPE, r.heartbeat("G"), "before any settings")
		r.register()
		for range 10 {
			time.Sleep(110 * time.Second)
			r.Equal(v2.Code_OK, r.heartbeat("G2"), "also for another group")
		}
		r.Equal(v2.Code_ILLEGAL_CONSUMER_GROUP, r.heartbeat(""))
		r.Equal(v2.Code_ILLEGAL_CONSUMER_GROUP, r.heartbeat("X"))
		time.Sleep(121 * time.Second)
		r.Equal(v2.Code_UNRECOGNIZED_CLIENT_TYPE, r.heartbeat("G"))
		code, _ := r.receive(r.request("G", "N"))
		r.Equal(v2.Code_UNRECOGNIZED_CLIENT_TYPE, code)
	})
}

func TestHeartbeat_IsForTheClientThatSettingsTell(t *testing.T) {
	inBubble(t, func(r *rig) {
		_, err := r.tell(r.ctx, producer("N"))
		r.NoError(err)
		r.Equal(v2.Code_OK, r.heartbeat(""), "a producer has no group")
		strange := producer("N")
		strange.ClientType = new(v2.ClientType_PULL_CONSUMER)
		_, err = r.tell(r.ctx, strange)
		r.NoError(err)
		r.Equal(v2.Code_UNRECOGNIZED_CLIENT_TYPE, r.heartbeat("G"))
	})
}

func TestTermination_EndsASession(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.register()
		r.Equal(v2.Code_OK, r.terminate("G"))
		r.Equal(v2.Code_UNRECOGNIZED_CLIENT_TYPE, r.terminate("G"))
		r.Equal(v2.Code_UNRECOGNIZED_CLIENT_TYPE, r.heartbeat("G"))
		r.register()
		r.Equal(v2.Code_ILLEGAL_CONSUMER_GROUP, r.terminate(""))
		r.Equal(v2.Code_UNRECOGNIZED_CLIENT_TYPE, r.heartbeat("G"), "gone all the same")
		_, err := r.tell(r.ctx, producer())
		r.NoError(err)
		r.Equal(v2.Code_OK, r.terminate(""))
	})
}
