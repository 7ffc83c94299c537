package broker

import (
	"crypto/md5"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
	"unsafe"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// full is a message that says all that a sender can say, and more than it may.
func full() *v2.Message {
	return &v2.Message{
		Topic:          &v2.Resource{ResourceNamespace: "ns", Name: "orders"},
		UserProperties: map[string]string{"region": "eu", "empty": "", "size": "7"},
		SystemProperties: &v2.SystemProperties{
			Tag: new("new"), Keys: []string{"k1", "k2"}, MessageId: "id-1",
			BodyDigest:   &v2.Digest{Type: v2.DigestType_CRC32, Checksum: "wrong"},
			BodyEncoding: v2.Encoding_GZIP, MessageType: v2.MessageType_NORMAL,
			BornTimestamp: &timestamppb.Timestamp{Seconds: 1_700_000_000, Nanos: 5_000_001}, BornHost: "10.0.0.9:1",
			StoreTimestamp: timestamppb.New(time.UnixMilli(1)), StoreHost: "liar",
			DeliveryTimestamp: &timestamppb.Timestamp{Seconds: 1_700_000_009, Nanos: 999_999_999},
			ReceiptHandle:     new("forged"), QueueId: 77, QueueOffset: new(int64(77)),
			InvisibleDuration: durationpb.New(time.Hour), DeliveryAttempt: new(int32(9)),
			MessageGroup: new("customer-ü"), TraceContext: new(""),
			OrphanedTransactionRecoveryDuration: durationpb.New(time.Minute),
			DeadLetterQueue:                     &v2.DeadLetterQueue{Topic: "d", MessageId: "m"},
			LiteTopic:                           new("lite"), Priority: new(int32(3)),
		},
		Body: []byte("the body"),
	}
}

// priority is a message with what only those with a priority keep.
func priority() *v2.Message {
	return &v2.Message{
		Topic:            &v2.Resource{Name: "jobs"},
		SystemProperties: &v2.SystemProperties{MessageId: "id-2", Priority: new(int32(3))},
		Body:             []byte{0},
	}
}

// asKept is what toStore keeps, of the topic only the name.
func asKept(m *v2.Message) *v2.Message {
	kept := proto.CloneOf(toStore(m, "127.0.0.1:1"))
	kept.Topic = &v2.Resource{Name: m.GetTopic().GetName()}
	return kept
}

func TestEncode_GivesEachMessageInTheEncodingOfTheProtocol(t *testing.T) {
	kept := []*v2.Message{toStore(full(), "127.0.0.1:1"), toStore(priority(), "127.0.0.1:1")}
	want := []*v2.Message{asKept(kept[0]), asKept(kept[1])}
	var e encoder
	for range 2 { // the second time with buffers of the first
		for i, r := range e.encode(kept) {
			require.Equal(t, len(r), cap(r))
			got := new(v2.Message)
			require.NoError(t, proto.Unmarshal(r, got))
			requireSame(t, want[i], got)
			requireSame(t, want[i], r.message())
		}
	}
}

func requireSame(t *testing.T, want, got proto.Message) {
	t.Helper()
	require.True(t, proto.Equal(want, got), "want %v\ngot  %v", want, got)
}

func TestRecord_TellsOfAMessageWithoutDecodingIt(t *testing.T) {
	r := appendRecord(nil, toStore(full(), "127.0.0.1:1"))
	require.Equal(t, "the body", string(r.body()))
	require.Equal(t, "id-1", r.id())
	require.Equal(t, "new", string(r.tag()))
	require.Equal(t, []string{"k1", "k2"}, r.keys())
	require.Equal(t, "lite", r.liteTopic())
	at, ok := r.deliveryTime()
	require.True(t, ok)
	require.EqualValues(t, 1_700_000_009_999, at)
	require.True(t, r.isLater(at-1))
	require.False(t, r.isLater(at))

	r = appendRecord(nil, toStore(priority(), "127.0.0.1:1"))
	require.Nil(t, r.tag())
	require.Empty(t, r.keys())
	require.Empty(t, r.liteTopic())
	_, ok = r.deliveryTime()
	require.False(t, ok)
	require.False(t, r.isLater(0))
}

func TestRecord_HasThePropertiesOfTheServer(t *testing.T) {
	for name, want := range map[string]string{
		"region": "eu", "empty": "", "UNIQ_KEY": "id-1", "TAGS": "new", "KEYS": "k1 k2",
		"__SHARDINGKEY": "customer-ü", "__LITE_TOPIC": "lite", "TIMER_DELIVER_MS": "1700000009999",
		"BORN_TIMESTAMP": "1700000000005", "__BORNHOST": "10.0.0.9:1", "PGROUP": "orders", "CLUSTER": clusterName,
	} {
		got, ok := propertyOf(appendRecord(nil, toStore(full(), "")), name)
		require.True(t, ok, name)
		require.Equal(t, want, got, name)
	}
	bare := appendRecord(nil, toStore(priority(), ""))
	for _, name := range []string{
		"region", "TAGS", "KEYS", "__SHARDINGKEY", "__LITE_TOPIC", "TIMER_DELIVER_MS", "TRAN_MSG", "TRACE_CONTEXT",
	} {
		_, ok := propertyOf(bare, name)
		require.False(t, ok, name)
	}
	got, ok := propertyOf(bare, "_SYS_MSG_PRIORITY_")
	require.True(t, ok)
	require.Equal(t, "3", got)
}

func TestRecord_GivesOneWithAnotherProperty(t *testing.T) {
	r := appendRecord(nil, toStore(full(), "127.0.0.1:1"))
	want := r.message()
	want.UserProperties["size"] = "8"
	requireSame(t, want, r.with("size", "8").message())
	require.Equal(t, "7", r.message().GetUserProperties()["size"])
}

func TestMessageFrame_IsAnAnswerWithTheMessage(t *testing.T) {
	s := &store{storeHost: "127.0.0.1:10911"}
	topic := &v2.Resource{ResourceNamespace: "other", Name: "%DLQ%g"}
	var got []delivery
	for i, m := range []*v2.Message{full(), priority()} {
		e := entry{record: appendRecord(nil, toStore(m, "127.0.0.1:1")), storedAt: 1_700_000_000_123}
		got = append(got, delivery{entry: e, attempt: 2, handle: handle{queue: 3, offset: int64(i)}})
	}
	frames := s.messageFrames(topic, got)
	for i, d := range got {
		want := s.shown(&d.entry, 3, int64(i), 2)
		want.Topic = topic
		want.SystemProperties.ReceiptHandle = new(d.handle.String())
		answer := new(v2.ReceiveMessageResponse)
		require.NoError(t, proto.Unmarshal(frames[i], answer))
		requireSame(t, want, answer.GetMessage())
		sum := fmt.Sprintf("%X", md5.Sum(d.body()))
		require.Equal(t, sum, answer.GetMessage().GetSystemProperties().GetBodyDigest().GetChecksum())
		requireOnce(t, bytesOf(frames[i], fieldMessage))
	}
}

// What a stored message takes beside its body, and what delivering it allocates: nothing is decoded.
func TestRecord_TakesLittleBesideTheBody(t *testing.T) {
	const n = 32
	m := priority()
	m.Body = make([]byte, 256)
	m.SystemProperties.MessageId = strings.Repeat("0", 34)
	e := entry{record: appendRecord(nil, toStore(m, "127.0.0.1:12345"))}
	require.Less(t, len(e.record)+int(unsafe.Sizeof(e)), 256+170)

	s, topic := &store{storeHost: "127.0.0.1:10911"}, &v2.Resource{Name: "jobs"}
	got := slices.Repeat([]delivery{{entry: e}}, n)
	allocs := testing.AllocsPerRun(100, func() { s.messageFrames(topic, got) })
	require.LessOrEqual(t, allocs/n, 3.0)
}

// requireOnce checks that no field of a message but those of properties and keys occurs twice: not
// every decoder merges two occurrences of a message as it should.
func requireOnce(t *testing.T, message []byte) {
	t.Helper()
	for _, level := range []struct {
		encoded  []byte
		repeated protowire.Number
	}{{message, fieldUserProperties}, {bytesOf(message, fieldSystemProperties), fieldKeys}} {
		seen := map[protowire.Number]bool{level.repeated: false}
		for number := range fields(level.encoded) {
			require.False(t, seen[number], "field %d", number)
			seen[number] = number != level.repeated
		}
	}
}

// FuzzRecord encodes messages, and reads them as the protocol says.
func FuzzRecord(f *testing.F) {
	f.Add("topic", "key", "value", "tag", "id", []byte("body"), int64(5))
	f.Fuzz(func(t *testing.T, topic, key, value, tag, id string, body []byte, at int64) {
		m := &v2.Message{
			Topic: &v2.Resource{Name: topic}, UserProperties: map[string]string{key: value}, Body: body,
			SystemProperties: &v2.SystemProperties{
				Tag: &tag, MessageId: id, Keys: []string{key, value}, BornHost: "h",
				BornTimestamp: &timestamppb.Timestamp{Seconds: at, Nanos: int32(at)}, MessageGroup: &value,
			},
		}
		if _, err := proto.Marshal(m); err != nil { // as a request it would not have been read
			t.Skip(err)
		}
		kept := toStore(m, "h")
		requireSame(t, asKept(m), appendRecord(nil, kept).message())
	})
}
