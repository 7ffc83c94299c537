package broker_test

import (
	"context"
	"testing"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/rocketflow-io/rocketflow/broker"
)

// FuzzRequests lets any request arrive at every method that answers. Each must answer with a
// status of the protocol.
func FuzzRequests(f *testing.F) {
	const kinds = 11
	seeds := []proto.Message{
		&v2.QueryRouteRequest{Topic: resource("N")},
		&v2.QueryAssignmentRequest{Topic: resource("F"), Group: resource("O")},
		&v2.SendMessageRequest{Messages: []*v2.Message{{
			Topic: resource("N"), Body: []byte("b"), UserProperties: map[string]string{"k": "v"},
			SystemProperties: &v2.SystemProperties{
				MessageId: "m", Tag: new("t"), Keys: []string{"k"}, DeliveryTimestamp: timestamppb.Now(),
				MessageGroup: new("g"), Priority: new(int32(1)), LiteTopic: new("l"),
				OrphanedTransactionRecoveryDuration: durationpb.New(time.Second),
			},
		}}},
		&v2.ReceiveMessageRequest{
			Group: resource("G"), MessageQueue: &v2.MessageQueue{Topic: resource("N")}, BatchSize: 1,
			FilterExpression: &v2.FilterExpression{Expression: "a||b"}, InvisibleDuration: durationpb.New(time.Minute),
			AutoRenew: true, LongPollingTimeout: durationpb.New(time.Second), AttemptId: new("a"),
		},
		&v2.AckMessageRequest{Group: resource("G"), Topic: resource("N"), Entries: []*v2.AckMessageEntry{
			{MessageId: "m", ReceiptHandle: "0 1 9223372036854775807 0 0 broker-a 0 0 0"},
		}},
		&v2.ChangeInvisibleDurationRequest{
			Group: resource("G"), Topic: resource("N"), InvisibleDuration: durationpb.New(time.Second),
			ReceiptHandle: "0 1 9223372036854775806 0 1 broker-a 0 0 0",
		},
		&v2.ForwardMessageToDeadLetterQueueRequest{
			Group: resource("G"), Topic: resource("N"), ReceiptHandle: "0 1 10000 0 0 broker-a 0 0 0",
		},
		&v2.HeartbeatRequest{Group: resource("G")},
		&v2.NotifyClientTerminationRequest{Group: resource("G")},
		&v2.EndTransactionRequest{
			Topic: resource("T"), TransactionId: "half", Resolution: v2.TransactionResolution_COMMIT,
			Source: v2.TransactionSource_SOURCE_SERVER_CHECK,
		},
		&v2.RecallMessageRequest{Topic: resource("D"), RecallHandle: "djEgRCBicm9rZXItYSAxIGlk"},
	}
	for kind, seed := range seeds {
		data, err := proto.Marshal(seed)
		require.NoError(f, err)
		f.Add(uint8(kind), data)
	}
	opts := standard()
	opts.Recall = true
	opts.Limits = broker.Limits{MinPolling: time.Millisecond, MaxPolling: time.Millisecond, MinInvisible: time.Millisecond}
	r := newRig(f, opts)
	r.send("N", "one")
	r.send("T", "half", inTransaction)
	f.Fuzz(func(t *testing.T, kind uint8, data []byte) {
		r := &rig{require.New(t), r.broker, r.stub, r.ctx}
		r.register()
		ctx, cancel := context.WithTimeout(r.ctx, time.Minute)
		defer cancel()
		code, err := r.ask(ctx, kind%kinds, data)
		require.NoError(t, err)
		require.NotEmpty(t, v2.Code_name[int32(code)])
		require.NotZero(t, code)
	})
}

// ask makes one call with a request that is read from data, as far as it can be, and gives the
// code of the answer.
func (r *rig) ask(ctx context.Context, kind uint8, data []byte) (v2.Code, error) {
	switch kind {
	case 0:
		answer, err := r.stub.QueryRoute(ctx, read(data, &v2.QueryRouteRequest{}))
		return answer.GetStatus().GetCode(), err
	case 1:
		answer, err := r.stub.QueryAssignment(ctx, read(data, &v2.QueryAssignmentRequest{}))
		return answer.GetStatus().GetCode(), err
	case 2:
		answer, err := r.stub.SendMessage(ctx, read(data, &v2.SendMessageRequest{}))
		return answer.GetStatus().GetCode(), err
	case 3:
		all, err := r.frames(ctx, read(data, &v2.ReceiveMessageRequest{}))
		if err != nil {
			return 0, err
		}
		return all[0].GetStatus().GetCode(), nil
	case 4:
		answer, err := r.stub.AckMessage(ctx, read(data, &v2.AckMessageRequest{}))
		return answer.GetStatus().GetCode(), err
	case 5:
		answer, err := r.stub.ChangeInvisibleDuration(ctx, read(data, &v2.ChangeInvisibleDurationRequest{}))
		return answer.GetStatus().GetCode(), err
	case 6:
		answer, err := r.stub.ForwardMessageToDeadLetterQueue(ctx, read(data, &v2.ForwardMessageToDeadLetterQueueRequest{}))
		return answer.GetStatus().GetCode(), err
	case 7:
		answer, err := r.stub.Heartbeat(ctx, read(data, &v2.HeartbeatRequest{}))
		return answer.GetStatus().GetCode(), err
	case 8:
		answer, err := r.stub.NotifyClientTermination(ctx, read(data, &v2.NotifyClientTerminationRequest{}))
		return answer.GetStatus().GetCode(), err
	case 9:
		answer, err := r.stub.EndTransaction(ctx, read(data, &v2.EndTransactionRequest{}))
		return answer.GetStatus().GetCode(), err
	default:
		answer, err := r.stub.RecallMessage(ctx, read(data, &v2.RecallMessageRequest{}))
		return answer.GetStatus().GetCode(), err
	}
}

func read[M proto.Message](data []byte, m M) M {
	if err := proto.Unmarshal(data, m); err != nil {
		proto.Reset(m)
	}
	return m
}

// FuzzSettings lets any settings arrive at Telemetry, which must answer or end the stream.
func FuzzSettings(f *testing.F) {
	for _, s := range []*v2.Settings{consumer("G"), producer("N")} {
		data, err := proto.Marshal(s)
		require.NoError(f, err)
		f.Add(data)
	}
	r := newRig(f, standard())
	f.Fuzz(func(t *testing.T, data []byte) {
		r := &rig{require.New(t), r.broker, r.stub, r.ctx}
		settings := read(data, &v2.Settings{})
		if answer, err := r.tell(r.ctx, settings); err == nil {
			require.Equal(t, v2.Code_OK, answer.GetStatus().GetCode())
			require.NotNil(t, answer.GetSettings().GetBackoffPolicy())
		}
	})
}
