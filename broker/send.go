package broker

import (
	"context"
	"net"
	"slices"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"google.golang.org/grpc/peer"
)

// SendMessage stores one message or several of one topic. All are checked before one is stored.
func (s *service) SendMessage(ctx context.Context, req *v2.SendMessageRequest) (*v2.SendMessageResponse, error) {
	entries, err := s.send(ctx, req)
	return &v2.SendMessageResponse{Status: s.store.quirks.status(err), Entries: entries}, nil
}

func (s *service) send(ctx context.Context, req *v2.SendMessageRequest) ([]*v2.SendResultEntry, error) {
	t, err := s.sendable(ctx, req)
	if err != nil {
		return nil, err
	}
	return s.take(ctx, t, req.GetMessages(), placement{through: s.sessions}), nil
}

// sendable checks all messages of a request, and finds their topic.
func (s *service) sendable(ctx context.Context, req *v2.SendMessageRequest) (*topic, error) {
	if _, err := s.admit(ctx, req); err != nil {
		return nil, err
	}
	messages, now := req.GetMessages(), time.Now()
	if err := checkBatch(messages, now); err != nil {
		return nil, err
	}
	t, err := s.findTopic(messages[0].GetTopic())
	if err != nil {
		return nil, s.missing(err, messages[0])
	}
	for _, m := range s.store.quirks.typed(messages) {
		if err := accepts(t, m); err != nil {
			return nil, err
		}
	}
	if err := batchable(messages); err != nil {
		return nil, err
	}
	if !t.Permission.writable() {
		return nil, refuse(v2.Code_FORBIDDEN, "no writable queue")
	}
	return t, nil
}

// take takes messages that have been checked.
func (s *service) take(ctx context.Context, t *topic, messages []*v2.Message, p placement) []*v2.SendResultEntry {
	host, kept := clientHost(ctx), make([]*v2.Message, len(messages))
	for i, m := range s.store.quirks.asRead(messages) {
		kept[i] = toStore(m, host)
	}
	return s.store.answered(s.store.keep(t, kept, p))
}

func checkBatch(messages []*v2.Message, now time.Time) error {
	if len(messages) == 0 {
		return refuse(v2.Code_MESSAGE_CORRUPTED, "no message to send")
	}
	topic := messages[0].GetTopic()
	if err := checkTopic(topic.GetName()); err != nil {
		return err
	}
	for _, m := range messages {
		if t := m.GetTopic(); t.GetName() != topic.GetName() || t.GetResourceNamespace() != topic.GetResourceNamespace() {
			return refuse(v2.Code_MESSAGE_CORRUPTED, "topic in message is not same")
		}
		if err := checkMessage(m, now); err != nil {
			return err
		}
	}
	return nil
}

// accepts refuses a message of a type that the topic does not take.
func accepts(t *topic, m *v2.Message) error {
	actual := typeOf(m)
	if !slices.Contains(t.accepts, actual) {
		return errConflict(t, actual)
	}
	return nil
}

func errConflict(t *topic, actual v2.MessageType) error {
	return refusef(v2.Code_MESSAGE_PROPERTY_CONFLICT_WITH_TYPE,
		"TopicMessageType validate failed, the expected type is %v, but actual type is %v", t.Type, actual)
}

// batchable refuses messages that cannot be sent together. The server stores them as one, with as
// much beside each body as an entry takes here, and that one is no larger than any other.
func batchable(messages []*v2.Message) error {
	if len(messages) == 1 {
		return nil
	}
	size := 0
	for _, m := range messages {
		size += len(m.GetBody()) + entryOverhead
		switch {
		case size > maxBodySize:
			return refuse(v2.Code_INTERNAL_SERVER_ERROR, "message body size exceeded")
		case m.GetSystemProperties().GetDeliveryTimestamp() != nil:
			return refuse(v2.Code_INTERNAL_SERVER_ERROR, "Delayed messages are not supported for batching")
		case typeOf(m) == v2.MessageType_TRANSACTION:
			return refuse(v2.Code_INTERNAL_SERVER_ERROR, "the message is illegal: one in a transaction is sent alone")
		}
	}
	return nil
}

// typeOf tells the type of a message by its properties, as the server does: what the message says
// of its type counts only for transactions.
func typeOf(m *v2.Message) v2.MessageType {
	sp := m.GetSystemProperties()
	switch {
	case sp.GetMessageType() == v2.MessageType_TRANSACTION:
		return v2.MessageType_TRANSACTION
	case sp.GetDeliveryTimestamp() != nil:
		return v2.MessageType_DELAY
	case sp.GetMessageGroup() != "":
		return v2.MessageType_FIFO
	case sp.Priority != nil:
		return v2.MessageType_PRIORITY
	case sp.GetLiteTopic() != "":
		return v2.MessageType_LITE
	}
	return v2.MessageType_NORMAL
}

// keep takes messages for a topic, and gives the result of each.
func (s *store) keep(t *topic, messages []*v2.Message, p placement) []*v2.SendResultEntry {
	records := s.encoder.encode(messages)
	queue, m := t.queuing(p), messages[0]
	u := undelivered{t, queue(m), records[0]}
	switch { // those that are not stored at once come alone
	case typeOf(m) == v2.MessageType_TRANSACTION:
		return []*v2.SendResultEntry{sent(m, s.transactions.begin(u, p.through))}
	case u.record.isLater(nowMillis()):
		entry := sent(m, s.delays.add(nil, u))
		entry.RecallHandle = recallHandleOf(s.name, m)
		return []*v2.SendResultEntry{entry}
	}
	if len(messages) > 1 {
		queue = s.quirks.batchQueue(queue)
	}
	return storeAll(t, queue, messages, records)
}

// storeAll stores messages, of which it is given the records, in their queues.
func storeAll(t *topic, queue func(*v2.Message) int, messages []*v2.Message, records []record) []*v2.SendResultEntry {
	entries := make([]*v2.SendResultEntry, 0, len(messages))
	for len(messages) > 0 {
		q, n := queue(messages[0]), 1
		for n < len(messages) && queue(messages[n]) == q {
			n++
		}
		offset := t.store(q, records[:n]...)
		t.arrived(q, offset)
		for i, m := range messages[:n] {
			entries = append(entries, sent(m, offset+int64(i)))
		}
		messages, records = messages[n:], records[n:]
	}
	return entries
}

// sent is the result of a message that was taken.
func sent(m *v2.Message, offset int64) *v2.SendResultEntry {
	id := m.GetSystemProperties().GetMessageId()
	return &v2.SendResultEntry{Status: statusOf(nil), MessageId: id, TransactionId: id, Offset: offset}
}

func clientHost(ctx context.Context) string {
	if p, ok := peer.FromContext(ctx); ok {
		if _, isTCP := p.Addr.(*net.TCPAddr); isTCP {
			return p.Addr.String()
		}
	}
	return "127.0.0.1:0"
}
