package broker

import (
	"crypto/md5"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/encoding"
	grpcproto "google.golang.org/grpc/encoding/proto"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// fieldMessage is the number of the message in an answer of ReceiveMessage.
const fieldMessage = 2

// A messageFrame is an answer of ReceiveMessage that is a message, in the encoding of the protocol:
// a stored message is copied there, not decoded.
type messageFrame []byte

// messageID gives the id of the message.
func (f messageFrame) messageID() string { return record(bytesOf(f, fieldMessage)).id() }

// messageFrames gives the answers for deliveries, in one piece of memory.
func (s *store) messageFrames(topic *v2.Resource, got []delivery) []messageFrame {
	const added = 250 // what a delivery adds, as a rule
	size := 0
	for i := range got {
		size += len(got[i].record) + added
	}
	field := appendTopic(nil, topic)
	b, frames := make([]byte, 0, size), make([]messageFrame, len(got))
	for i := range got {
		start := len(b)
		b = s.appendFrame(b, field, &got[i])
		frames[i] = b[start:len(b):len(b)]
	}
	return frames
}

// appendFrame appends a message as it goes to a consumer: what is kept, with the topic that it
// asked for, and what is true of this delivery alone.
func (s *store) appendFrame(b, topic []byte, d *delivery) []byte {
	middle, system := d.split()
	var space [320]byte
	added := s.appendDelivery(space[:0], d)
	properties := len(system) + len(added)
	size := len(topic) + len(middle) + protowire.SizeTag(fieldSystemProperties) + protowire.SizeBytes(properties)
	b = protowire.AppendTag(b, fieldMessage, protowire.BytesType)
	b = protowire.AppendVarint(b, uint64(size))
	b = append(append(b, topic...), middle...)
	b = protowire.AppendTag(b, fieldSystemProperties, protowire.BytesType)
	b = protowire.AppendVarint(b, uint64(properties))
	return append(append(b, system...), added...)
}

// appendDelivery appends the system properties of a delivery.
func (s *store) appendDelivery(b []byte, d *delivery) []byte {
	b = appendDigest(b, d.body())
	b = appendTimestamp(b, fieldStoreTimestamp, timestamppb.New(time.UnixMilli(d.storedAt)))
	b = appendText(b, fieldStoreHost, s.storeHost)
	var space [handleSize]byte
	b = protowire.AppendBytes(protowire.AppendTag(b, fieldReceiptHandle, protowire.BytesType), d.handle.append(space[:0]))
	b = appendNumber(b, fieldQueueID, uint64(d.handle.queue))
	b = appendNumber(b, fieldQueueOffset, uint64(d.handle.offset))
	return appendNumber(b, fieldDeliveryAttempt, uint64(d.attempt))
}

// checksum is the digest that the server always gives of a body, whatever the sender said: MD5 in
// upper hexadecimal. It is made for each delivery, so that senders need not wait for it.
func checksum(body []byte) [2 * md5.Size]byte {
	const digits = "0123456789ABCDEF"
	var text [2 * md5.Size]byte
	for i, b := range md5.Sum(body) {
		text[2*i], text[2*i+1] = digits[b>>4], digits[b&0xf]
	}
	return text
}

func appendDigest(b, body []byte) []byte {
	text := checksum(body)
	b = protowire.AppendTag(b, fieldBodyDigest, protowire.BytesType)
	b = protowire.AppendVarint(b, uint64(2+1+protowire.SizeBytes(len(text))))
	b = appendNumber(b, 1, uint64(v2.DigestType_MD5))
	return protowire.AppendBytes(protowire.AppendTag(b, 2, protowire.BytesType), text[:])
}

// encoded is a request as it came, to be decoded later.
type encoded []byte

func (e encoded) decode(request proto.Message) error {
	if err := proto.Unmarshal(e, request); err != nil {
		return status.Errorf(codes.Internal, "broker: decode a request: %v", err)
	}
	return nil
}

// A codec is grpc's own of protobuf, and takes answers as well that are encoded already, and leaves
// requests encoded that are to be decoded later.
type codec struct{ encoding.CodecV2 }

func newCodec() codec { return codec{encoding.GetCodecV2(grpcproto.Name)} }

// Marshal gives an answer in its encoding.
func (c codec) Marshal(v any) (mem.BufferSlice, error) {
	if frame, ok := v.(messageFrame); ok {
		return mem.BufferSlice{mem.SliceBuffer(frame)}, nil
	}
	return c.CodecV2.Marshal(v)
}

// Unmarshal decodes a request, or copies it.
func (c codec) Unmarshal(data mem.BufferSlice, v any) error {
	if e, ok := v.(*encoded); ok {
		*e = data.Materialize()
		return nil
	}
	return c.CodecV2.Unmarshal(data, v)
}
