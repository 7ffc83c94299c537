package client

import (
	"testing"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/types/known/timestamppb"
)

func TestDecode_LosesNothingThatTheServerTells(t *testing.T) {
	born, stored, due := time.Unix(1, 2).UTC(), time.Unix(3, 4).UTC(), time.Unix(5, 6).UTC()
	m := decode(&v2.Message{
		Topic: &v2.Resource{Name: "orders"}, Body: []byte("x"), UserProperties: map[string]string{"k": "v"},
		SystemProperties: &v2.SystemProperties{
			Tag: new("tag"), Keys: []string{"k1", "k2"}, MessageId: "id", MessageGroup: new("group"),
			MessageType: v2.MessageType_TRANSACTION, BornTimestamp: timestamppb.New(born), BornHost: "here",
			StoreTimestamp: timestamppb.New(stored), StoreHost: "there", DeliveryTimestamp: timestamppb.New(due),
			QueueId: 7, QueueOffset: new(int64(8)), DeliveryAttempt: new(int32(9)), TraceContext: new("trace"),
			LiteTopic: new("lite"), Priority: new(int32(3)),
			DeadLetterQueue: &v2.DeadLetterQueue{Topic: "before", MessageId: "old"},
		},
	}, "broker-a")
	require.Equal(t, &Message{
		Topic: "orders", Body: []byte("x"), Tag: "tag", Keys: []string{"k1", "k2"}, MessageGroup: "group",
		DeliveryTime: due, LiteTopic: "lite", Priority: new(3), Properties: map[string]string{"k": "v"},
		TraceContext: "trace", ID: "id", Attempt: 9, BornTime: born, BornHost: "here", StoreTime: stored,
		StoreHost: "there", Broker: "broker-a", QueueID: 7, QueueOffset: 8, Transactional: true,
		DeadLetter: &DeadLetterOrigin{Topic: "before", MessageID: "old"},
	}, m)
}

func TestDecode_KeepsAbsentApartFromZero(t *testing.T) {
	for _, p := range []*v2.Message{nil, {}, {SystemProperties: &v2.SystemProperties{}}} {
		m := decode(p, "")
		require.Nil(t, m.Priority)
		require.Nil(t, m.DeadLetter)
		require.False(t, m.Transactional)
	}
	m := decode(&v2.Message{SystemProperties: &v2.SystemProperties{Priority: new(int32(0))}}, "")
	require.Equal(t, new(0), m.Priority)
}
