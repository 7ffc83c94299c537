package broker

import (
	"context"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
)

// ForwardMessageToDeadLetterQueue stores a message in the dead letters of its group and settles
// its delivery. Also a delivery that is over can be forwarded; to do so twice stores one copy.
func (s *service) ForwardMessageToDeadLetterQueue(
	ctx context.Context, req *v2.ForwardMessageToDeadLetterQueueRequest,
) (*v2.ForwardMessageToDeadLetterQueueResponse, error) {
	return &v2.ForwardMessageToDeadLetterQueueResponse{Status: s.store.quirks.status(s.forward(ctx, req))}, nil
}

func (s *service) forward(ctx context.Context, req *v2.ForwardMessageToDeadLetterQueueRequest) error {
	id, err := s.admit(ctx, req)
	if err != nil {
		return err
	}
	if err := checkTopicAndGroup(req.GetTopic(), req.GetGroup()); err != nil {
		return err
	}
	if _, ok := s.sessions.settings(id); !ok {
		return under(QuirkMissingSettings, errNoSettings())
	}
	h, err := s.parseHandle(req.GetReceiptHandle())
	h.lite = req.GetLiteTopic()
	if err != nil {
		return err
	}
	if h.commit < 0 {
		return refuse(v2.Code_INVALID_RECEIPT_HANDLE, "commit log offset is empty")
	}
	sub, ok := s.store.findDelivery(req.GetGroup().GetName(), req.GetTopic().GetName(), h.lite)
	if !ok {
		return errNotStored(h)
	}
	return sub.forward(h)
}

func (s *subscription) forward(h handle) error {
	s.mu.Lock()
	defer s.unlock()
	f, inFlight := s.inFlight(h)
	e, kept := s.stored(h)
	if inFlight {
		e, kept = f.entry(), true
	}
	if h.commit == 0 && s.store.quirks[QuirkWrongDeadLetter] {
		e, kept = s.store.firstStored()
	}
	if !kept || e.commit != h.commit {
		return errNotStored(h)
	}
	if inFlight && !s.losesAck(f, h) {
		f.settle()
	}
	if !s.forwarded[e.commit] || s.store.quirks[QuirkDeadTwice] {
		s.forwarded[e.commit] = true
		s.unnoted = append(s.unnoted, e.commit)
		s.bury(e)
	}
	return nil
}

func errNotStored(h handle) error {
	return refusef(v2.Code_INTERNAL_SERVER_ERROR, "look message by offset failed, %d", h.commit)
}
