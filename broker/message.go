package broker

import (
	"maps"
	"strconv"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// toStore gives a message as it is kept: what the sender said, less what only the broker may say.
// The digest is made for each delivery. Body and user properties are shared with the request.
func toStore(m *v2.Message, host string) *v2.Message {
	sent := m.GetSystemProperties()
	encoding := v2.Encoding_IDENTITY
	if sent.GetBodyEncoding() == v2.Encoding_GZIP {
		encoding = v2.Encoding_GZIP
	}
	kept := &v2.SystemProperties{
		Keys:              sent.GetKeys(),
		MessageId:         sent.GetMessageId(),
		BodyEncoding:      encoding,
		MessageType:       typeOf(m),
		BornTimestamp:     sent.GetBornTimestamp(),
		BornHost:          sent.GetBornHost(),
		DeliveryTimestamp: sent.DeliveryTimestamp,
		MessageGroup:      sent.MessageGroup,
		TraceContext:      sent.TraceContext,
	}
	if sent.GetTag() != "" {
		kept.Tag = sent.Tag
	}
	if sent.GetLiteTopic() != "" {
		kept.LiteTopic = sent.LiteTopic
	}
	if kept.MessageType == v2.MessageType_PRIORITY { // any other type is without
		kept.Priority = sent.Priority
	}
	if kept.GetBornHost() == "" {
		kept.BornHost = host
	}
	if kept.BornTimestamp == nil {
		kept.BornTimestamp = timestamppb.Now()
	}
	return withTransaction(sent, &v2.Message{
		Topic: m.GetTopic(), UserProperties: m.GetUserProperties(), SystemProperties: kept, Body: m.GetBody(),
	})
}

// withTransaction gives a message with what its sender says of its transaction, if it is in one.
func withTransaction(sent *v2.SystemProperties, m *v2.Message) *v2.Message {
	if m.GetSystemProperties().GetMessageType() != v2.MessageType_TRANSACTION {
		return m
	}
	m = withProperty(m, propertyTransactionID, sent.GetMessageId())
	if d := sent.GetOrphanedTransactionRecoveryDuration(); d != nil {
		m = withProperty(m, propertyImmunity, strconv.FormatInt(d.GetSeconds(), 10))
	}
	return m
}

// shown gives a message as clients see it, without a receipt handle.
func (s *store) shown(e *entry, queue int, offset int64, attempt int32) *v2.Message {
	m := e.message()
	sp := m.GetSystemProperties()
	sum := checksum(m.GetBody())
	sp.BodyDigest = &v2.Digest{Type: v2.DigestType_MD5, Checksum: string(sum[:])}
	sp.StoreTimestamp = timestamppb.New(time.UnixMilli(e.storedAt))
	sp.StoreHost = s.storeHost
	sp.QueueId = int32(queue)
	sp.QueueOffset = &offset
	sp.DeliveryAttempt = &attempt
	return m
}

// withProperty gives m with another user property. What m shares with others does not change.
func withProperty(m *v2.Message, key, value string) *v2.Message {
	properties := make(map[string]string, len(m.GetUserProperties())+1)
	maps.Copy(properties, m.GetUserProperties())
	properties[key] = value
	return &v2.Message{
		Topic: m.GetTopic(), UserProperties: properties, SystemProperties: m.GetSystemProperties(), Body: m.GetBody(),
	}
}
