package conformance

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf16"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"github.com/stretchr/testify/require"
)

func sendBatchRows() []Row {
	return []Row{
		{"SE23", "the entries in the answer to a request with two messages", Either, func(e *Env) {
			topic := e.Topic("NORMAL", 4)
			resp := e.Client().Send(e.Message(topic, "1"), e.Message(topic, "2"))
			require.Equal(e, v2.Code_OK, resp.GetStatus().GetCode())
			sawOne(e, len(resp.GetEntries()), map[int]string{1: "one entry", 2: "two entries"})
		}},
		{"SE24", "messages of two topics in a request are MESSAGE_CORRUPTED", Equal, func(e *Env) {
			code := e.Client().Code(e.Message(e.Topic("NORMAL", 4), "1"), e.Message(e.Topic("NORMAL", 4), "2"))
			require.Equal(e, v2.Code_MESSAGE_CORRUPTED, code)
		}},
		{"SE25", "the messages of a request reach the consumer with their own ids", Equal, func(e *Env) {
			topic, group := e.Topic("NORMAL", 4), e.Group()
			c := e.Consumer(group)
			sent := []*v2.Message{e.Message(topic, "1"), e.Message(topic, "2"), e.Message(topic, "3")}
			require.Equal(e, v2.Code_OK, c.Code(sent...))
			require.Equal(e, sorted(idsOf(sent)), sorted(idsOf(c.Take(group, topic, 3))))
		}},
		{"SE31", "a request whose messages are over 4 MiB together is an INTERNAL_SERVER_ERROR, and stores nothing", Equal, func(e *Env) {
			topic, c := e.Topic("NORMAL", 1), e.Client()
			part := func(size int) *v2.Message { return e.Message(topic, strings.Repeat("a", size)) }
			require.Equal(e, v2.Code_INTERNAL_SERVER_ERROR, c.Code(part(2<<20), part(2<<20)))
			require.Equal(e, v2.Code_OK, c.Code(part(2<<20), part(2<<20-500)))
			e.Indexed(topic, 2)
		}},
		{"SE32", "the encodings of a request's bodies, of which the second is in GZIP, at the consumer", Either, func(e *Env) {
			topic, group := e.Topic("NORMAL", 1), e.Group()
			c := e.Consumer(group)
			packed := e.Message(topic, "2")
			packed.Body, packed.SystemProperties.BodyEncoding = gzipped(e, "2"), v2.Encoding_GZIP
			require.Equal(e, v2.Code_OK, c.Code(e.Message(topic, "1"), packed))
			messages := c.Take(group, topic, 2)
			require.Equal(e, packed.GetBody(), messages[1].GetBody())
			sawOne(e, messages[1].GetSystemProperties().GetBodyEncoding(), map[v2.Encoding]string{
				v2.Encoding_GZIP: "each its own", v2.Encoding_IDENTITY: "that of the first",
			})
		}},
		{"SE33", "a request whose second message is of a type that the topic does not take", Either, func(e *Env) {
			topic := e.Topic("NORMAL", 1)
			sawOne(e, e.Client().Code(e.Message(topic, "1"), e.Message(topic, "2", inGroup("g"))), map[v2.Code]string{
				conflict: "conflict with type", v2.Code_OK: "stored",
			})
		}},
		{"SE34", "the queues of the messages of two requests, all of one message group", Either, func(e *Env) {
			topic, group := e.Topic("FIFO", fifoQueues), e.Group()
			c, name := e.Consumer(group), "order-1"
			for range 8 { // by chance all of them meet in the right queue once in 65,536 times
				require.Equal(e, v2.Code_OK, c.Code(e.Message(topic, "1", inGroup(name)), e.Message(topic, "2", inGroup(name))))
			}
			right := int32(jumpHash(javaHash(name), fifoQueues))
			elsewhere := slices.ContainsFunc(c.Take(group, topic, 16), func(m *v2.Message) bool {
				return m.GetSystemProperties().GetQueueId() != right
			})
			sawOne(e, elsewhere, map[bool]string{false: "that of the message group", true: "any"})
		}},
		{"SE28", "messages of one message group share a queue, in the order of their sends", Equal, func(e *Env) {
			received := throughFIFO(e, "g", "g", "g", "g")
			require.Equal(e, []string{"0", "1", "2", "3"}, bodiesOf(received))
			for i, m := range received {
				require.Equal(e, received[0].GetSystemProperties().GetQueueId(), m.GetSystemProperties().GetQueueId())
				require.EqualValues(e, i, offsetOf(m))
			}
		}},
		{"SE29", "a message group's queue is the jump hash of its Java hash code", Equal, func(e *Env) {
			groups := []string{"order-1", "order-2", "customer-42", "größe", "😀", "a", "flights", "zzzzzz"}
			for i, m := range throughFIFO(e, groups...) {
				name := m.GetSystemProperties().GetMessageGroup()
				require.EqualValues(e, jumpHash(javaHash(name), fifoQueues), m.GetSystemProperties().GetQueueId(), "message %d of group %q", i, name)
			}
		}},
	}
}

// fifoQueues is the number of queues that throughFIFO spreads messages over.
const fifoQueues = 4

// throughFIFO stores a message in each of the message groups and returns them as received by a
// group that is not ordered, so that nothing waits for an acknowledgement.
func throughFIFO(e *Env, groups ...string) []*v2.Message {
	topic, group := e.Topic("FIFO", fifoQueues), e.Group()
	c := e.Consumer(group)
	for i, name := range groups {
		c.Store(e.Message(topic, fmt.Sprint(i), inGroup(name)))
	}
	return c.Take(group, topic, len(groups))
}

func idsOf(messages []*v2.Message) []string {
	var ids []string
	for _, m := range messages {
		ids = append(ids, idOf(m))
	}
	return ids
}

// javaHash is the hash code of a Java string: over UTF-16 units, in 32 bits.
func javaHash(text string) (hash int32) {
	for _, unit := range utf16.Encode([]rune(text)) {
		hash = 31*hash + int32(unit)
	}
	return hash
}

// jumpHash assigns a hash to one of n buckets by the jump consistent hash, over the generator and
// with the sign extension that the server uses.
func jumpHash(hash int32, n int) int {
	state, bucket := uint64(int64(hash)), 0
	for {
		state = 2862933555777941757*state + 1
		next := int(float64(bucket+1) / (float64(int32(state>>33)+1) / (1 << 31)))
		if next < 0 || next >= n {
			return bucket
		}
		bucket = next
	}
}
