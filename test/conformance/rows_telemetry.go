package conformance

import (
	"io"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/rocketflow-io/rocketflow/test/rocketmq/admin"
	"github.com/rocketflow-io/rocketflow/test/rocketmq/target"
)

func telemetryRows() []Row {
	return []Row{
		{"TE1", "a producer is told 3 attempts, 10 ms to 1 s doubling, 4 MiB, validation", Equal, func(e *Env) {
			s := e.Client().Settle(producerSettings(e.Topic("NORMAL", 4)))
			require.EqualValues(e, 3, s.GetBackoffPolicy().GetMaxAttempts())
			requireExponential(e, s, 10*time.Millisecond, time.Second, 2)
			require.EqualValues(e, 4<<20, s.GetPublishing().GetMaxBodySize())
			require.True(e, s.GetPublishing().GetValidateMessageType())
		}},
		{"TE2", "a consumer is told 17 attempts, 18 delays, batches of 32, polls of 20 s", Equal, func(e *Env) {
			requireConsumerDefaults(e, e.Client().Settle(consumerSettings(v2.ClientType_PUSH_CONSUMER, e.Group())))
		}},
		{"TE3", "a consumer of an ordered group is told so", Equal, func(e *Env) {
			s := e.Client().Settle(consumerSettings(v2.ClientType_PUSH_CONSUMER, e.OrderedGroup()))
			require.True(e, s.GetSubscription().GetFifo())
		}},
		{"TE4", "a group of 3 retries with growing delays is told 4 attempts and its delays", Equal, func(e *Env) {
			group := e.GroupOf(target.Group{RetryMaxTimes: 3, Retry: &admin.Exponential{
				Initial: 2 * time.Second, Max: time.Minute, Multiplier: 3,
			}})
			s := e.Client().Settle(consumerSettings(v2.ClientType_PUSH_CONSUMER, group))
			require.EqualValues(e, 4, s.GetBackoffPolicy().GetMaxAttempts())
			requireExponential(e, s, 2*time.Second, time.Minute, 3)
		}},
		{"TE5", "what a consumer asks for is overwritten by the server", Equal, overwritten},
		{"TE6", "settings of an unknown group", Either, func(e *Env) {
			stream, err := e.Client().Telemetry(settingsCommand(consumerSettings(v2.ClientType_SIMPLE_CONSUMER, e.Name("unknown"))))
			require.NoError(e, err)
			if _, err := stream.Recv(); err != nil {
				require.Equal(e, codes.InvalidArgument, status.Code(err), "end of the stream: %v", err)
				e.Saw("invalid argument")
				return
			}
			e.Saw("accepted")
		}},
		{"TE7", "settings of a pull consumer end the stream with INTERNAL", Equal, func(e *Env) {
			refusedSettings(e, codes.Internal, consumerSettings(v2.ClientType_PULL_CONSUMER, e.Group()))
		}},
		{"TE8", "settings that neither publish nor subscribe end the stream with INVALID_ARGUMENT", Equal, func(e *Env) {
			refusedSettings(e, codes.InvalidArgument, &v2.Settings{ClientType: v2.ClientType_PRODUCER.Enum()})
		}},
		{"TE9", "a producer may name a topic that does not exist", Equal, func(e *Env) {
			e.Client().Settle(producerSettings(e.Name("missing")))
		}},
		{"TE10", "the server ends a stream that the client has closed", Equal, func(e *Env) {
			stream := answeredStream(e)
			require.NoError(e, stream.CloseSend())
			_, err := stream.Recv()
			require.ErrorIs(e, err, io.EOF)
		}},
		{"TE12", "the syntax of a subscription's SQL expression is not checked, but there has to be one", Equal, func(e *Env) {
			s := consumerSettings(v2.ClientType_PUSH_CONSUMER, e.Group())
			entry := &v2.SubscriptionEntry{
				Topic: resource(e.Topic("NORMAL", 4)), Expression: &v2.FilterExpression{Type: v2.FilterType_SQL, Expression: "a >"},
			}
			s.GetSubscription().Subscriptions = []*v2.SubscriptionEntry{entry}
			e.Client().Settle(s)
			entry.Expression.Expression = ""
			refusedSettings(e, codes.InvalidArgument, s)
		}},
		{"TE11", "an empty command is not answered", Equal, func(e *Env) {
			stream, err := e.Client().Telemetry(&v2.TelemetryCommand{}, settingsCommand(producerSettings()))
			require.NoError(e, err)
			command, err := stream.Recv()
			require.NoError(e, err)
			require.NotNil(e, command.GetSettings(), "the first answer is to the settings, which came second")
		}},
	}
}

func answeredStream(e *Env) v2.MessagingService_TelemetryClient {
	stream, err := e.Client().Telemetry(settingsCommand(producerSettings()))
	require.NoError(e, err)
	_, err = stream.Recv()
	require.NoError(e, err)
	return stream
}

func refusedSettings(e *Env, code codes.Code, s *v2.Settings) {
	stream, err := e.Client().Telemetry(settingsCommand(s))
	require.NoError(e, err)
	_, err = stream.Recv()
	require.Equal(e, code, status.Code(err), "end of the stream: %v", err)
}

func requireExponential(e *Env, s *v2.Settings, initial, longest time.Duration, multiplier float32) {
	backoff := s.GetBackoffPolicy().GetExponentialBackoff()
	require.NotNil(e, backoff, "exponential backoff in %v", s.GetBackoffPolicy())
	require.Equal(e, initial, backoff.GetInitial().AsDuration())
	require.Equal(e, longest, backoff.GetMax().AsDuration())
	require.InDelta(e, multiplier, backoff.GetMultiplier(), 0)
}

// requireConsumerDefaults requires the settings of a group that is not ordered and that has the
// server's own retry policy.
func requireConsumerDefaults(e *Env, s *v2.Settings) {
	require.EqualValues(e, 17, s.GetBackoffPolicy().GetMaxAttempts())
	const second, minute, hour = time.Second, time.Minute, time.Hour
	want := []time.Duration{
		second, 5 * second, 10 * second, 30 * second, minute, 2 * minute, 3 * minute, 4 * minute, 5 * minute,
		6 * minute, 7 * minute, 8 * minute, 9 * minute, 10 * minute, 20 * minute, 30 * minute, hour, 2 * hour,
	}
	var delays []time.Duration
	for _, delay := range s.GetBackoffPolicy().GetCustomizedBackoff().GetNext() {
		delays = append(delays, delay.AsDuration())
	}
	require.Equal(e, want, delays)
	require.EqualValues(e, 32, s.GetSubscription().GetReceiveBatchSize())
	require.Equal(e, 20*second, s.GetSubscription().GetLongPollingTimeout().AsDuration())
	require.False(e, s.GetSubscription().GetFifo())
}

func overwritten(e *Env) {
	s := consumerSettings(v2.ClientType_PUSH_CONSUMER, e.Group())
	yes, batch := true, int32(7)
	s.GetSubscription().Fifo = &yes
	s.GetSubscription().ReceiveBatchSize = &batch
	s.GetSubscription().LongPollingTimeout = durationpb.New(time.Second)
	s.BackoffPolicy = &v2.RetryPolicy{MaxAttempts: 2, Strategy: &v2.RetryPolicy_ExponentialBackoff{
		ExponentialBackoff: &v2.ExponentialBackoff{Initial: durationpb.New(time.Second), Max: durationpb.New(time.Second), Multiplier: 1},
	}}
	requireConsumerDefaults(e, e.Client().Settle(s))
}
