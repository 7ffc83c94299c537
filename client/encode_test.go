package client

import (
	"strings"
	"testing"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"github.com/stretchr/testify/require"
)

func TestEncode_SetsTheTypeByTheFields(t *testing.T) {
	due := time.Date(2026, 11, 24, 1, 2, 3, 4, time.UTC)
	for name, c := range map[string]struct {
		message Message
		kind    v2.MessageType
	}{
		"normal":   {Message{}, v2.MessageType_NORMAL},
		"fifo":     {Message{MessageGroup: "g"}, v2.MessageType_FIFO},
		"delayed":  {Message{DeliveryTime: due}, v2.MessageType_DELAY},
		"lite":     {Message{LiteTopic: "l"}, v2.MessageType_LITE},
		"priority": {Message{Priority: new(0)}, v2.MessageType_PRIORITY},
	} {
		t.Run(name, func(t *testing.T) {
			m := encode(&c.message, &v2.Resource{Name: "t"}, "id", "host").stamp(time.Unix(5, 6), &queue{id: 7})
			s := m.GetSystemProperties()
			require.Equal(t, c.kind, s.GetMessageType())
			require.Equal(t, c.message.MessageGroup, s.GetMessageGroup())
			require.True(t, c.message.DeliveryTime.Equal(timeOf(s.DeliveryTimestamp)))
			require.Equal(t, c.message.LiteTopic, s.GetLiteTopic())
			require.Equal(t, c.message.LiteTopic == "", s.LiteTopic == nil)
			require.Equal(t, c.message.Priority == nil, s.Priority == nil, "0 is a level")
			require.Nil(t, s.Tag, "absent, not empty")
			require.Equal(t, time.Unix(5, 6).UTC(), s.GetBornTimestamp().AsTime())
			require.EqualValues(t, 7, s.GetQueueId())
			require.Equal(t, v2.Encoding_IDENTITY, s.GetBodyEncoding())
		})
	}
}

func TestMessage_IsNotBothFIFOAndDelayed(t *testing.T) {
	m := &Message{Topic: "t", Body: []byte("x"), MessageGroup: "g", DeliveryTime: time.Now()}
	require.ErrorIs(t, m.check(DefaultMaxDelay), ErrMessageType)
}

func TestCheckName_KeepsToTheLimits(t *testing.T) {
	require.NoError(t, checkTopic("%DLQ%a|b_c-9"))
	require.NoError(t, checkTopic(strings.Repeat("t", maxTopicLength)))
	require.NoError(t, checkGroup(strings.Repeat("g", maxGroupLength)))
	require.ErrorIs(t, checkTopic(strings.Repeat("t", maxTopicLength+1)), ErrIllegalTopic)
	require.ErrorIs(t, checkGroup("CID_RMQ_SYS_TRANS"), ErrIllegalGroup)
	require.ErrorContains(t, checkGroup(strings.Repeat("g", maxGroupLength+1)), "has 121 characters, the limit is 120")
	for _, name := range []string{"", " ", "a b", "a.b", "ä", "a/b", "\x00"} {
		require.ErrorIs(t, checkTopic(name), ErrIllegalTopic, name)
		require.ErrorIs(t, checkGroup(name), ErrIllegalGroup, name)
	}
}

func TestFilter_SelectsAllUnlessToldOtherwise(t *testing.T) {
	for _, f := range []Filter{{}, All(), Tag(""), Tag("*")} {
		require.NoError(t, f.check())
		require.Equal(t, v2.FilterType_TAG, f.proto().GetType())
		require.Equal(t, "*", f.String())
	}
	require.Equal(t, v2.FilterType_SQL, SQL("a > 1").proto().GetType())
	require.NoError(t, SQL("a > 1").check())
	for _, f := range []Filter{SQL(" "), Tag("||"), Tag(" || ")} {
		require.ErrorIs(t, f.check(), ErrIllegalFilter)
	}
}
