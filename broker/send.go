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
	entries, err := s.send(ctx, req.GetMessages())
	return &v2.SendMessageResponse{Status: statusOf(err), Entries: entries}, nil
}

func (s *service) send(ctx context.Context, messages []*v2.Message) ([]*v2.SendResultEntry, error) {
	if _, err := clientID(ctx); err != nil {
		return nil, err
	}
	now := time.Now()
	if err := checkBatch(messages, now); err != nil {
		return nil, err
	}
	t, err := s.findTopic(messages[0].GetTopic())
	if err != nil {
		return nil, err
	}
	for _, m := range messages {
		if err := accepts(t, m, now); err != nil {
			return nil, err
		}
	}
	if !t.Permission.writable() {
		return nil, refuse(v2.Code_FORBIDDEN, "no writable queue")
	}
	host, kept := clientHost(ctx), make([]*v2.Message, len(messages))
	for i, m := range messages {
		kept[i] = toStore(m, host)
	}
	return storeAll(t, kept), nil
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

// accepts refuses a message of a type that the topic does not take, and what this broker cannot honour.
func accepts(t *topic, m *v2.Message, now time.Time) error {
	actual := typeOf(m)
	if !slices.Contains(t.accepts, actual) {
		return refusef(v2.Code_MESSAGE_PROPERTY_CONFLICT_WITH_TYPE,
			"TopicMessageType validate failed, the expected type is %v, but actual type is %v", t.Type, actual)
	}
	switch {
	case actual == v2.MessageType_TRANSACTION, actual == v2.MessageType_PRIORITY:
		return refusef(v2.Code_NOT_IMPLEMENTED, "messages of type %v are not supported by this broker", actual)
	case actual == v2.MessageType_DELAY && m.GetSystemProperties().GetDeliveryTimestamp().AsTime().After(now):
		return refuse(v2.Code_NOT_IMPLEMENTED, "delivery in the future is not supported by this broker")
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

// storeAll stores messages in the queues of their message groups. Those without one go to one
// queue together, another one for each request.
func storeAll(t *topic, messages []*v2.Message) []*v2.SendResultEntry {
	robin := int(t.robin.Add(1)) % len(t.logs)
	queue := func(m *v2.Message) int {
		if group := m.GetSystemProperties().GetMessageGroup(); group != "" {
			return queueOf(group, len(t.logs))
		}
		return robin
	}
	entries := make([]*v2.SendResultEntry, 0, len(messages))
	for len(messages) > 0 {
		q, n := queue(messages[0]), 1
		for n < len(messages) && queue(messages[n]) == q {
			n++
		}
		offset := t.append(q, 0, messages[:n]...)
		t.arrived(q, offset)
		for i, m := range messages[:n] {
			id := m.GetSystemProperties().GetMessageId()
			entries = append(entries, &v2.SendResultEntry{
				Status: statusOf(nil), MessageId: id, TransactionId: id, Offset: offset + int64(i),
			})
		}
		messages = messages[n:]
	}
	return entries
}

func clientHost(ctx context.Context) string {
	if p, ok := peer.FromContext(ctx); ok {
		if _, isTCP := p.Addr.(*net.TCPAddr); isTCP {
			return p.Addr.String()
		}
	}
	return "127.0.0.1:0"
}
