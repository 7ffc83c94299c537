package broker

import (
	"fmt"
	"maps"
	"strings"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"google.golang.org/protobuf/proto"
)

// asRead gives the messages of a request as the server reads them, which keeps a message's keys and
// properties as texts, and one encoding for the bodies of a request.
func (q quirks) asRead(messages []*v2.Message) []*v2.Message {
	if !q[QuirkSplitKeys] && !q[QuirkEmptyProperty] && !q[QuirkBatchEncoding] {
		return messages
	}
	read := make([]*v2.Message, len(messages))
	for i, m := range messages {
		m = proto.CloneOf(m)
		sp := m.GetSystemProperties()
		if q[QuirkSplitKeys] {
			sp.Keys = strings.Fields(strings.Join(sp.GetKeys(), " "))
		}
		if q[QuirkEmptyProperty] {
			maps.DeleteFunc(m.GetUserProperties(), func(key, value string) bool { return key == "" || value == "" })
		}
		if q[QuirkBatchEncoding] {
			sp.BodyEncoding = messages[0].GetSystemProperties().GetBodyEncoding()
		}
		read[i] = m
	}
	return read
}

// typed gives the messages of a request whose type the server looks at.
func (q quirks) typed(messages []*v2.Message) []*v2.Message {
	if q[QuirkBatchType] {
		return messages[:1]
	}
	return messages
}

// batchQueue gives what tells the queue of each of several messages of a request.
func (q quirks) batchQueue(queue func(*v2.Message) int) func(*v2.Message) int {
	if !q[QuirkBatchQueue] {
		return queue
	}
	same := queue(&v2.Message{SystemProperties: &v2.SystemProperties{}})
	return func(*v2.Message) int { return same }
}

// answered gives the entries of the answer to a request.
func (s *store) answered(entries []*v2.SendResultEntry) []*v2.SendResultEntry {
	if len(entries) < 2 || !s.quirks[QuirkBatchEntry] {
		return entries
	}
	first := entries[0]
	first.MessageId = fmt.Sprintf("%032X", s.commit.Load()) // an id that no message has
	return entries[:1]
}
