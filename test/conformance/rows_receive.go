package conformance

import (
	"bytes"
	"compress/gzip"
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"strings"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"github.com/stretchr/testify/require"
)

func receiveRows() []Row {
	return []Row{
		{"RE1", "an answer is a status, the messages, and a timestamp, in this order", Equal, func(e *Env) {
			topic, group := e.Topic("NORMAL", 1), e.Group()
			c := e.Consumer(group)
			require.Equal(e, v2.Code_OK, c.Code(e.Message(topic, "1"), e.Message(topic, "2")))
			e.Indexed(topic, 2)
			received := c.Receive(group, topic)
			require.Equal(e, v2.Code_OK, received.Status.GetCode())
			require.Equal(e, []string{"status", "message", "message", "timestamp"}, received.Frames)
			require.Equal(e, []string{"status", "timestamp"}, c.Receive(group, topic).Frames)
		}},
		{"RE9", "a batch has 32 messages at most", Equal, func(e *Env) {
			topic, group := e.Topic("NORMAL", 1), e.Group()
			c := e.Consumer(group)
			for i := range 40 {
				c.Store(e.Message(topic, fmt.Sprint(i)))
			}
			e.Indexed(topic, 40)
			require.Len(e, c.Receive(group, topic, atMost(100)).Messages, 32)
		}},
		{"RE10", "a batch of 0 is MESSAGE_NOT_FOUND, whatever there is", Equal, func(e *Env) {
			topic, group := e.Topic("NORMAL", 1), e.Group()
			c := e.Consumer(group)
			c.Store(e.Message(topic, "body"))
			received := c.Receive(group, topic, atMost(0))
			require.Equal(e, v2.Code_MESSAGE_NOT_FOUND, received.Status.GetCode())
			require.Empty(e, received.Messages)
		}},
		{"RE11", "a queue id or broker that does not exist is not looked at", Equal, func(e *Env) {
			topic, group := e.Topic("NORMAL", 4), e.Group()
			c := e.Consumer(group)
			c.Store(e.Message(topic, "body"))
			m, _ := c.One(group, topic, func(r *receive) {
				r.MessageQueue.Id, r.MessageQueue.Broker = 77, &v2.Broker{Name: "broker-of-none"}
			})
			require.Equal(e, "body", string(m.GetBody()))
		}},
		{"RE12", "4 messages of 100 KiB in a queue, received with batch 32, come in one to four answers", Near, func(e *Env) {
			topic, group := e.Topic("NORMAL", 1), e.Group()
			c := e.Consumer(group)
			for range 4 {
				c.Store(e.Message(topic, strings.Repeat("b", 100<<10)))
			}
			c.Take(group, topic, 4)
		}},
		{"RE16", "a new group receives what was stored before it", Equal, func(e *Env) {
			topic := e.Topic("NORMAL", 4)
			e.Client().StoreBodies(topic, []string{"1", "2", "3"})
			group := e.Group()
			require.Equal(e, []string{"1", "2", "3"}, sorted(bodiesOf(e.Consumer(group).Take(group, topic, 3))))
		}},
		{"RE17", "a body's digest is its MD5 in upper-case hex", Equal, func(e *Env) {
			digest := sendAndReceive(e).GetSystemProperties().GetBodyDigest()
			sum := md5.Sum([]byte("body"))
			require.Equal(e, v2.DigestType_MD5, digest.GetType())
			require.Equal(e, strings.ToUpper(hex.EncodeToString(sum[:])), digest.GetChecksum())
		}},
		{"RE18", "a body in GZIP arrives as it was sent", Equal, func(e *Env) {
			packed := gzipped(e, "a body to be packed")
			m := sendAndReceive(e, func(m *v2.Message) {
				m.Body, m.SystemProperties.BodyEncoding = packed, v2.Encoding_GZIP
			})
			require.Equal(e, packed, m.GetBody())
			require.Equal(e, v2.Encoding_GZIP, m.GetSystemProperties().GetBodyEncoding())
		}},
		{"RE22", "a receive from a missing topic", Either, func(e *Env) {
			group := e.Group()
			sawOne(e, e.Consumer(group).Receive(group, e.Name("missing")).Status.GetCode(), map[v2.Code]string{
				v2.Code_INTERNAL_SERVER_ERROR: "internal server error",
				v2.Code_TOPIC_NOT_FOUND:       "topic not found",
			})
		}},
	}
}

func gzipped(e *Env, text string) []byte {
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	_, err := w.Write([]byte(text))
	require.NoError(e, err)
	require.NoError(e, w.Close())
	return packed.Bytes()
}
