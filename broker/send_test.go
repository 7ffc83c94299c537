package broker_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// sent gives the code and the results of a send.
func (r *rig) sent(messages ...*v2.Message) (v2.Code, []*v2.SendResultEntry) {
	answer, err := r.stub.SendMessage(r.ctx, &v2.SendMessageRequest{Messages: messages})
	r.NoError(err)
	return answer.GetStatus().GetCode(), answer.GetEntries()
}

func TestSend_GivesAResultForEachMessage(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.send("N", "before")
		code, entries := r.sent(message("N", "a", "1"), message("N", "b", "2"))
		r.Equal(v2.Code_OK, code)
		r.Len(entries, 2)
		for i, id := range []string{"a", "b"} {
			r.Equal(v2.Code_OK, entries[i].GetStatus().GetCode())
			r.Equal(id, entries[i].GetMessageId())
			r.Equal(id, entries[i].GetTransactionId())
			r.EqualValues(1+i, entries[i].GetOffset())
			r.Empty(entries[i].GetRecallHandle())
		}
	})
}

func TestSend_KeepsAMessageGroupInOneQueueInOrder(t *testing.T) {
	inBubble(t, func(r *rig) {
		var batch []*v2.Message
		for i := range 6 {
			m := message("F4", fmt.Sprint(i), "x")
			withGroup(fmt.Sprintf("group%d", i%2))(m)
			batch = append(batch, m)
		}
		code, entries := r.sent(batch...)
		r.Equal(v2.Code_OK, code)
		for i, e := range entries {
			r.Equal(fmt.Sprint(i), e.GetMessageId())
			r.EqualValues(i/2, e.GetOffset())
		}
		r.send("F4", "6", withGroup("group0"))
		var ids []string
		for _, m := range r.broker.Messages("F4") {
			ids = append(ids, fmt.Sprintf("%s in %d at %d", m.ID, m.Queue, m.Offset))
		}
		r.Equal([]string{
			"0 in 1 at 0", "2 in 1 at 1", "4 in 1 at 2", "6 in 1 at 3", "1 in 3 at 0", "3 in 3 at 1", "5 in 3 at 2",
		}, ids)
	})
}

func TestSend_SpreadsWhatHasNoMessageGroup(t *testing.T) {
	inBubble(t, func(r *rig) {
		for range 8 {
			r.send("N4", "x")
		}
		perQueue := map[int]int{}
		for _, m := range r.broker.Messages("N4") {
			perQueue[m.Queue]++
		}
		r.Equal(map[int]int{0: 2, 1: 2, 2: 2, 3: 2}, perQueue)
	})
}

// properties gives n user properties that take a number of bytes together.
func properties(n, size int) func(*v2.Message) {
	return func(m *v2.Message) {
		m.UserProperties = map[string]string{}
		for i := range n {
			key := fmt.Sprintf("%04d", i)
			m.UserProperties[key] = strings.Repeat("v", size/n-len(key))
		}
	}
}

func property(key, value string) func(*v2.Message) {
	return func(m *v2.Message) { m.UserProperties = map[string]string{key: value} }
}

func keys(all ...string) func(*v2.Message) {
	return func(m *v2.Message) { m.SystemProperties.Keys = all }
}

func deliverIn(d time.Duration) func(*v2.Message) {
	return func(m *v2.Message) {
		m.SystemProperties.DeliveryTimestamp = timestamppb.New(time.Now().Add(d))
	}
}

func ofType(t v2.MessageType) func(*v2.Message) {
	return func(m *v2.Message) { m.SystemProperties.MessageType = t }
}

func lite(name string) func(*v2.Message) {
	return func(m *v2.Message) { m.SystemProperties.LiteTopic = &name }
}

// A sendTest is a message with a change, and the code of the answer to it.
type sendTest struct {
	name, topic string
	change      func(*v2.Message)
	code        v2.Code
}

func unchanged(*v2.Message) {}

