package client

import (
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// outgoing is a message on its way: the protocol's messages that it consists of, in one allocation.
type outgoing struct {
	message v2.Message
	system  v2.SystemProperties
	born    timestamppb.Timestamp
	// The request for it, if it goes alone.
	request  v2.SendMessageRequest
	messages [1]*v2.Message

	source *Message // what it was made of, to make it once more
	via    *conn    // which the present attempt goes to
	// transaction is the server's name of the transaction that the message is in, once it is stored.
	transaction string
}

// kind is the type of the message.
func (o *outgoing) kind() v2.MessageType { return o.system.MessageType }

// compressed says whether the body is not as it was given.
func (o *outgoing) compressed() bool { return o.system.BodyEncoding != v2.Encoding_IDENTITY }

// typeOf says of which type a message is outside of transactions. The server goes by the same fields.
func typeOf(m *Message) v2.MessageType {
	switch {
	case m.MessageGroup != "":
		return v2.MessageType_FIFO
	case !m.DeliveryTime.IsZero():
		return v2.MessageType_DELAY
	case m.LiteTopic != "":
		return v2.MessageType_LITE
	case m.Priority != nil:
		return v2.MessageType_PRIORITY
	default:
		return v2.MessageType_NORMAL
	}
}

// encode makes the message of the protocol, which shares all it can with m.
func encode(m *Message, topic *v2.Resource, id, host string) *outgoing {
	o := &outgoing{source: m}
	o.message.Topic = topic
	o.message.UserProperties = m.Properties
	o.message.SystemProperties = &o.system
	o.message.Body = m.Body
	s := &o.system
	s.Keys = m.Keys
	s.MessageId = id
	s.BodyEncoding = v2.Encoding_IDENTITY
	s.MessageType = typeOf(m)
	s.BornTimestamp = &o.born
	s.BornHost = host
	s.Tag = optional(&m.Tag)
	s.MessageGroup = optional(&m.MessageGroup)
	s.TraceContext = optional(&m.TraceContext)
	if !m.DeliveryTime.IsZero() {
		s.DeliveryTimestamp = timestamppb.New(m.DeliveryTime)
	}
	if m.LiteTopic != "" {
		s.LiteTopic = new(m.LiteTopic)
	}
	if m.Priority != nil {
		s.Priority = new(int32(*m.Priority))
	}
	return o
}

// halve makes it the message of a transaction, which the server keeps back until it is told the end.
// After recoverAfter it asks for it; nil is the server's own time.
func (o *outgoing) halve(recoverAfter *time.Duration) {
	o.system.MessageType = v2.MessageType_TRANSACTION
	if recoverAfter != nil {
		o.system.OrphanedTransactionRecoveryDuration = durationpb.New(*recoverAfter)
	}
}

// again makes the same message once more. An attempt that was given up may still be read from by
// whatever carries it, so the next one must not share what it changes.
func (o *outgoing) again() *outgoing {
	next := encode(o.source, o.message.Topic, o.system.MessageId, o.system.BornHost)
	next.message.Body = o.message.Body
	s := &next.system
	s.BodyEncoding, s.MessageType = o.system.BodyEncoding, o.system.MessageType
	s.OrphanedTransactionRecoveryDuration = o.system.OrphanedTransactionRecoveryDuration
	return next
}

// stamp sets what belongs to one attempt.
func (o *outgoing) stamp(now time.Time, q *queue) *v2.Message {
	o.born.Seconds, o.born.Nanos = now.Unix(), int32(now.Nanosecond())
	o.system.QueueId, o.via = q.id, q.conn
	return &o.message
}

// optional is one of the protocol's optional fields, which are absent when empty.
func optional(value *string) *string {
	if *value == "" {
		return nil
	}
	return value
}

// batchOverhead is what the server stores with each message besides body and properties, at most.
const batchOverhead = 256

// storedSize is an upper bound of what m takes in a batch, as the server stores it.
func storedSize(m *Message) int {
	size := batchOverhead + len(m.Body) + len(m.Topic) + len(m.Tag) + len(m.TraceContext)
	for _, key := range m.Keys {
		size += len(key) + 1
	}
	for k, v := range m.Properties {
		size += len(k) + len(v) + 2
	}
	return size
}
