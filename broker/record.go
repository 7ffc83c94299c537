package broker

import (
	"iter"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

// The numbers of the fields of a message and of its system properties.
const (
	fieldTopic            = 1
	fieldUserProperties   = 2
	fieldSystemProperties = 3
	fieldBody             = 4

	fieldTag               = 1
	fieldKeys              = 2
	fieldMessageID         = 3
	fieldBodyDigest        = 4
	fieldBodyEncoding      = 5
	fieldMessageType       = 6
	fieldBornTimestamp     = 7
	fieldBornHost          = 8
	fieldStoreTimestamp    = 9
	fieldStoreHost         = 10
	fieldDeliveryTimestamp = 11
	fieldReceiptHandle     = 12
	fieldQueueID           = 13
	fieldQueueOffset       = 14
	fieldDeliveryAttempt   = 16
	fieldMessageGroup      = 17
	fieldTraceContext      = 18
	fieldLiteTopic         = 21
	fieldPriority          = 22
)

// A record is a message as it is stored: in the encoding of the protocol, with what the broker adds
// once. The topic comes first, the system properties last, so that a delivery can replace the
// one and add to the others without decoding the rest. It never changes.
type record []byte

// split gives what lies between the topic and the system properties, and the content of those.
func (r record) split() (middle, system []byte) {
	_, _, first := protowire.ConsumeField(r)
	for at := max(0, first); at < len(r); {
		number, _, size := protowire.ConsumeField(r[at:])
		if size < 0 || number == fieldSystemProperties {
			return r[max(0, first):at], bytesOf(r[at:], fieldSystemProperties)
		}
		at += size
	}
	return r[max(0, first):], nil
}

// body gives the body, which must not be changed.
func (r record) body() []byte { return bytesOf(r, fieldBody) }

func (r record) system() []byte { return bytesOf(r, fieldSystemProperties) }

// id gives the message id.
func (r record) id() string { return string(bytesOf(r.system(), fieldMessageID)) }

// keys gives what a message is looked up by.
func (r record) keys() []string {
	var all []string
	for number, key := range fields(r.system()) {
		if number == fieldKeys {
			all = append(all, string(key))
		}
	}
	return all
}

// tag gives the tag; nil for none, as none is empty.
func (r record) tag() []byte { return bytesOf(r.system(), fieldTag) }

// liteTopic gives the lite topic, "" for none.
func (r record) liteTopic() string { return string(bytesOf(r.system(), fieldLiteTopic)) }

// deliveryTime gives when a message is to be delivered, in Unix milliseconds, if it says so.
func (r record) deliveryTime() (int64, bool) {
	return timeOf(r.system(), fieldDeliveryTimestamp)
}

// userProperty gives a property by its key.
func (r record) userProperty(key string) (string, bool) {
	for number, value := range fields(r) {
		if number == fieldUserProperties && string(bytesOf(value, 1)) == key {
			return string(bytesOf(value, 2)), true
		}
	}
	return "", false
}

// message decodes a record. It shares nothing with it.
func (r record) message() *v2.Message {
	m := new(v2.Message)
	_ = proto.Unmarshal(r, m) // what is no message never becomes a record
	return m
}

// with gives a record with another user property.
func (r record) with(key, value string) record {
	return appendRecord(nil, withProperty(r.message(), key, value))
}

// textOf gives a field that is text, and whether there is one.
func textOf(message []byte, number protowire.Number) (string, bool) {
	value := bytesOf(message, number)
	return string(value), value != nil
}

// numberOf gives a field that is a number, and whether there is one.
func numberOf(message []byte, number protowire.Number) (int64, bool) {
	n, size := protowire.ConsumeVarint(bytesOf(message, number))
	return int64(n), size > 0
}

// timeOf gives a field that is a time, in Unix milliseconds, and whether there is one.
func timeOf(message []byte, number protowire.Number) (int64, bool) {
	value := bytesOf(message, number)
	if value == nil {
		return 0, false
	}
	seconds, _ := numberOf(value, 1)
	nanos, _ := numberOf(value, 2)
	return time.Unix(seconds, nanos).UnixMilli(), true
}

// bytesOf gives the content of a field: nil if there is none.
func bytesOf(message []byte, number protowire.Number) []byte {
	for n, content := range fields(message) {
		if n == number {
			return content
		}
	}
	return nil
}

// fields goes through the fields of an encoded message, and gives the content of each: of what has
// a length without that.
func fields(message []byte) iter.Seq2[protowire.Number, []byte] {
	return func(yield func(protowire.Number, []byte) bool) {
		for len(message) > 0 {
			number, kind, n := protowire.ConsumeTag(message)
			if n < 0 {
				return
			}
			message = message[n:]
			if n = protowire.ConsumeFieldValue(number, kind, message); n < 0 {
				return
			}
			content := message[:n]
			if kind == protowire.BytesType {
				content, _ = protowire.ConsumeBytes(content)
			}
			if !yield(number, content) {
				return
			}
			message = message[n:]
		}
	}
}