func TestSend_ChecksMessagesAsTheServerDoes(t *testing.T) {
	body := func(size int) func(*v2.Message) {
		return func(m *v2.Message) { m.Body = make([]byte, size) }
	}
	checkSends(t, []sendTest{
		{"nothing wrong", "N", unchanged, v2.Code_OK},
		{"no topic", "", unchanged, v2.Code_ILLEGAL_TOPIC},
		{"system topic", "TBW102", unchanged, v2.Code_ILLEGAL_TOPIC},
		{"unknown topic", "X", unchanged, v2.Code_TOPIC_NOT_FOUND},
		{"read-only topic", "RO", unchanged, v2.Code_FORBIDDEN},
		{"write-only topic", "WO", unchanged, v2.Code_OK},
		{"empty body", "N", body(0), v2.Code_MESSAGE_BODY_EMPTY},
		{"4 MiB", "N", body(4 << 20), v2.Code_OK},
		{"4 MiB and a byte", "N", body(4<<20 + 1), v2.Code_MESSAGE_BODY_TOO_LARGE},
		{"no system properties", "N", func(m *v2.Message) { m.SystemProperties = nil }, v2.Code_ILLEGAL_MESSAGE_ID},
		{"blank id", "N", func(m *v2.Message) { m.SystemProperties.MessageId = " " }, v2.Code_ILLEGAL_MESSAGE_ID},
		{"blank tag", "N", withTag(" "), v2.Code_ILLEGAL_MESSAGE_TAG},
		{"empty tag", "N", withTag(""), v2.Code_OK},
		{"star for a tag", "N", withTag("*"), v2.Code_OK},
		{"bar in a tag", "N", withTag("a|b"), v2.Code_ILLEGAL_MESSAGE_TAG},
		{"tab in a tag", "N", withTag("a\tb"), v2.Code_ILLEGAL_MESSAGE_TAG},
		{"blank key", "N", keys("a", ""), v2.Code_ILLEGAL_MESSAGE_KEY},
		{"control character in a key", "N", keys("a\x7f"), v2.Code_ILLEGAL_MESSAGE_KEY},
		{"reserved property", "N", property("KEYS", "v"), v2.Code_ILLEGAL_MESSAGE_PROPERTY_KEY},
		{"property of another case", "N", property("keys", "v"), v2.Code_OK},
		{"control character in a property's key", "N", property("a\n", "v"), v2.Code_ILLEGAL_MESSAGE_PROPERTY_KEY},
		{"control character in a property's value", "N", property("a", "v\n"), v2.Code_ILLEGAL_MESSAGE_PROPERTY_KEY},
		{"128 properties", "N", properties(128, 1280), v2.Code_OK},
		{"129 properties", "N", properties(129, 1290), v2.Code_MESSAGE_PROPERTIES_TOO_LARGE},
		{"16384 bytes", "N", properties(1, 16384), v2.Code_OK},
		{"16385 bytes", "N", properties(1, 16385), v2.Code_MESSAGE_PROPERTIES_TOO_LARGE},
		{"message group of 63 bytes", "F", withGroup(strings.Repeat("g", 63)), v2.Code_OK},
		{"message group of 64 bytes", "F", withGroup(strings.Repeat("g", 64)), v2.Code_ILLEGAL_MESSAGE_GROUP},
		{"blank message group", "F", withGroup(""), v2.Code_ILLEGAL_MESSAGE_GROUP},
		{"control character in a message group", "F", withGroup("\x00"), v2.Code_ILLEGAL_MESSAGE_GROUP},
		{"delivery after more than a day", "D", deliverIn(24*time.Hour + time.Minute), v2.Code_ILLEGAL_DELIVERY_TIME},
		{"recovery after more than an hour", "T", recoverAfter(3601 * time.Second), v2.Code_BAD_REQUEST},
		{"recovery after an hour", "T", recoverAfter(time.Hour), v2.Code_OK},
		{"priority below 0", "P", func(m *v2.Message) { m.SystemProperties.Priority = new(int32(-1)) }, v2.Code_BAD_REQUEST},
		{"blank lite topic", "N", lite(" "), v2.Code_ILLEGAL_LITE_TOPIC},
		{"long lite topic", "N", lite(strings.Repeat("l", 65)), v2.Code_ILLEGAL_LITE_TOPIC},
		{"lite topic with a blank", "N", lite("a b"), v2.Code_ILLEGAL_LITE_TOPIC},
	})
}

