package broker

import (
	"crypto/md5"
	"encoding/hex"
	"maps"
	"strconv"
	"strings"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// toStore gives a message as it is kept: what the sender said, less what only the broker may say.
// Body and user properties are shared with the request.
func toStore(m *v2.Message, host string) *v2.Message {
	sent := m.GetSystemProperties()
	encoding := v2.Encoding_IDENTITY
	if sent.GetBodyEncoding() == v2.Encoding_GZIP {
		encoding = v2.Encoding_GZIP
	}
	kept := &v2.SystemProperties{
		Keys:              sent.GetKeys(),
		MessageId:         sent.GetMessageId(),
		BodyDigest:        digest(m.GetBody()),
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

// digest is what the server always says of a body, whatever the sender said.
func digest(body []byte) *v2.Digest {
	sum := md5.Sum(body)
	return &v2.Digest{Type: v2.DigestType_MD5, Checksum: strings.ToUpper(hex.EncodeToString(sum[:]))}
}

// delivered gives a message as it goes to a consumer: what is kept, and what is true of this
// delivery alone.
func (s *store) delivered(topic *v2.Resource, d *delivery) *v2.Message {
	m := s.shown(&d.entry, int(d.handle.queue), d.handle.offset, d.attempt)
	m.Topic = topic
	m.SystemProperties.ReceiptHandle = new(d.handle.String())
	return m
}

// shown gives a message as clients see it, without a receipt handle.
func (s *store) shown(e *entry, queue int, offset int64, attempt int32) *v2.Message {
	kept := e.message.GetSystemProperties()
	return &v2.Message{
		Topic:          e.message.GetTopic(),
		UserProperties: e.message.GetUserProperties(),
		Body:           e.message.GetBody(),
		SystemProperties: &v2.SystemProperties{
			Tag:               kept.Tag,
			Keys:              kept.Keys,
			MessageId:         kept.MessageId,
			BodyDigest:        kept.BodyDigest,
			BodyEncoding:      kept.BodyEncoding,
			MessageType:       kept.MessageType,
			BornTimestamp:     kept.BornTimestamp,
			BornHost:          kept.BornHost,
			DeliveryTimestamp: kept.DeliveryTimestamp,
			MessageGroup:      kept.MessageGroup,
			LiteTopic:         kept.LiteTopic,
			Priority:          kept.Priority,
			TraceContext:      kept.TraceContext,
			StoreTimestamp:    timestamppb.New(time.UnixMilli(e.storedAt)),
			StoreHost:         s.storeHost,
			QueueId:           int32(queue),
			QueueOffset:       &offset,
			DeliveryAttempt:   &attempt,
		},
	}
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
