package broker

import (
	"crypto/md5"
	"encoding/hex"
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
	if kept.GetBornHost() == "" {
		kept.BornHost = host
	}
	if kept.BornTimestamp == nil {
		kept.BornTimestamp = timestamppb.Now()
	}
	return &v2.Message{
		Topic: m.GetTopic(), UserProperties: m.GetUserProperties(), SystemProperties: kept, Body: m.GetBody(),
	}
}

// digest is what the server always says of a body, whatever the sender said.
func digest(body []byte) *v2.Digest {
	sum := md5.Sum(body)
	return &v2.Digest{Type: v2.DigestType_MD5, Checksum: strings.ToUpper(hex.EncodeToString(sum[:]))}
}

// delivered gives a message as it goes to a consumer: what is kept, and what is true of this
// delivery alone.
func (s *service) delivered(topic *v2.Resource, d *delivery) *v2.Message {
	kept := d.message.GetSystemProperties()
	return &v2.Message{
		Topic:          topic,
		UserProperties: d.message.GetUserProperties(),
		Body:           d.message.GetBody(),
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
			TraceContext:      kept.TraceContext,
			StoreTimestamp:    timestamppb.New(time.UnixMilli(d.storedAt)),
			StoreHost:         s.storeHost,
			QueueId:           int32(d.handle.queue),
			QueueOffset:       new(d.handle.offset),
			ReceiptHandle:     new(d.handle.String()),
			DeliveryAttempt:   new(d.attempt),
		},
	}
}
