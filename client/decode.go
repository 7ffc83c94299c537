package client

import (
	"fmt"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/rocketflow-io/rocketflow/client/internal/body"
)

// decode makes a Message of what the server sent, whatever that is: what is missing stays empty, and
// a body that cannot be had is an error in the message.
func decode(p *v2.Message, broker string) *Message {
	s := p.GetSystemProperties()
	m := &Message{
		Topic:        p.GetTopic().GetName(),
		Tag:          s.GetTag(),
		Keys:         s.GetKeys(),
		MessageGroup: s.GetMessageGroup(),
		DeliveryTime: timeOf(s.GetDeliveryTimestamp()),
		LiteTopic:    s.GetLiteTopic(),
		Properties:   p.GetUserProperties(),
		TraceContext: s.GetTraceContext(),
		ID:           s.GetMessageId(),
		Attempt:      max(0, int(s.GetDeliveryAttempt())),
		BornTime:     timeOf(s.GetBornTimestamp()),
		BornHost:     s.GetBornHost(),
		StoreTime:    timeOf(s.GetStoreTimestamp()),
		StoreHost:    s.GetStoreHost(),
		Broker:       broker,
		QueueID:      int(s.GetQueueId()),
		QueueOffset:  s.GetQueueOffset(),
	}
	if s != nil && s.Priority != nil {
		m.Priority = new(int(s.GetPriority()))
	}
	if origin := s.GetDeadLetterQueue(); origin != nil {
		m.DeadLetter = &DeadLetterOrigin{Topic: origin.GetTopic(), MessageID: origin.GetMessageId()}
	}
	m.Transactional = s.GetMessageType() == v2.MessageType_TRANSACTION
	m.Body, m.Err = decodeBody(p.GetBody(), s)
	if m.Err != nil {
		m.Err = fmt.Errorf("client: message %s of topic %q: %w", m.ID, m.Topic, m.Err)
	}
	return m
}

// decodeBody returns the body as it was sent, or as it is stored and the reason.
func decodeBody(stored []byte, s *v2.SystemProperties) ([]byte, error) {
	// The digest covers what is stored, so it comes before the decoding.
	if err := body.Verify(s.GetBodyDigest(), stored); err != nil {
		return stored, fmt.Errorf("%w: %w", ErrCorrupted, err)
	}
	plain, err := body.Decode(s.GetBodyEncoding(), stored)
	if err != nil {
		return stored, fmt.Errorf("%w: %w", ErrUndecodable, err)
	}
	return plain, nil
}

// timeOf returns the zero time for a timestamp that is missing or impossible.
func timeOf(t *timestamppb.Timestamp) time.Time {
	if t.CheckValid() != nil {
		return time.Time{}
	}
	return t.AsTime()
}
