package broker

import (
	"slices"
	"sync"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// An encoder makes records of messages. Its buffers are used again.
type encoder struct{ buffers sync.Pool }

// encode gives the records of messages as toStore gives them, all in one piece of memory of just
// their size.
func (e *encoder) encode(messages []*v2.Message) []record {
	buffer, ok := e.buffers.Get().(*[]byte)
	if !ok {
		buffer = new([]byte)
	}
	defer e.buffers.Put(buffer)
	b, records, ends := (*buffer)[:0], make([]record, len(messages)), make([]int, len(messages))
	for i, m := range messages {
		b = appendRecord(b, m)
		ends[i] = len(b)
	}
	*buffer = b
	kept, start := slices.Clone(b), 0
	for i, end := range ends {
		records[i] = kept[start:end:end]
		start = end
	}
	return records
}

// appendRecord appends a message as it is kept: without a digest, which is added to each delivery.
func appendRecord(b []byte, m *v2.Message) record {
	b = appendTopic(b, &v2.Resource{Name: m.GetTopic().GetName()})
	for key, value := range m.GetUserProperties() {
		b = protowire.AppendTag(b, fieldUserProperties, protowire.BytesType)
		b = protowire.AppendVarint(b, uint64(2+protowire.SizeBytes(len(key))+protowire.SizeBytes(len(value))))
		b = appendText(b, 1, key)
		b = appendText(b, 2, value)
	}
	b = protowire.AppendTag(b, fieldBody, protowire.BytesType)
	b = protowire.AppendBytes(b, m.GetBody())
	var space [512]byte
	system := appendSystem(space[:0], m.GetSystemProperties())
	b = protowire.AppendTag(b, fieldSystemProperties, protowire.BytesType)
	return protowire.AppendBytes(b, system)
}

// appendTopic appends the field of a topic.
func appendTopic(b []byte, r *v2.Resource) []byte {
	size := 0
	for _, text := range [...]string{r.GetResourceNamespace(), r.GetName()} {
		if text != "" {
			size += 1 + protowire.SizeBytes(len(text))
		}
	}
	b = protowire.AppendTag(b, fieldTopic, protowire.BytesType)
	b = protowire.AppendVarint(b, uint64(size))
	if r.GetResourceNamespace() != "" {
		b = appendText(b, 1, r.GetResourceNamespace())
	}
	if r.GetName() != "" {
		b = appendText(b, 2, r.GetName())
	}
	return b
}

// appendSystem appends what is kept of system properties. The tag comes first: receives look for it.
func appendSystem(b []byte, sp *v2.SystemProperties) []byte {
	if sp.Tag != nil {
		b = appendText(b, fieldTag, *sp.Tag)
	}
	b = appendText(b, fieldMessageID, sp.GetMessageId())
	for _, key := range sp.GetKeys() {
		b = appendText(b, fieldKeys, key)
	}
	b = appendNumber(b, fieldBodyEncoding, uint64(sp.GetBodyEncoding()))
	b = appendNumber(b, fieldMessageType, uint64(sp.GetMessageType()))
	b = appendTimestamp(b, fieldBornTimestamp, sp.GetBornTimestamp())
	b = appendText(b, fieldBornHost, sp.GetBornHost())
	if sp.DeliveryTimestamp != nil {
		b = appendTimestamp(b, fieldDeliveryTimestamp, sp.DeliveryTimestamp)
	}
	for _, f := range [...]struct {
		number protowire.Number
		text   *string
	}{{fieldMessageGroup, sp.MessageGroup}, {fieldTraceContext, sp.TraceContext}, {fieldLiteTopic, sp.LiteTopic}} {
		if f.text != nil {
			b = appendText(b, f.number, *f.text)
		}
	}
	if sp.Priority != nil {
		b = appendNumber(b, fieldPriority, uint64(sp.GetPriority()))
	}
	return b
}

func appendText(b []byte, number protowire.Number, text string) []byte {
	return protowire.AppendString(protowire.AppendTag(b, number, protowire.BytesType), text)
}

func appendNumber(b []byte, number protowire.Number, value uint64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(b, number, protowire.VarintType), value)
}

func appendTimestamp(b []byte, number protowire.Number, t *timestamppb.Timestamp) []byte {
	seconds, nanos := uint64(t.GetSeconds()), uint64(t.GetNanos())
	b = protowire.AppendTag(b, number, protowire.BytesType)
	b = protowire.AppendVarint(b, uint64(2+protowire.SizeVarint(seconds)+protowire.SizeVarint(nanos)))
	b = appendNumber(b, 1, seconds)
	return appendNumber(b, 2, nanos)
}
