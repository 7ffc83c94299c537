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

// FuzzPulls lets any request to pull arrive, or one of those that go with it. Each must be answered
// with a status of the protocol.
func FuzzPulls(f *testing.F) {
	queue := &v2.MessageQueue{Topic: resource("N")}
	for kind, seed := range []proto.Message{
		&v2.PullMessageRequest{
			Group: resource("G"), MessageQueue: queue, BatchSize: 1, LongPollingTimeout: durationpb.New(time.Millisecond),
			FilterExpression: &v2.FilterExpression{Expression: "a > 1", Type: v2.FilterType_SQL},
		},
		&v2.UpdateOffsetRequest{Group: resource("G"), MessageQueue: queue, Offset: 1},
		&v2.GetOffsetRequest{Group: resource("G"), MessageQueue: queue},
		&v2.QueryOffsetRequest{
			MessageQueue: queue, QueryOffsetPolicy: v2.QueryOffsetPolicy_TIMESTAMP, Timestamp: timestamppb.Now(),
		},
	} {
		data, err := proto.Marshal(seed)
		require.NoError(f, err)
		f.Add(uint8(kind), data)
	}
	opts := standard()
	opts.Pull, opts.Limits = true, broker.Limits{MaxPolling: time.Millisecond}
	shared := newRig(f, opts)
	shared.send("N", "one")
	f.Fuzz(func(t *testing.T, kind uint8, data []byte) {
		ctx, cancel := context.WithTimeout(shared.ctx, time.Minute)
		defer cancel()
		status, err := shared.askToPull(ctx, kind%4, data)
		require.NoError(t, err)
		require.NotZero(t, status.GetCode())
		require.NotEmpty(t, v2.Code_name[int32(status.GetCode())])
	})
}

func (r *rig) askToPull(ctx context.Context, kind uint8, data []byte) (*v2.Status, error) {
	switch kind {
	case 0:
		stream, err := r.stub.PullMessage(ctx, read(data, &v2.PullMessageRequest{}))
		if err != nil {
			return nil, err
		}
		answer, err := stream.Recv()
		return answer.GetStatus(), err
	case 1:
		answer, err := r.stub.UpdateOffset(ctx, read(data, &v2.UpdateOffsetRequest{}))
		return answer.GetStatus(), err
	case 2:
		answer, err := r.stub.GetOffset(ctx, read(data, &v2.GetOffsetRequest{}))
		return answer.GetStatus(), err
	default:
		answer, err := r.stub.QueryOffset(ctx, read(data, &v2.QueryOffsetRequest{}))
		return answer.GetStatus(), err
	}
}
