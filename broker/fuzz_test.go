package broker_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/rocketflow-io/rocketflow/broker"
)

// FuzzRequests lets any request arrive at every method that answers, from a client of ordinary topics
// and from one of lite topics, at a broker without quirks and at one with those of each mode. Each must
// answer with a status of the protocol.
func FuzzRequests(f *testing.F) {
	const kinds = 12
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
		&v2.SyncLiteSubscriptionRequest{
			Topic: resource("L"), Group: resource("lite"), LiteTopicSet: []string{"a", "b"},
			OffsetOption: &v2.OffsetOption{OffsetType: &v2.OffsetOption_TailN{TailN: 1}},
		},
	}
	for kind, seed := range seeds {
		data, err := proto.Marshal(seed)
		require.NoError(f, err)
		for who := range uint8(6) {
			f.Add(uint8(kind), who, data)
		}
	}
	rigs := []*rig{fuzzed(f, nil), fuzzed(f, broker.LocalQuirks()), fuzzed(f, broker.ClusterQuirks())}
	f.Fuzz(func(t *testing.T, kind, who uint8, data []byte) {
		r := rigs[who%3]
		r = &rig{require.New(t), r.broker, r.stub, r.ctx}
		r.speakAs(who%2 == 0)
		ctx, cancel := context.WithTimeout(r.ctx, time.Minute)
		defer cancel()
		code, err := r.ask(ctx, kind%kinds, data)
		require.NoError(t, err)
		require.NotEmpty(t, v2.Code_name[int32(code)])
		require.NotZero(t, code)
	})
}

// fuzzed is a broker that has something of everything.
func fuzzed(f *testing.F, quirks []broker.Quirk) *rig {
	f.Helper()
	opts, lite := standard(), withLite()
	opts.Topics = append(opts.Topics, lite.Topics[0])
	opts.Groups = slices.Concat(opts.Groups, lite.Groups[1:3], lite.Groups[5:9])
	opts.Recall, opts.Quirks = true, quirks
	opts.Limits = broker.Limits{MinPolling: time.Millisecond, MaxPolling: time.Millisecond, MinInvisible: time.Millisecond}
	r := newRig(f, opts)
	r.send("N", "one")
	r.send("T", "half", inTransaction)
	r.sendLite("a", 1, 3)
	return r
}

// speakAs makes r's client a consumer of ordinary topics, or of lite topics.
func (r *rig) speakAs(ordinary bool) {
	if ordinary {
		r.register()
		return
	}
	_, err := r.tell(r.ctx, liteSettings("lite", "L"))
	r.NoError(err)
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
	case 10:
		answer, err := r.stub.SyncLiteSubscription(ctx, read(data, &v2.SyncLiteSubscriptionRequest{}))
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

// FuzzHandles lets any receipt handle arrive where one is asked for, while messages of each kind are in
// flight. Each must be answered with a status of the protocol, and what a change gives can be read.
func FuzzHandles(f *testing.F) {
	for _, handle := range []string{
		"0 1795511628235 10000 3 0 broker-a 0 0 221919279", "0 1 9223372036854775806 999 0 broker-a 0 0 0", "0 1 2 3 1 b 0 0 0 5",
		"0 NOW 60000 3 0 b 0 0 0", "0 NOW 60000 999 0 b 0 0 100", "0 NOW 60000 0 0 b 1 5 600 7",
		"1 9223372036854775807 1 0 0 b -1 -1 -1", "a b", "",
	} {
		for call := range uint8(9) {
			f.Add(call, handle)
		}
	}
	rigs := []*rig{fuzzed(f, nil), fuzzed(f, broker.LocalQuirks()), fuzzed(f, broker.ClusterQuirks())}
	now := fmt.Sprint(time.Now().UnixMilli())
	f.Fuzz(func(t *testing.T, call uint8, handle string) {
		if !utf8.ValidString(handle) {
			t.Skip("no text of the protocol")
		}
		r := rigs[call%3]
		r = &rig{require.New(t), r.broker, r.stub, r.ctx}
		r.register()
		if got, _ := r.pop("G", "N", invisible(time.Second), polling(0)); len(got) == 0 {
			r.send("N", "n")
		}
		if got, _ := r.pop("O", "F", invisible(time.Second), polling(0)); len(got) == 0 {
			r.send("F", "f", withGroup("g"))
		}
		handle = strings.ReplaceAll(handle, "NOW", now)
		for _, at := range [][2]string{{"G", "N"}, {"O", "F"}, {"lite", "L"}} {
			var code v2.Code
			switch call / 3 % 3 {
			case 0:
				code = r.ack(at[0], at[1], handle)[0]
			case 1:
				var next string
				if code, next = r.change(at[0], at[1], handle, time.Second, call%2 == 0); code == v2.Code_OK {
					require.NotEqual(t, v2.Code_INTERNAL_SERVER_ERROR, r.ack(at[0], at[1], next)[0])
				}
			case 2:
				code = r.forward(at[0], at[1], handle)
			}
			require.NotEmpty(t, v2.Code_name[int32(code)])
			require.NotZero(t, code)
		}
	})
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
