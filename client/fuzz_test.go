package client

import (
	"errors"
	"io"
	"testing"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
)

func marshalled(f *testing.F, m proto.Message) []byte {
	f.Helper()
	b, err := proto.Marshal(m)
	require.NoError(f, err)
	return b
}

// oneFrame is a stream of one answer.
type oneFrame struct{ frame *v2.ReceiveMessageResponse }

func (s *oneFrame) Recv() (*v2.ReceiveMessageResponse, error) {
	if s.frame == nil {
		return nil, io.EOF
	}
	frame := s.frame
	s.frame = nil
	return frame, nil
}

func FuzzReceive_BearsAnyFrame(f *testing.F) {
	f.Add(marshalled(f, &v2.ReceiveMessageResponse{Content: &v2.ReceiveMessageResponse_Message{Message: &v2.Message{
		Body: []byte("x"), SystemProperties: &v2.SystemProperties{
			BodyEncoding: v2.Encoding_GZIP, BodyDigest: &v2.Digest{Type: v2.DigestType_CRC32, Checksum: "zz"},
			InvisibleDuration: &durationpb.Duration{Seconds: -1, Nanos: 5},
		},
	}}}))
	f.Add(marshalled(f, &v2.ReceiveMessageResponse{Content: &v2.ReceiveMessageResponse_Status{Status: &v2.Status{Code: -1}}}))
	f.Fuzz(func(t *testing.T, data []byte) {
		frame := &v2.ReceiveMessageResponse{}
		if proto.Unmarshal(data, frame) != nil {
			return
		}
		r := received{consumer: &consumer{}, queue: &queue{conn: &conn{}}, invisible: time.Minute}
		require.NoError(t, r.all(&oneFrame{frame}))
		for _, d := range r.deliveries {
			require.NotNil(t, d.Message)
			require.GreaterOrEqual(t, d.Attempt, 0)
			require.True(t, d.Err == nil || errors.Is(d.Err, ErrCorrupted) || errors.Is(d.Err, ErrUndecodable))
		}
	})
}

func FuzzReceipts_AccountForEachMessage(f *testing.F) {
	f.Add(marshalled(f, &v2.SendMessageResponse{Status: &v2.Status{Code: v2.Code_OK}, Entries: []*v2.SendResultEntry{{}}}), 3)
	f.Add(marshalled(f, &v2.SendMessageResponse{}), 1)
	f.Fuzz(func(t *testing.T, data []byte, n int) {
		a := &v2.SendMessageResponse{}
		if n < 1 || n > 100 || proto.Unmarshal(data, a) != nil {
			return
		}
		s := &shipment{}
		for range n {
			s.items = append(s.items, encode(&Message{}, nil, "id", ""))
		}
		x := exchange{op: "send"}
		receipts, err := s.receipts(a, x, x.statusError(a.GetStatus()))
		var partial *partialError
		if err == nil || errors.As(err, &partial) {
			require.Len(t, receipts, n)
		}
		if partial != nil {
			require.Less(t, 1, n)
			require.NotEmpty(t, partial.failed)
		}
	})
}

func FuzzAck_AccountsForEachDelivery(f *testing.F) {
	f.Add(marshalled(f, &v2.AckMessageResponse{Entries: []*v2.AckMessageResultEntry{{MessageId: "0", ReceiptHandle: "h"}, {MessageId: "1"}}}), 2)
	f.Fuzz(func(t *testing.T, data []byte, n int) {
		a := &v2.AckMessageResponse{}
		if n < 0 || n > 100 || proto.Unmarshal(data, a) != nil {
			return
		}
		r := &ackRequest{}
		for i := range n {
			r.deliveries = append(r.deliveries, &Delivery{origin: origin{id: string(rune('0' + i%3))}})
			r.handles = append(r.handles, "h")
		}
		seen := make([]bool, n)
		match(r, a.GetEntries(), func(i int, _ *v2.AckMessageResultEntry) {
			require.False(t, seen[i])
			seen[i] = true
		})
		require.NotContains(t, seen, false)
	})
}

func FuzzSettings_NeverHarm(f *testing.F) {
	f.Add(marshalled(f, &v2.Settings{BackoffPolicy: &v2.RetryPolicy{Strategy: &v2.RetryPolicy_CustomizedBackoff{}}}), 3)
	f.Add(marshalled(f, &v2.Settings{BackoffPolicy: &v2.RetryPolicy{MaxAttempts: -3, Strategy: &v2.RetryPolicy_ExponentialBackoff{
		ExponentialBackoff: &v2.ExponentialBackoff{Initial: durationpb.New(1), Max: durationpb.New(-1), Multiplier: -7},
	}}}), 1000)
	f.Fuzz(func(t *testing.T, data []byte, attempt int) {
		s := &v2.Settings{}
		if proto.Unmarshal(data, s) != nil {
			return
		}
		c, p := consumerSettingsOf(s), producerSettingsOf(s)
		require.GreaterOrEqual(t, c.Backoff.Delay(attempt), time.Duration(0))
		require.GreaterOrEqual(t, p.backoff.Delay(attempt), time.Duration(0))
		require.GreaterOrEqual(t, c.MaxAttempts, 0)
		require.Positive(t, p.maxBody)
	})
}