func TestSend_RefusesWhatTheTopicDoesNotTake(t *testing.T) {
	priority := func(m *v2.Message) { m.SystemProperties.Priority = new(int32(0)) }
	checkSends(t, []sendTest{
		{"message group to a normal topic", "N", withGroup("g"), v2.Code_MESSAGE_PROPERTY_CONFLICT_WITH_TYPE},
		{"no message group to a FIFO topic", "F", unchanged, v2.Code_MESSAGE_PROPERTY_CONFLICT_WITH_TYPE},
		{"type FIFO without a message group", "F", ofType(v2.MessageType_FIFO), v2.Code_MESSAGE_PROPERTY_CONFLICT_WITH_TYPE},
		{"type DELAY without a time", "N", ofType(v2.MessageType_DELAY), v2.Code_OK},
		{"delivery in time to a normal topic", "N", deliverIn(time.Hour), v2.Code_MESSAGE_PROPERTY_CONFLICT_WITH_TYPE},
		{"no time to a delay topic", "D", unchanged, v2.Code_MESSAGE_PROPERTY_CONFLICT_WITH_TYPE},
		{"delivery in the future", "D", deliverIn(time.Hour), v2.Code_OK},
		{"delivery in the past", "D", deliverIn(-time.Hour), v2.Code_OK},
		{"transaction to a normal topic", "N", ofType(v2.MessageType_TRANSACTION), v2.Code_MESSAGE_PROPERTY_CONFLICT_WITH_TYPE},
		{"normal message to a transaction topic", "T", unchanged, v2.Code_MESSAGE_PROPERTY_CONFLICT_WITH_TYPE},
		{"transaction", "T", ofType(v2.MessageType_TRANSACTION), v2.Code_OK},
		{"priority to a normal topic", "N", priority, v2.Code_MESSAGE_PROPERTY_CONFLICT_WITH_TYPE},
		{"no priority to a priority topic", "P", unchanged, v2.Code_MESSAGE_PROPERTY_CONFLICT_WITH_TYPE},
		{"priority", "P", priority, v2.Code_OK},
		{"normal message to a mixed topic", "M", unchanged, v2.Code_OK},
		{"message group to a mixed topic", "M", withGroup("g"), v2.Code_OK},
		{"delivery in the past to a mixed topic", "M", deliverIn(-time.Hour), v2.Code_OK},
		{"delivery in the future to a mixed topic", "M", deliverIn(time.Hour), v2.Code_OK},
		{"transaction to a mixed topic", "M", ofType(v2.MessageType_TRANSACTION), v2.Code_OK},
		{"lite topic to a mixed topic", "M", lite("a"), v2.Code_MESSAGE_PROPERTY_CONFLICT_WITH_TYPE},
		{"lite topic", "N", lite("a-b_C1"), v2.Code_MESSAGE_PROPERTY_CONFLICT_WITH_TYPE},
	})
}

func checkSends(t *testing.T, tests []sendTest) {
	t.Helper()
	inBubble(t, func(r *rig) {
		for _, test := range tests {
			m := message(test.topic, "id", "body")
			test.change(m)
			before := len(r.broker.Messages(test.topic))
			code, entries := r.sent(m)
			r.Equal(test.code, code, test.name)
			if code != v2.Code_OK {
				r.Empty(entries, test.name)
				r.Len(r.broker.Messages(test.topic), before, test.name)
			}
		}
	})
}

func TestSend_StoresAllOrNothing(t *testing.T) {
	inBubble(t, func(r *rig) {
		code, _ := r.sent()
		r.Equal(v2.Code_MESSAGE_CORRUPTED, code)
		code, _ = r.sent(message("N", "a", "1"), message("N4", "b", "2"))
		r.Equal(v2.Code_MESSAGE_CORRUPTED, code)
		code, _ = r.sent(message("N", "a", "1"), message("N", "", "2"))
		r.Equal(v2.Code_ILLEGAL_MESSAGE_ID, code)
		r.Empty(r.broker.Messages("N"))
	})
}

func TestSend_BoundsTheMessagesOfARequestTogether(t *testing.T) {
	inBubble(t, func(r *rig) {
		half := strings.Repeat("a", 2<<20)
		code, _ := r.sent(message("N", "1", half), message("N", "2", half))
		r.Equal(v2.Code_INTERNAL_SERVER_ERROR, code)
		r.Empty(r.broker.Messages("N"))
		code, _ = r.sent(message("N", "1", half), message("N", "2", half[:len(half)-500]))
		r.Equal(v2.Code_OK, code)
	})
}
